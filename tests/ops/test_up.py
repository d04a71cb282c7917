"""`manage.py up`, as a person starts, stops and breaks it. On the servers as well, when the suite runs on them."""

import json
import os
import signal
import urllib.request

import pytest
from django.conf import settings

from tests.ops.processes import PATIENCE, descendants, environment, is_alive, running, wait_until

UP = ("manage.py", "up", "--port", "0")
CHILDREN = ("gunicorn", "worker", "beat")

pytestmark = pytest.mark.django_db(transaction=True)  # else a run of this file alone would meet the real database


@pytest.fixture
def env(tmp_path):
    return environment(tmp_path, LOG_LEVEL="WARNING", **_servers())


def _servers() -> dict:
    """The servers this suite runs on, if it does; the product's own tables go into the test database there."""
    if not settings.REDIS_URL:
        return {}
    database = settings.DATABASES["default"]
    login = f"{database['USER']}:{database['PASSWORD']}" if database["PASSWORD"] else database["USER"]
    place = f"{database['HOST']}:{database['PORT'] or 5432}/{database['NAME']}"
    return {"DATABASE_URL": f"postgres://{login}@{place}", "REDIS_URL": settings.REDIS_URL}


@pytest.fixture
def log(tmp_path):
    return tmp_path / "up.log"


def test_it_answers_refuses_a_second_one_revives_a_child_and_stops_them_all(env, log, tmp_path):
    with running(*UP, env=env, log=log) as up:
        ready = _ready(tmp_path, log)
        assert urllib.request.urlopen(f"{ready['url']}/healthz").status == 200
        _refuses_a_second(env, up.pid, tmp_path)
        _revives(up.pid, "worker", log)
        everyone = _all_three(up.pid, log)
        up.send_signal(signal.SIGINT)
        assert up.wait(PATIENCE) == 0
    assert not [pid for pid in everyone if is_alive(pid)]
    assert not (tmp_path / "up.json").exists()


def test_its_children_end_with_it_when_it_is_killed(env, log, tmp_path):
    with running(*UP, env=env, log=log) as up:
        _ready(tmp_path, log)
        everyone = _all_three(up.pid, log)
        up.kill()
        up.wait()
        wait_until(lambda: not [pid for pid in everyone if is_alive(pid)], why="the children to end", log=log)


def _ready(home, log) -> dict:
    path = wait_until(lambda: (home / "up.json").exists() and home / "up.json", why="up.json", log=log)
    return json.loads(path.read_text())


def _refuses_a_second(env, pid, tmp_path):
    second = tmp_path / "second.log"
    with running(*UP, env=env, log=second) as process:
        assert process.wait(60) == 1
    assert f"already running (pid {pid})" in second.read_text()


def _revives(up: int, word: str, log):
    first = _child(up, word)
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: _child(up, word) not in (None, first), why=f"another {word}", log=log)
    assert "worker ended (killed by SIGKILL)" in log.read_text()


def _all_three(up: int, log) -> set[int]:
    wait_until(lambda: all(_child(up, word) for word in CHILDREN), why="three children", log=log)
    return descendants(up)


def _child(up: int, word: str) -> int | None:
    """The direct child whose command has this word."""
    for pid in descendants(up):
        try:
            with open(f"/proc/{pid}/stat") as stat, open(f"/proc/{pid}/cmdline") as line:
                parent = int(stat.read().rsplit(")", 1)[1].split()[1])
                if parent == up and word in line.read().split("\0"):
                    return pid
        except (FileNotFoundError, ProcessLookupError):
            continue
    return None
