"""Rows F2 to F7 for a transport that speaks HTTP: a worker dies before its n-th operation, for every n.

Unlike SMTP nothing is left to a person: while the vendor remembers the key, what is of unknown fate is asked again.
"""

import json
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from outbound.audits import audit
from sending import replay
from sending.models import Mailbox, Message, MessageBody
from sending.postoffice import dispatch
from tests import make
from tests.faults.forked import Child, killed_at_each_operation
from tests.faults.letters import one_letter, recover, stored, time_passes
from tests.ops.processes import wait_until
from tests.vendors.resend import KEY, ResendStandIn

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def vendor(live, settings):
    with ResendStandIn() as running:
        settings.RESEND_BASE_URL, settings.RESEND_REQUESTS_PER_SECOND = running.url, 1_000_000
        make.mailbox(live, provider="resend", password=KEY)
        yield running


def asked_again(vendor) -> None:
    """Second workers, until nothing is parked: what a dead one said may still be on its way to the vendor."""

    def is_over() -> bool:
        Message.objects.filter(state="unknown").update(send_at=timezone.now() - timedelta(days=1))
        recover()
        return not Message.objects.filter(state="unknown").exists()

    wait_until(lambda: vendor.open == 0, why="the vendor to see that the client is gone")
    wait_until(is_over, why="what is of unknown fate to be asked again")


def figures(what: str, began: float, **more) -> None:
    print("\n" + json.dumps({"what": what, **more, "seconds": round(time.monotonic() - began, 1)}))


def test_F2_to_F6_a_send_over_http_killed_at_each_operation_arrives_once_and_none_stays_unknown(live, vendor):
    began, letters, states = time.monotonic(), [], []

    def prepare():
        letters.append(one_letter(live))
        return dispatch

    def check(number: int, completed: bool) -> None:
        states.append(stored(letters[-1]).state)
        asked_again(vendor)
        assert stored(letters[-1]).state == "sent", number
        assert vendor.sends()[str(letters[-1].pk)] == 1, number

    died = killed_at_each_operation(prepare, check)

    figures("send over http", began, died=died, accepted=len(vendor.accepted))
    assert {"committed", "sent"} <= set(states), "it died before the commit, after it, and after the answer"
    assert set(vendor.sends().values()) == {1} and len(vendor.accepted) == died + 1
    assert Mailbox.objects.get().total_sent_count == died + 1
    assert audit("ledger") == []


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_F7_who_asks_again_killed_at_each_operation_leaves_it_to_the_next(live, vendor, fault):
    began, letters = time.monotonic(), []

    def prepare():
        letters.append(one_letter(live))
        vendor.faults = [fault]
        dispatch()
        assert stored(letters[-1]).state == "unknown"
        Message.objects.filter(state="unknown").update(send_at=timezone.now() - timedelta(days=1))
        return replay.ask_again_due

    def check(number: int, completed: bool) -> None:
        asked_again(vendor)
        assert stored(letters[-1]).state == "sent", number
        assert vendor.sends()[str(letters[-1].pk)] == 1, number

    died = killed_at_each_operation(prepare, check)

    figures(f"ask again, {fault}", began, died=died, accepted=len(vendor.accepted))
    assert len(vendor.accepted) == died + 1 == Mailbox.objects.get().total_sent_count
    assert audit("ledger") == []


@pytest.mark.parametrize("point", ["T3.committed", "dot.before", "dot.sent", "dot.answered", "T5.settling"])
def test_F3_F4_killed_after_the_commit_it_is_sent_once(live, vendor, point):
    message = one_letter(live)
    assert Child(dispatch, faults=f"{point}=kill").wait() == "killed"
    asked_again(vendor)
    assert stored(message).state == "sent" and vendor.sends() == {str(message.pk): 1}


def test_F5_a_day_later_it_is_left_to_a_person(live, vendor):
    message = one_letter(live)
    assert Child(dispatch, faults="dot.sent=kill").wait() == "killed"
    MessageBody.objects.update(handed_at=timezone.now() - timedelta(hours=24))
    vendor.clock = 25 * 3600
    time_passes()
    dispatch()
    dispatch()
    assert stored(message).state == "unknown" and vendor.sends() == {str(message.pk): 1}
