"""Mail by hand: an answer on a thread, through the mailbox it came to (Superkabe §7.4, sending.md: mail by hand)."""

import time
from datetime import datetime

from django.conf import settings
from django.db import transaction

from leads.models import Suppression
from leads.services import is_suppressed
from outbound.api.errors import ApiError, Invalid
from outbound.ids import uuid7
from outbound.mail_html import clean_html, html_to_text, is_blank
from sending.letters import rfc_message_id
from sending.models import Mailbox, Message, MessageBody, Thread

S = Message.State
SHOWN = {S.SENT: "sent", S.REFUSED: "refused", S.SKIPPED: "refused", S.CANCELED: "refused", S.UNKNOWN: "unknown"}


class MustNotBeWrittenTo(ApiError):
    code = "suppressed"


@transaction.atomic
def queue_reply(
    *, thread: Thread, body_html: str = "", body_text: str = "", confirm: bool = False, now: datetime
) -> Message:
    """Put an answer on the ledger. No lane, window, gap or reply stop holds it; suppression and the day's cap do.

    `confirm` writes to somebody who said no but did not opt out. Errors are 400s that say what to do.
    """
    html = clean_html(body_html) if body_html.strip() else ""
    text = body_text.strip() or html_to_text(html)
    if is_blank(text):
        raise Invalid.field("body_text", "Write body_html or body_text, or both.")
    _refuse_if_it_cannot_leave(thread, confirm)
    message = _queued(thread, now)
    MessageBody.objects.create(message=message, html=html, text=text)
    return message


def _refuse_if_it_cannot_leave(thread: Thread, confirm: bool) -> None:
    mailbox = thread.mailbox
    if mailbox.connection_status != Mailbox.Connection.ACTIVE:
        raise ApiError(f"{mailbox.email} is not connected ({mailbox.connection_status}). Connect it again first.")
    found = is_suppressed(thread.workspace, thread.contact_email)
    if found and not (confirm and found.kind == Suppression.Kind.REPLIED_NO):
        hint = " Send confirm: true to answer all the same." if found.kind == Suppression.Kind.REPLIED_NO else ""
        raise MustNotBeWrittenTo(f"{thread.contact_email} must not be written to: {found.kind}.{hint}")


def _queued(thread: Thread, now: datetime) -> Message:
    message_id = uuid7()
    subject = thread.subject if thread.subject.lower().startswith("re:") else f"Re: {thread.subject}"
    return Message.objects.create(
        id=message_id,
        workspace_id=thread.workspace_id,
        created_at=now,
        direction=Message.Direction.OUT,
        kind=Message.Kind.MANUAL,
        state=S.QUEUED,
        thread=thread,
        mailbox=thread.mailbox,
        lead_id=thread.lead_id,
        from_email=thread.mailbox.email,
        to_email=thread.contact_email,
        subject=subject[:998],
        rfc_message_id=rfc_message_id(message_id, thread.mailbox),
        send_at=now,
    )


def wait_for(message_id) -> str:
    """How the message fared, after REPLY_WAIT_SECONDS at most: sent, refused, unknown, or queued still."""
    deadline = time.monotonic() + settings.REPLY_WAIT_SECONDS
    while (status := status_of(message_id)) == "queued" and time.monotonic() < deadline:
        time.sleep(0.1)
    return status


def status_of(message_id) -> str:
    state = Message.objects.filter(pk=message_id).values_list("state", flat=True).first()
    return SHOWN.get(state, "queued")
