"""The audits find what must not be: each check is shown one planted violation, and nothing before it."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from apikeys.events import record_event
from apikeys.models import Event
from campaigns import services as campaigns
from campaigns.models import Campaign, Touch
from leads.models import Lead, Suppression
from leads.services import suppress
from outbound.audits import FOLDER
from outbound.clock import real_now
from sending.models import Lane, Mailbox, Message, SendCounter
from sending.postoffice import dispatch
from sending.services import decide_unknown
from tests import make

LATER = timedelta(seconds=11)  # than an acknowledgement may have waited for its locks


@pytest.fixture
def sent(queue) -> list[Message]:
    """Three mails of a run that have left, as the product left them."""
    queue(3)
    dispatch()
    rows = list(Message.objects.order_by("committed_at"))
    assert [row.state for row in rows] == ["sent"] * 3
    return rows


def put(message: Message, **fields) -> None:
    Message.objects.filter(pk=message.pk).update(**fields)


def more_than_the_cap(first: Message, *_) -> None:
    Message.objects.update(caps={"mailbox_day": 2, "lane_day": 10_000})


def nearer_than_the_gap(first: Message, *_) -> None:
    put(first, next_free_at=first.departed_at + timedelta(hours=1))


def the_same_mail_from_another_mailbox(first: Message, second: Message, *_) -> None:
    other = make.mailbox(first.workspace, email="other@you.example")
    put(second, mailbox=other, rfc_message_id=first.rfc_message_id)
    Mailbox.objects.filter(pk=other.pk).update(total_sent_count=1)
    Mailbox.objects.filter(pk=first.mailbox_id).update(total_sent_count=2)


def without_a_touch(first: Message, *_) -> None:
    Touch.objects.filter(message=first).delete()


def without_a_claim(first: Message, *_) -> None:
    put(first, token=None)


def without_an_event(first: Message, *_) -> None:
    Event.objects.filter(message_id=first.pk).delete()


def refused_on_record(first: Message, *_) -> None:
    Event.objects.filter(message_id=first.pk).update(kind="email.refused")
    record_event(
        workspace=first.workspace, kind="email.decided", summary="By hand", now=real_now(), message_id=first.pk
    )


def a_slot_too_many(*_) -> None:
    SendCounter.objects.filter(pk__startswith="mailbox:").update(used=4)


def a_wrong_total(*_) -> None:
    Mailbox.objects.update(total_sent_count=2)


def committed_long_ago(first: Message, *_) -> None:
    row = Message.objects.get(pk=first.pk)
    Touch.objects.filter(message=first).delete()
    row.pk, row.state, row.rfc_message_id, row.reserved = make.lead(first.workspace).pk, "committed", "<another@x>", {}
    row.lead, row.committed_at = None, real_now() - timedelta(hours=1)
    row.save(force_insert=True)
    Touch.objects.create(enrollment=Campaign.objects.get().enrollments.first(), position=9, message=first)


def opted_out_before(first: Message, *_) -> None:
    suppress(workspace=first.workspace, value=first.to_email, kind="unsubscribed", now=first.departed_at - LATER)


def domain_suppressed_before(first: Message, *_) -> None:
    suppress(workspace=first.workspace, value="@acme.example", kind="manual", now=first.departed_at - LATER)


def paused_before(first: Message, *_) -> None:
    campaigns.pause(campaign=Campaign.objects.get(), now=first.departed_at - LATER)
    Event.objects.filter(kind="campaign.launched").update(created_at=first.departed_at - 2 * LATER)


def replied_before(first: Message, *_) -> None:
    Lead.objects.filter(pk=first.lead_id).update(replied_at=first.departed_at - LATER)
    put(first, stops_after=first.departed_at - 2 * LATER)


PLANTS = [
    ("caps", "caps_exceeded", more_than_the_cap),
    ("caps", "gaps_cut_short", nearer_than_the_gap),
    ("ledger", "two_mails_for_one_step", the_same_mail_from_another_mailbox),
    ("ledger", "sent_for_no_step", without_a_touch),
    ("ledger", "sent_without_a_commit", without_a_claim),
    ("ledger", "sent_without_an_answer", without_an_event),
    ("ledger", "final_rows_that_changed", refused_on_record),
    ("ledger", "counters_that_differ", a_slot_too_many),
    ("ledger", "totals_that_differ", a_wrong_total),
    ("ledger", "held_for_too_long", committed_long_ago),
    ("ledger", "sent_after_an_opt_out", opted_out_before),
    ("ledger", "sent_after_an_opt_out", domain_suppressed_before),
    ("ledger", "sent_after_a_pause", paused_before),
    ("ledger", "sent_after_a_reply", replied_before),
]


def said_by(name: str) -> tuple[str, int]:
    """What the command prints, and its exit status."""
    out = StringIO()
    try:
        call_command(f"audit_{name}", stdout=out)
    except SystemExit as left:
        return out.getvalue(), left.code
    return out.getvalue(), 0


@pytest.mark.parametrize(("name", "check", "plant"), PLANTS, ids=[plant.__name__ for *_, plant in PLANTS])
def test_a_planted_violation_is_found(sent, name, check, plant):
    assert said_by(name)[1] == 0
    plant(*sent)
    said, status = said_by(name)
    assert status == 1
    headings = {path.stem for path in FOLDER.rglob("*.sql") if path.stem.replace("_", " ") in said.splitlines()}
    assert headings == {check}, said


def test_every_check_has_its_violation():
    checks = {(path.parent.name, path.stem) for path in FOLDER.rglob("*.sql")}
    assert {(name, check) for name, check, _ in PLANTS} == checks


def test_what_was_sent_again_by_hand_holds_one_slot(sent):
    first = sent[0]
    parked = Message.objects.get(pk=first.pk)
    Touch.objects.filter(message=first).delete()
    Event.objects.filter(message_id=first.pk).delete()
    Message.objects.filter(pk=first.pk).delete()
    parked.state = "unknown"
    parked.save(force_insert=True)
    decide_unknown(message=parked, decision="send_again", now=real_now())
    assert sorted(SendCounter.objects.values_list("used", flat=True)) == [2, 2]


def test_resumed_runs_and_later_opt_outs_are_in_order(sent):
    run = Campaign.objects.get()
    campaigns.pause(campaign=run, now=sent[0].departed_at - 3 * LATER)
    campaigns.resume(campaign=run, now=sent[0].departed_at - 2 * LATER)
    suppress(workspace=run.workspace, value=sent[0].to_email, kind="bounced", now=real_now())
    assert said_by("ledger")[1] == 0
    assert Lane.objects.get().state == "open"
    assert Suppression.objects.count() == 1
