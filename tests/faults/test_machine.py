"""A run's life in any order of events, as hypothesis finds them: the promises hold after each of them, and at the end.

The short form plays the same lives every time; the long one new ones. What breaks is printed as the shortest life that
breaks it.
"""

import os

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.faults.machine.rules import LifeOfRuns

pytestmark = pytest.mark.django_db(transaction=True)
COMMON = {"deadline": None, "suppress_health_check": list(HealthCheck), "database": None}


@pytest.fixture(autouse=True)
def short_waits(settings):
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    settings.SMTP_STEP_TIMEOUT_SECONDS = settings.SMTP_DOT_TIMEOUT_SECONDS = 0.5


def play(*, lives: int, events: int, **more) -> None:
    run_state_machine_as_test(
        LifeOfRuns, settings=settings(max_examples=lives, stateful_step_count=events, **COMMON, **more)
    )


def test_whatever_happens_in_whatever_order_the_promises_hold():
    play(lives=12, events=25, derandomize=True)


@pytest.mark.slow
def test_many_lives_hold_too():
    play(lives=int(os.environ.get("MACHINE_LIVES", "400")), events=50)
