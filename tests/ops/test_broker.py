"""The embedded broker, with real workers in real processes."""

import subprocess
import sys

import pytest
from django.conf import settings

from tests.ops.processes import ROOT, environment, running, wait_until

pytestmark = pytest.mark.skipif(bool(settings.REDIS_URL), reason="about the embedded broker")
TASKS = 120
WORKER = ["-m", "celery", "-A", "outbound", "worker", "-P", "threads", "-c", "4", "--without-gossip"]


@pytest.fixture
def probe(tmp_path):
    """The environment of the one-task project, its database made."""
    env = environment(
        tmp_path,
        DJANGO_SETTINGS_MODULE="tests.ops.probe.settings",
        PROBE_FILE=str(tmp_path / "notes"),
        BROKER_LEASE_SECONDS="2",
    )
    _python(env, "-m", "django", "migrate", "-v0")
    return env


def test_it_loses_no_task_when_workers_are_killed_in_mid_run(probe, tmp_path):
    _enqueue(probe, TASKS)
    log = tmp_path / "log"
    for killed in range(1, 4):
        with running(*WORKER, env=probe, log=log) as worker:
            wait_until(lambda n=killed: len(_notes(tmp_path)) >= n * 20, why=f"20 more tasks ({killed})", log=log)
            worker.kill()
    with running(*WORKER, env=probe, log=log):
        wait_until(lambda: set(_notes(tmp_path)) == set(range(TASKS)), why="every task", log=log)
        wait_until(lambda: _waiting(probe) == 0, why="an empty broker", log=log)


def test_it_gives_back_what_a_stopping_worker_had_not_begun(probe, tmp_path):
    _enqueue(probe, 40)
    log = tmp_path / "log"
    with running(*WORKER, env=probe, log=log) as worker:
        wait_until(lambda: len(_notes(tmp_path)) >= 5, why="some tasks", log=log)
        worker.terminate()
        assert worker.wait(30) == 0
    done = _notes(tmp_path)
    assert len(done) == len(set(done))
    assert _waiting(probe) == 40 - len(done)


def test_it_hands_a_task_that_outlives_its_lease_to_nobody_else(probe, tmp_path):
    _enqueue(probe, 1, seconds=5)
    log = tmp_path / "log"
    with running(*WORKER, env=probe, log=log), running(*WORKER, "-n", "second@%h", env=probe, log=log):
        wait_until(lambda: _waiting(probe) == 0, why="an empty broker", log=log)
    assert _notes(tmp_path) == [0]


def _enqueue(env, count, seconds=0.05):
    code = f"from tests.ops.probe.tasks import note\nfor number in range({count}): note.delay(number, {seconds})"
    _python(env, "-c", "import django; django.setup()\n" + code)


def _waiting(env) -> int:
    code = "import django; django.setup()\nfrom outbound.models import BrokerMessage as B\nprint(B.objects.count())"
    return int(_python(env, "-c", code))


def _notes(folder) -> list[int]:
    path = folder / "notes"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def _python(env, *arguments) -> str:
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
