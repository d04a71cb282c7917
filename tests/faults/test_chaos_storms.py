"""Short storms in the normal run; `make chaos` and `make test-full` let them blow as long as the acceptance asks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.faults.product import worker_environment
from tests.ops.processes import ROOT, environment

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(
        os.environ.get("TEST_ON") != "servers",
        reason="several workers need PostgreSQL: TEST_ON=servers, or `make test` where it answers",
    ),
]


def storm(*arguments: str) -> str:
    """What a storm in processes of its own says; it must have held."""
    env = environment(Path(settings.OUTBOUND_HOME))
    env |= {name: os.environ[name] for name in ("TEST_DATABASE_URL",) if name in os.environ}
    command = [sys.executable, "-m", "tests.faults.chaos", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    print(f"\n{done.stdout}")
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done.stdout


@pytest.mark.django_db(transaction=True)
def test_a_hundred_killed_workers_double_and_lose_nothing():
    here = worker_environment()["DATABASE_URL"]
    said = storm("kills", "--times", "100", "--workers", "4", "--leads", "100", "--here", here)
    assert "0 duplicates, 0 lost" in said
    assert "audits empty" in said


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("race", ["pauses", "optouts"])
def test_nothing_leaves_after_an_acknowledgement(race):
    here = worker_environment()["DATABASE_URL"]
    said = storm(race, "--times", "15", "--leads", "60", "--here", here)
    assert "0 duplicates, 0 lost" in said
    assert "0 after the acknowledgement" in said


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("TEST_REQUIRE_SERVERS") != "1", reason="takes long: `make chaos`")
@pytest.mark.parametrize("name", ["kills", "stops", "restarts", "pauses", "optouts"])
def test_a_whole_storm(name):
    said = storm(name)
    assert "0 duplicates, 0 lost" in said
