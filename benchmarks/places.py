"""A database of a benchmark's own, and processes that work on it. Nothing of it is left afterwards."""

import os
import secrets
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

ROOT = Path(__file__).resolve().parents[1]
SERVER = os.environ.get("BENCH_DATABASE_URL") or "postgres://postgres@127.0.0.1:5432/postgres"
OURS = {"PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV"}


@contextmanager
def database():
    """The URL of an empty PostgreSQL database; dropped at the end."""
    name = f"bench_{secrets.token_hex(4)}"
    with psycopg.connect(SERVER, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    try:
        yield urlsplit(SERVER)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(SERVER, autocommit=True) as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def product(**more: str):
    """The environment of a process of the product on an empty, migrated database and a data folder of its own."""
    with database() as url, folder() as env:
        env |= {"DATABASE_URL": url, **more}
        subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
        yield env


@contextmanager
def folder():
    """The environment of a process of the product that needs no database, on a data folder of its own."""
    with tempfile.TemporaryDirectory(prefix="outbound-bench-") as home:
        yield {name: value for name, value in os.environ.items() if name in OURS} | {
            "OUTBOUND_HOME": home,
            "DJANGO_SETTINGS_MODULE": "outbound.settings",
            "OUTBOUND_PRIVATE_NETWORKS": "127.0.0.0/8",
            "LOG_LEVEL": "WARNING",
        }


@contextmanager
def sink():
    """The port of an SMTP server that takes everything."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sink"], cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True
    )
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


def side(name: str, *args, env: dict) -> None:
    """Run `benchmarks.sides.<name>` unmeasured: what makes ready."""
    command = [sys.executable, "-m", f"benchmarks.sides.{name}", *map(str, args)]
    subprocess.run(command, cwd=ROOT, env=env, check=True)
