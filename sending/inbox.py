"""What comes back: a raw mail becomes a Message on its thread, once, and has its effect on the lead and the mailbox."""

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from apikeys.events import record_event
from leads.models import Lead, Suppression
from leads.services import lock_address, record_activity, suppress
from sending import healing
from sending.inbound import Inbound, read_mail
from sending.models import Mailbox, Message, MessageBody, Thread

AWAY_WITHOUT_DATE = timedelta(days=7)
AWAY_AT_MOST = timedelta(days=60)
KINDS = {
    "reply": Message.Kind.REPLY,
    "auto_reply": Message.Kind.AUTO_REPLY,
    "bounce": Message.Kind.BOUNCE,
    "complaint": Message.Kind.COMPLAINT,
    "unsubscribe": Message.Kind.UNSUBSCRIBE,
}


def receive(*, mailbox: Mailbox, raw: bytes, now: datetime) -> Message | None:
    """Take one mail in. None when it is of no concern: of a kind we ignore, seen before, or on no thread of ours.

    `now` is the moment it arrived, in business time. Order and meaning of the kinds: sending/inbound.py.
    """
    mail = read_mail(raw, received_at=now)
    if mail.kind not in KINDS:
        return None
    original = _original(mailbox, mail)
    if original is None:
        return None
    try:
        with transaction.atomic():
            lock_address(mailbox.workspace, original.to_email)  # before the lead, as every send does
            lead = _lock_lead(original.lead_id)
            message = _store(mailbox, mail, original, lead, raw, now)
            EFFECTS[mail.kind](message, mail, original, lead, now)
    except IntegrityError:
        return None  # this Message-ID was taken in before
    return message


def _original(mailbox: Mailbox, mail: Inbound) -> Message | None:
    """The mail of ours that this one is about: by the ids it names, else the last one to its sender."""
    ours = Message.objects.filter(mailbox=mailbox, direction=Message.Direction.OUT).select_related("thread", "lane")
    found = ours.filter(rfc_message_id__in=mail.references).order_by("-created_at").first()
    if found is None and mail.kind in ("reply", "unsubscribe"):
        found = ours.filter(to_email=mail.from_email).order_by("-created_at").first()
    return found


def _lock_lead(lead_id) -> Lead | None:
    """A send in its last moment holds this lock: either it is committed before us, or it sees what we write."""
    return Lead.objects.select_for_update(no_key=True).filter(pk=lead_id).first() if lead_id else None


def _store(mailbox: Mailbox, mail: Inbound, original: Message, lead: Lead | None, raw: bytes, now: datetime) -> Message:
    with transaction.atomic():
        message = Message.objects.create(
            workspace_id=mailbox.workspace_id,
            created_at=now,
            direction=Message.Direction.IN,
            kind=KINDS[mail.kind],
            state=Message.State.RECEIVED,
            thread=original.thread,
            mailbox=mailbox,
            lane=original.lane,
            lead=lead,  # none when it was deleted a moment ago
            answers=original,
            from_email=mail.from_email[:254],
            to_email=mailbox.email,
            subject=mail.subject[:998],
            rfc_message_id=mail.message_id[:998],
            in_reply_to=mail.in_reply_to[:998],
            settled_at=now,
        )
        MessageBody.objects.create(message=message, html=mail.html, text=mail.reply_text or mail.text, raw=raw)
    return message


def _on_reply(message: Message, mail: Inbound, original: Message, lead: Lead | None, now: datetime) -> None:
    Thread.objects.filter(pk=original.thread_id).update(last_inbound_at=now)
    if lead:
        record_activity(lead_id=lead.pk, now=now, replied=1)
        _log(message, "lead.replied", f"{lead.email} replied", now)
    _log(message, "reply.received", f"Reply from {message.from_email}: {message.subject}", now)


def _on_unsubscribe(message: Message, mail: Inbound, original: Message, lead: Lead | None, now: datetime) -> None:
    _suppress(message, original, Suppression.Kind.UNSUBSCRIBED, "Asked for it in a reply.", now)


def _on_auto_reply(message: Message, mail: Inbound, original: Message, lead: Lead | None, now: datetime) -> None:
    """Does not stop the lead: it defers until the day after the return (7 days when none is named, 60 at most)."""
    back = mail.away_until + timedelta(days=1) if mail.away_until else now + AWAY_WITHOUT_DATE
    until = max(now, min(back, now + AWAY_AT_MOST))
    if lead:
        Lead.objects.filter(pk=lead.pk).update(away_until=until)
        _log(message, "lead.away", f"{lead.email} is away; follow-ups wait until {until:%Y-%m-%d}", now)


def _on_bounce(message: Message, mail: Inbound, original: Message, lead: Lead | None, now: datetime) -> None:
    """Hard suppresses the address; a policy block is the sender's problem and pauses the mailbox; soft is noted."""
    bounce = mail.bounce
    text = f"{original.to_email} bounced ({bounce.hardness} {bounce.status}): {bounce.diagnostic}"
    _log(message, "email.bounced", text, now)
    if bounce.hardness == "hard":
        healing.note_bounce(original, now=now)
        _suppress(message, original, Suppression.Kind.BOUNCED, bounce.diagnostic, now)
    elif bounce.hardness == "blocked":
        healing.note_block(original, reason=f"A receiver blocks its mail: {bounce.diagnostic}", now=now)


def _on_complaint(message: Message, mail: Inbound, original: Message, lead: Lead | None, now: datetime) -> None:
    _log(message, "email.complained", f"{original.to_email} called it spam", now)
    _suppress(message, original, Suppression.Kind.COMPLAINED, "Called the mail spam.", now)


EFFECTS = {
    "reply": _on_reply,
    "auto_reply": _on_auto_reply,
    "bounce": _on_bounce,
    "complaint": _on_complaint,
    "unsubscribe": _on_unsubscribe,
}


def _suppress(message: Message, original: Message, kind: str, reason: str, now: datetime) -> None:
    suppress(workspace=message.workspace, value=original.to_email, kind=kind, reason=reason, now=now)


def _log(message: Message, kind: str, summary: str, now: datetime) -> None:
    record_event(
        workspace=message.workspace, kind=kind, summary=summary, now=now, message_id=message.id,
        lead_id=message.lead_id, campaign_id=message.lane and message.lane.reference.get("campaign_id"),
    )  # fmt: skip
