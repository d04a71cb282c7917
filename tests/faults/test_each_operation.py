"""A worker dies before its n-th operation, for every n: no mail arrives twice, none is lost, rows say the truth."""

import json
import time
from collections import Counter
from itertools import groupby

import pytest
from django.utils import timezone

from apikeys.models import Event
from campaigns.models import Campaign, Touch
from campaigns.runner import tick
from leads.models import Suppression
from outbound.audits import audit
from sending import ledger, reconcile
from sending.models import Domain, Lane, Mailbox, Message
from sending.postoffice import dispatch
from sending.services import decide_unknown
from tests.faults.forked import Child, killed_at_each_operation
from tests.faults.letters import LONG, accepted, evidence, one_letter, one_run, reap_late, reconcile_by, recover, stored
from tests.ops.processes import wait_until
from tests.servers.scripted_smtp import OK

pytestmark = pytest.mark.django_db(transaction=True)


def figures(what: str, began: float, **more) -> None:
    print("\n" + json.dumps({"what": what, **more, "seconds": round(time.monotonic() - began, 1)}))


class OneSend:
    """Puts a letter on the ledger for each death, and sees what became of it."""

    def __init__(self, workspace, server):
        self.workspace, self.server = workspace, server
        self.message: Message = None
        self.fates: list[str] = []

    def prepare(self):
        self.message = one_letter(self.workspace)
        return dispatch

    def check(self, number: int, completed: bool) -> None:
        before = stored(self.message).state
        recover()
        after = stored(self.message)
        arrived = accepted(self.server)[after.rfc_message_id]
        assert after.state in ("sent", "unknown"), (number, after.state, after.state_reason)
        assert arrived == 1 if after.state == "sent" else arrived < 2, (number, after.state, arrived)
        self.fates.append(
            {"sent": "done" if before == "sent" else "again", "unknown": "arrived" if arrived else "not"}[after.state]
        )
        if after.state == "unknown":
            reconcile_by(self.server, after)
            assert stored(after).state == "sent" and accepted(self.server)[after.rfc_message_id] == 1, number


def test_F2_to_F6_a_send_killed_at_each_operation_arrives_once_or_is_parked(live, server):
    """Before the commit another worker sends it; between commit and settling it is parked; after that it is done."""
    began, send = time.monotonic(), OneSend(live, server)

    died = killed_at_each_operation(send.prepare, send.check)

    counts = {fate: len(list(same)) for fate, same in groupby(send.fates)}
    figures("send", began, died=died, **counts)
    assert list(counts) == ["again", "not", "arrived", "done"]
    assert len(send.fates) == sum(counts.values()), "each fate has its own stretch of the protocol"
    assert set(accepted(server).values()) == {1}
    assert sum(accepted(server).values()) == died + 1
    assert set(Message.objects.values_list("state", flat=True)) == {"sent"}
    assert audit("ledger") == []


def nobody_minds() -> None:
    """That so many mails were refused: the next one is to be on its way as well."""
    Suppression.objects.all().delete()
    for model in (Mailbox, Domain):
        model.objects.update(phase="healthy")


@pytest.mark.parametrize(
    ("answer", "end"),
    [
        ("451 4.3.0 Try again", "sent"),
        pytest.param("550 5.1.1 No such user", "refused", marks=pytest.mark.slow),
        pytest.param("552 5.2.2 Mailbox full", "refused", marks=pytest.mark.slow),
    ],
)
def test_F14_turned_away_at_its_dot_and_killed_at_each_operation_it_arrives_once_or_never(live, server, answer, end):
    """The server says no after the dot. Whoever dies before that is written down leaves a mail that did not arrive, of
    which nobody knows: parked, and sent once its absence is known."""
    began, rows, fates = time.monotonic(), [], []

    def prepare():
        server.script["dot"] = [answer, OK]
        rows[:] = [one_letter(live)]
        return dispatch

    def check(number: int, completed: bool) -> None:
        recover()
        after = stored(rows[0])
        fates.append(str(after.state))
        if after.state == "unknown":
            reconcile_by(server, after)
            after = stored(after)
            assert after.state in ("sent", end), number  # the second try may be the first that is turned away
        assert (after.state, accepted(server)[after.rfc_message_id]) in (("sent", 1), ("refused", 0)), number
        nobody_minds()
        tick()

    died = killed_at_each_operation(prepare, check)

    figures("turned away", began, answer=answer[:3], died=died, **Counter(fates))
    assert set(fates) == {end, "unknown"}
    assert set(accepted(server).values()) == {1}
    assert audit("ledger") == []


def test_F1_a_plan_killed_at_each_operation_is_made_once(live, server):
    """F1: before its commit nothing happened, and the next tick plans; after it there is nothing left to plan."""
    began, made, runs = time.monotonic(), [], []

    def prepare():
        runs.append(one_run(live))
        return tick

    def check(number: int, completed: bool) -> None:
        letters = Message.objects.filter(lane=runs[-1].lane)
        made.append(letters.count())
        tick()
        tick()
        assert letters.count() == Touch.objects.filter(enrollment__campaign=runs[-1]).count() == 1, number
        recover()
        tick()
        assert Campaign.objects.get(pk=runs[-1].pk).status == "completed", number

    died = killed_at_each_operation(prepare, check)

    figures("plan", began, died=died)
    assert sorted(made) == made and {0, 1} == set(made), "it is the commit that makes it"
    assert sorted(accepted(server).values()) == [1] * (died + 1)
    assert audit("ledger") == []


def test_a_reaper_killed_at_each_operation_leaves_it_to_the_next(live, server):
    """A claim whose holder died, a commit nobody answered, and what came back to a lane that was closed."""
    began, rows = time.monotonic(), []

    def prepare():
        for _ in range(3):
            one_letter(live)
        rows[:] = claimed, committed, closed = claim_all()
        assert ledger.commit(committed, now=timezone.now())
        ledger.release(closed)
        Lane.objects.filter(pk=closed.lane_id).update(state="closed")
        past = timezone.now() - LONG
        Message.objects.filter(pk=claimed.pk).update(lease_until=past)
        Message.objects.filter(pk=committed.pk).update(committed_at=past)
        return ledger.reap

    def check(number: int, completed: bool) -> None:
        wait_until(lambda: not ledger_is_behind(rows), why="the locks of a dead reaper")
        assert [stored(message).state for message in rows] == ["queued", "unknown", "canceled"], number
        assert Event.objects.filter(message_id=rows[1].pk, kind="email.unknown").count() == 1, number
        Message.objects.filter(state__in=["queued", "unknown"]).update(state="canceled")  # no concern of the next round
        Campaign.objects.update(status="archived")

    figures("reap", began, died=killed_at_each_operation(prepare, check))


def claim_all() -> list[Message]:
    return ledger.claim(Mailbox.objects.get(), now=timezone.now(), limit=20)


def ledger_is_behind(rows: list[Message]) -> bool:
    ledger.reap()
    return stored(rows[0]).state == "claimed" or stored(rows[1]).state == "committed"


@pytest.mark.parametrize(
    "decision", ["send_again", *(pytest.param(word, marks=pytest.mark.slow) for word in ("assume_sent", "drop"))]
)
def test_a_decision_killed_at_each_operation_is_made_whole_or_not_at_all(live, server, decision):
    began, rows, seen = time.monotonic(), [], []
    after = {"send_again": "queued", "assume_sent": "sent", "drop": "refused"}[decision]

    def prepare():
        one_letter(live)
        rows[:] = claim_all()
        assert ledger.commit(rows[0], now=timezone.now())
        reap_late()
        message = stored(rows[0])
        return lambda: decide_unknown(message=message, decision=decision, now=timezone.now())

    def check(number: int, completed: bool) -> None:
        state = stored(rows[0]).state
        seen.append(state)
        said = Event.objects.filter(message_id=rows[0].pk, kind="email.decided").count()
        assert (state, said) in (("unknown", 0), (after, 1)), number
        if state == "unknown":
            decide_unknown(message=stored(rows[0]), decision=decision, now=timezone.now())
        Message.objects.filter(state="queued").update(state="canceled")
        assert Mailbox.objects.get().total_sent_count == Message.objects.filter(state="sent").count()

    died = killed_at_each_operation(prepare, check)
    figures(decision, began, died=died)
    assert seen == sorted(seen, key=lambda state: state == after)


@pytest.mark.parametrize("point", ["dot.before", "dot.sent"])
def test_F7_a_reconciler_killed_at_each_operation_leaves_it_to_the_next(live, server, point):
    """Whether the mail arrived or not: settled once, booked once, and in the recipient's inbox once."""
    began, rows = time.monotonic(), []

    def prepare():
        rows[:] = [one_letter(live)]
        assert Child(dispatch, faults=f"{point}=kill").wait() == "killed"
        recover()
        message, found = stored(rows[0]), evidence(server, rows[0])
        return lambda: reconcile.judge(message, **found)

    def check(number: int, completed: bool) -> None:
        if stored(rows[0]).state == "unknown":
            reconcile_by(server, rows[0])
        recover()
        assert stored(rows[0]).state == "sent", number
        assert accepted(server)[rows[0].rfc_message_id] == 1, number
        assert Event.objects.filter(message_id=rows[0].pk, kind="email.reconciled").count() == 1, number
        tick()

    died = killed_at_each_operation(prepare, check)
    figures("reconcile", began, died=died)
    assert Mailbox.objects.get().total_sent_count == died + 1
    assert audit("ledger") == []
