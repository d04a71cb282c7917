"""Every cap and the gap, with many workers at once and far more due than may leave: never one too many, never one less.

16 workers on PostgreSQL, 4 on SQLite, which has one writer.
"""

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.runner import tick
from outbound.audits import audit
from outbound.ids import uuid7
from sending.models import Mailbox, Message, MessageBody, SandboxDelivery
from sending.postoffice import drain, due_mailboxes
from tests import make
from tests.sending.test_concurrency import at_once

pytestmark = pytest.mark.django_db(transaction=True)
ON_POSTGRESQL = connection.vendor == "postgresql"
WORKERS = 16 if ON_POSTGRESQL else 4


@pytest.fixture
def due(acme):
    """due(200): so many mails of one run that may leave now, dealt out to the mailboxes there are."""

    def put(count: int) -> None:
        make.lead(acme)
        make.run(acme, schedule={**make.ALL_HOURS, "daily_limit": 100_000})
        tick()
        first = Message.objects.select_related("body").get()
        mailboxes = list(Mailbox.objects.order_by("email"))
        copies, bodies = [], []
        for number in range(count - 1):
            message = Message.objects.model(**{f.attname: getattr(first, f.attname) for f in Message._meta.fields})
            message.pk, message.rfc_message_id = uuid7(), f"<{number}@you.example>"
            message.mailbox = mailboxes[number % len(mailboxes)]
            copies.append(message)
            bodies.append(MessageBody(message=message, html=first.body.html, text=first.body.text))
        Message.objects.bulk_create(copies, batch_size=500)
        MessageBody.objects.bulk_create(bodies, batch_size=500)

    return put


def work_off() -> None:
    """One worker's day: until nothing that may leave is left."""
    while sum(drain(mailbox_id) for mailbox_id in due_mailboxes()):
        pass


def left_when_all_hands_work() -> int:
    assert at_once(*[work_off] * WORKERS) == []
    assert audit("caps") == []
    assert "counters_that_differ" not in [found.check for found in audit("ledger")]
    assert Message.objects.filter(state="sent").count() == SandboxDelivery.objects.count()
    return SandboxDelivery.objects.count()


def recovering(acme, *, domains: int, each: int) -> None:
    """Mailboxes on the way back, 10 mails a day each; a mailbox that the run was launched from is one of them."""
    for number in range(domains * each - 1):
        make.mailbox(acme, email=f"box{number}@{'you' if number < each - 1 else f'you{number % domains}'}.example")
    Mailbox.objects.update(phase="restricted_send", phase_since=timezone.now())


@pytest.mark.parametrize("count", [1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_a_mailbox_sends_exactly_fifty(due, count):
    due(count)
    Mailbox.objects.update(daily_limit=50)
    assert left_when_all_hands_work() == 50


def test_one_mail_leaves_in_a_gap(due):
    due(100)
    Mailbox.objects.update(send_gap_seconds=600)
    assert left_when_all_hands_work() == 1
    soonest = Mailbox.objects.get().next_free_at
    assert soonest > timezone.now() + timedelta(minutes=5)
    assert not Message.objects.filter(state="queued", send_at__lt=soonest).exists()


def test_the_recovering_mailboxes_of_a_domain_send_exactly_thirty(acme, due):
    make.mailbox(acme)
    recovering(acme, domains=1, each=4)
    due(100)
    assert left_when_all_hands_work() == 30


@pytest.mark.parametrize(
    ("name", "limit"), [("DOMAIN_DAILY_LIMIT", 25), ("WORKSPACE_DAILY_LIMIT", 25), ("RECEIVER_DAILY_LIMIT", 25)]
)
def test_what_mailboxes_share_is_shared_exactly(acme, due, settings, name, limit):
    """Four mailboxes of one domain and workspace write to one receiver."""
    for number in range(4):
        make.mailbox(acme, email=f"box{number}@you.example")
    due(100)
    setattr(settings, name, limit)
    assert left_when_all_hands_work() == limit
    held = Message.objects.filter(state="queued").values_list("state_reason", flat=True)
    assert all(str(limit) in reason for reason in held)


@pytest.mark.slow
def test_the_recovering_mailboxes_of_a_workspace_send_exactly_a_hundred(acme, due):
    make.mailbox(acme)
    recovering(acme, domains=4, each=4)
    due(300)
    assert left_when_all_hands_work() == 100
