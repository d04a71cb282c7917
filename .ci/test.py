"""Runs the suite on SQLite, and again on PostgreSQL and Redis where both answer. Arguments go to pytest.

TEST_DATABASE_URL and TEST_REDIS_URL name the servers (default: this machine's); TEST_REQUIRE_SERVERS=1 makes missing
ones a failure; TEST_PLACES=sqlite or servers runs in one place only.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))


def main(arguments: list[str]) -> int:
    places = os.environ.get("TEST_PLACES", "sqlite,servers").split(",")
    statuses = [_run("sqlite", arguments)] if "sqlite" in places else []
    missing = _missing() if "servers" in places else "not asked for"
    if not missing:
        statuses.append(_run("servers", arguments))
    print(f"\nTested on: {_summary(places, missing)}", flush=True)
    if missing and os.environ.get("TEST_REQUIRE_SERVERS") == "1":
        print("TEST_REQUIRE_SERVERS=1, so this is a failure.")
        statuses.append(1)
    return max(statuses)


def _run(place: str, arguments: list[str]) -> int:
    name = {"sqlite": "SQLite and the embedded broker", "servers": "PostgreSQL and Redis"}[place]
    print(f"\n=== {name} ===", flush=True)
    # worksteal: the long tests stand together at the end, and one process would be left with all of them.
    several = ["-n", os.environ.get("TEST_PROCESSES", "2"), "--dist", "worksteal"]
    command = [sys.executable, "-m", "pytest", "-q", *several, *arguments]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "TEST_ON": place}, check=False).returncode


def _missing() -> str:
    """Which server does not answer, and what it said; empty when both do."""
    import psycopg
    import redis
    from servers_at import POSTGRES, REDIS

    try:
        psycopg.connect(POSTGRES, connect_timeout=3).close()
    except psycopg.Error as error:
        return f"PostgreSQL does not answer: {str(error).splitlines()[0]}"
    try:
        redis.Redis.from_url(REDIS, socket_connect_timeout=3).ping()
    except redis.RedisError as error:
        return f"Redis does not answer: {error}"
    return ""


def _summary(places: list[str], missing: str) -> str:
    parts = ["SQLite and the embedded broker"] if "sqlite" in places else []
    parts.append(f"NOT on PostgreSQL and Redis ({missing})" if missing else "PostgreSQL and Redis")
    return "; ".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
