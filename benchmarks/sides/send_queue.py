"""Mails on the ledger, ready to leave: python -m benchmarks.sides.send_queue PORT COUNT

Eight runs with a mailbox each: mails of one mailbox leave one after the other, by design.
"""

import sys

import django
from django.utils import timezone

django.setup()

from django.db import transaction  # noqa: E402

from apikeys.models import Workspace  # noqa: E402
from apikeys.services import create_workspace  # noqa: E402
from benchmarks import letters  # noqa: E402
from leads.models import Lead  # noqa: E402
from leads.services import import_leads  # noqa: E402
from outbound.ids import uuid7  # noqa: E402
from sending.models import Lane, Mailbox, Thread  # noqa: E402
from sending.services import Draft, connect_mailbox, queue_messages  # noqa: E402

MAILBOXES, PLENTY = 8, 10_000_000
port, count = map(int, sys.argv[1:])
now = timezone.now()


def world() -> Workspace:
    workspace = create_workspace(
        name="Bench", livemode=True, postal_address="Main Street 1, 12345 Town", public_url="https://outbound.example"
    )
    for number in range(MAILBOXES):
        mailbox = connect_mailbox(
            workspace=workspace, email=f"hi{number}@you.example", now=now, warmup=False, send_gap_seconds=0,
            daily_limit=PLENTY, smtp_host="127.0.0.1", smtp_port=port, smtp_security="none",
        )  # fmt: skip
        Lane.objects.create(
            workspace=workspace,
            state="open",
            daily_limit=PLENTY,
            send_gap_seconds=0,
            reference={"mailbox": mailbox.email},
        )
    return workspace


@transaction.atomic
def queue(workspace: Workspace) -> None:
    missing = range(Lead.objects.filter(workspace=workspace).count(), count)
    for start in missing[::1000]:
        rows = [
            {"email": letters.recipient(number), "first_name": "Jo"}
            for number in range(start, min(start + 1000, count))
        ]
        import_leads(workspace=workspace, rows=rows, now=now)
    mailboxes = {mailbox.email: mailbox for mailbox in Mailbox.objects.for_workspace(workspace)}
    senders = [
        (mailboxes[lane.reference["mailbox"]], lane) for lane in Lane.objects.for_workspace(workspace).order_by("id")
    ]
    leads = list(Lead.objects.filter(workspace=workspace).order_by("id")[:count])
    made = [(lead, *senders[number % len(senders)]) for number, lead in enumerate(leads)]
    threads = [
        Thread(workspace=workspace, mailbox=mailbox, lead=lead, contact_email=lead.email, created_at=now)
        for lead, mailbox, _ in made
    ]
    Thread.objects.bulk_create(threads)
    drafts = [
        Draft(
            id=uuid7(), mailbox=mailbox, thread=thread, lane=lane, lead=lead, subject=letters.SUBJECT,
            html=letters.HTML, text=letters.TEXT, send_at=now, not_after=None, stops_after=now,
        )
        for (lead, mailbox, lane), thread in zip(made, threads, strict=True)
    ]  # fmt: skip
    queue_messages(drafts, now=now)


queue(Workspace.objects.filter(name="Bench").first() or world())
