"""Workers that die at the worst moment: no step arrives twice, none is lost, what nobody can know is parked."""

import json
import os
import random
import time

import pytest
from django.db import connection

from campaigns.models import Campaign, Touch
from sending.models import Message
from tests import make
from tests.base import Api
from tests.faults.product import live_workspace, smtp_server, states, steps, wait_for, workers

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(
        os.environ.get("TEST_ON") != "servers",
        reason="two workers need PostgreSQL and Redis: TEST_ON=servers, or `make test` where both answer",
    ),
]
STEPS = 2


def run_with_kills(folder, *, leads: int, kills: int) -> dict:
    """A run while one of two workers is killed at random moments. Returns what came of it."""
    began = time.monotonic()
    with smtp_server(folder) as server, workers(folder) as (victim, witness):
        workspace = live_workspace(server.port, leads=leads, daily_limit=100_000)
        run = make.run(workspace, steps=steps(STEPS), schedule={**make.ALL_HOURS, "daily_limit": 100_000})
        for number in range(kills):
            due = leads * STEPS * (number + 1) // (kills + 2)
            wait_for(lambda due=due: server.count() >= due, log=witness.log)
            time.sleep(random.uniform(0, 0.3))  # where in a send it strikes is left to chance
            victim.kill()
            victim.start()
        wait_for(lambda: _is_over(run), log=witness.log)
        return {
            "workspace": workspace, "run": run, "server": server, "kills": victim.kills,
            "sent": states()["sent"], "unknown": states()["unknown"],
            "duplicates": sum(count - 1 for count in server.places().values()),
            "seconds": round(time.monotonic() - began, 1),
        }  # fmt: skip


def _is_over(run) -> bool:
    """Nobody is owed a step, except those who wait for what is parked."""
    if set(states()) - {"sent", "unknown"}:
        return False
    waiting = Campaign.objects.get(pk=run.pk).enrollments.walking().count()
    return waiting == states()["unknown"] and states()["sent"] > 0


def check(result: dict, *, leads: int) -> None:
    places, ids = result["server"].places(), result["server"].ids()
    unknown = set(Message.objects.filter(state="unknown").values_list("rfc_message_id", flat=True))
    sent = set(Message.objects.filter(state="sent").values_list("rfc_message_id", flat=True))

    assert max(places.values()) == 1
    assert max(ids.values()) == 1
    assert set(states()) <= {"sent", "unknown"}
    assert len(unknown) <= result["kills"]
    assert sent <= set(ids), "what is booked as sent has arrived"
    assert set(ids) - sent <= unknown, "what arrived is booked as sent, or parked"
    # Nothing is lost: who did not get every step is waiting for a parked one.
    touches = Touch.objects.order_by("position").values_list("enrollment_id", "position")
    walked = {str(enrollment): position for enrollment, position in touches}
    parked = {str(pk) for pk in Touch.objects.filter(message__state="unknown").values_list("enrollment_id", flat=True)}
    assert len(walked) == leads
    assert {pk for pk, position in walked.items() if position < STEPS} <= parked
    _is_listed(result, len(unknown))


def _is_listed(result: dict, unknown: int) -> None:
    api = Api(make.key(result["workspace"]))
    shown = api.data("get", f"/runs/{result['run'].id}")
    assert shown["progress"]["unknown"] == unknown
    assert len(api.data("get", f"/runs/{result['run'].id}/messages?state=unknown")) == unknown
    assert shown["status"] == ("running" if unknown else "completed")


def _report(result: dict) -> None:
    figures = {name: result[name] for name in ("sent", "unknown", "duplicates", "kills", "seconds")}
    print(f"\n{json.dumps(figures)}")


@pytest.mark.django_db(transaction=True)
def test_no_step_arrives_twice_and_none_is_lost(tmp_path):
    result = run_with_kills(tmp_path, leads=200, kills=3)
    _report(result)
    check(result, leads=200)


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("TEST_REQUIRE_SERVERS") != "1", reason="takes minutes: `make test-full`")
@pytest.mark.django_db(transaction=True)
def test_two_thousand_leads_and_ten_kills(tmp_path):
    assert connection.vendor == "postgresql"
    result = run_with_kills(tmp_path, leads=2000, kills=10)
    _report(result)
    check(result, leads=2000)
