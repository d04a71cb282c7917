"""What comes back: a raw mail becomes a Message on its thread, once, and has its effect on the lead and the mailbox."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from apikeys.events import record_event
from leads.models import Lead, Suppression
from leads.services import lock_address, record_activity, suppress
from sending import blame
from sending.inbound import Inbound, read_mail
from sending.judging import judge_by_rules
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
PERSONAL = ("reply", "auto_reply", "unsubscribe")  # their sender is whom we wrote to


# States of a mail of ours that may have arrived, and so may be what somebody answers.
MAY_HAVE_ARRIVED = (Message.State.COMMITTED, Message.State.SENT, Message.State.UNKNOWN)
Outcome = Literal["taken", "seen", "ours", "ignored", "unmatched", "poison"]


@dataclass(frozen=True)
class Taken:
    """What became of a mail: taken in (`message`), seen before, from an address of ours, ignored for its kind, on no
    thread of ours, or beyond a limit."""

    outcome: Outcome
    mail: Inbound
    message: Message | None = None


def receive(*, mailbox: Mailbox, raw: bytes, now: datetime) -> Message | None:
    """Take one mail in; None when it is of no concern."""
    return take_in(mailbox=mailbox, raw=raw, now=now).message


def take_in(
    *, mailbox: Mailbox, raw: bytes, now: datetime, arrived_at: datetime | None = None, about: Message | None = None
) -> Taken:
    """Take one mail in, once. Order and meaning of the kinds: sending/inbound.py.

    `now` is business time; `arrived_at` (now, when absent) dates a return day without a year. `about` is the mail of
    ours that a person says it answers.
    """
    mail = read_mail(raw, received_at=arrived_at or now)
    if mail.is_poison or mail.kind not in KINDS:
        return Taken("poison" if mail.is_poison else "ignored", mail)
    if mail.kind in PERSONAL and Mailbox.objects.filter(workspace=mailbox.workspace, email=mail.from_email).exists():
        return Taken("ours", mail)
    original = about or _original(mailbox, mail)
    if original is None:
        return Taken("unmatched", mail)
    return _store_once(original, mail, raw, now)


def take_report(original: Message, mail: Inbound, *, now: datetime) -> Taken:
    """A bounce or complaint that a vendor tells of, with no mail to read, in the words of one that was read."""
    return _store_once(original, mail, b"", now)


def _store_once(original: Message, mail: Inbound, raw: bytes, now: datetime) -> Taken:
    mailbox = original.mailbox
    if Message.objects.filter(mailbox=mailbox, rfc_message_id=mail.message_id[:998], direction="out").exists():
        # Some servers return a mail under its own id: what it says must not be taken for our copy.
        mail = replace(mail, message_id=f"<{hashlib.sha256(raw).hexdigest()}@returned>")
    known = Message.objects.filter(mailbox=mailbox, rfc_message_id=mail.message_id[:998])
    if known.exists():
        return Taken("seen", mail)
    try:
        with transaction.atomic():
            lock_address(mailbox.workspace, original.to_email)  # before the lead, as every send does
            lead = _lock_lead(original.lead_id)
            message = _store(mailbox, mail, original, lead, raw, now)
            EFFECTS[mail.kind](message, mail, original, lead, now)
    except IntegrityError:
        if known.exists():  # another reader was faster
            return Taken("seen", mail)
        raise
    return Taken("taken", mail, message)


def _original(mailbox: Mailbox, mail: Inbound) -> Message | None:
    """The mail of ours that this one is about: by the ids it names, in any mailbox of the workspace (people answer to
    other addresses of ours, too), else the last one that this mailbox sent to its sender or failing recipient."""
    ours = Message.objects.select_related("thread", "lane", "mailbox__workspace")
    ours = ours.filter(workspace_id=mailbox.workspace_id, direction=Message.Direction.OUT)
    return _by_id(mailbox, ours, mail.references) or _by_contact(ours.filter(mailbox=mailbox), mail)


def _by_id(mailbox: Mailbox, ours: QuerySet, ids: tuple[str, ...]) -> Message | None:
    if not ids:
        return None
    for names in ("rfc_message_id", "provider_message_id", "answered_by__rfc_message_id"):
        found = list(ours.filter(**{f"{names}__in": ids}).order_by("-created_at", "-id")[:20])
        if found:
            return min(found, key=lambda message: message.mailbox_id != mailbox.pk)
    return None


def _by_contact(ours: QuerySet, mail: Inbound) -> Message | None:
    contact = mail.from_email if mail.kind in PERSONAL else mail.bounce.recipient if mail.bounce else ""
    if not contact:
        return None
    exact = ours.filter(to_email=contact)
    if exact.exists():
        return _latest(exact)
    person = same_person(contact)
    at_home = ours.filter(to_email__endswith="@" + person.rpartition("@")[2]).values_list("to_email", flat=True)
    others = [address for address in at_home.order_by().distinct()[:1000] if same_person(address) == person]
    return _latest(ours.filter(to_email__in=others)) if others else None


def _latest(messages: QuerySet) -> Message | None:
    newest = messages.order_by("-created_at", "-id")
    return newest.filter(state__in=MAY_HAVE_ARRIVED).first() or newest.first()


def same_person(address: str) -> str:
    """Aliases of one inbox as one address: without +tag; at Google without dots and under one name."""
    local, _, domain = address.lower().rpartition("@")
    local = local.partition("+")[0]
    if domain in ("gmail.com", "googlemail.com"):
        return f"{local.replace('.', '')}@gmail.com"
    return f"{local}@{domain}"


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
            references=" ".join(mail.references),
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
    judge_by_rules(message=message, own_words=mail.own_words, now=now)


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
    bounce = mail.bounce_of(original.to_email)
    text = f"{original.to_email} bounced ({bounce.hardness} {bounce.status}): {bounce.diagnostic}"
    _log(message, "email.bounced", text, now)
    if bounce.hardness == "hard":
        blame.note_bounce(original, now=now)
        _suppress(message, original, Suppression.Kind.BOUNCED, bounce.diagnostic, now)
    elif bounce.hardness == "blocked":
        blame.note_block(original, reason=f"A receiver blocks its mail: {bounce.diagnostic}", now=now)


def _on_complaint(message: Message, mail: Inbound, original: Message, lead: Lead | None, now: datetime) -> None:
    _log(message, "email.complained", f"{original.to_email} called it spam", now)
    blame.note_complaint(original, now=now)
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
