"""A mailbox's own verbs: pause, resume, test the connection."""

from datetime import datetime

from django.db import transaction

from apikeys.events import record_event
from outbound.api.errors import Conflict
from sending.models import Mailbox
from sending.postoffice import transport_of

PAUSED = "paused"
MAY_SEND = ("healthy", "warning")


@transaction.atomic
def pause_mailbox(*, mailbox: Mailbox, reason: str = "Paused by hand.", now: datetime) -> Mailbox:
    """Nothing more leaves from it: the row is locked as every commit locks it. What is queued waits."""
    mailbox = (
        Mailbox.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace").get(pk=mailbox.pk)
    )
    if mailbox.phase not in MAY_SEND:
        raise Conflict(f"{mailbox.email} is {mailbox.phase} already.")
    mailbox.phase, mailbox.paused_reason = PAUSED, reason[:300]
    mailbox.save(update_fields=["phase", "paused_reason"])
    record_event(
        workspace=mailbox.workspace, kind="mailbox.paused", summary=f"{mailbox.email} was paused. {reason}", now=now
    )
    return mailbox


@transaction.atomic
def resume_mailbox(*, mailbox: Mailbox, now: datetime) -> Mailbox:
    """It may send again; gaps and caps still hold, so nothing leaves in a burst."""
    mailbox = (
        Mailbox.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace").get(pk=mailbox.pk)
    )
    if mailbox.phase != PAUSED:
        raise Conflict(f"{mailbox.email} is not paused.")
    mailbox.phase, mailbox.paused_reason = "healthy", ""
    mailbox.save(update_fields=["phase", "paused_reason"])
    record_event(workspace=mailbox.workspace, kind="mailbox.resumed", summary=f"{mailbox.email} sends again", now=now)
    return mailbox


def check_connection(mailbox: Mailbox) -> tuple[bool, str]:
    """Connect and sign in, without sending: (works, a sentence). A success lifts a failed sign-in at once.

    Talks to the network: call it outside a transaction.
    """
    works, sentence = transport_of(mailbox).check(mailbox)
    if works:
        mailbox.connection_status, mailbox.retry_connection_at = Mailbox.Connection.ACTIVE, None
    mailbox.connection_detail = "" if works else sentence[:300]
    mailbox.save(update_fields=["connection_status", "connection_detail", "retry_connection_at"])
    return works, sentence
