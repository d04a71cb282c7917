"""The Sent folder as a witness: does it keep what is sent, does it have a parked mail, and the copies we put there."""

from datetime import datetime, timedelta
from functools import cache

from django.conf import settings

from outbound.clock import real_now
from sending import reconcile
from sending.models import ImapWatch, Message
from sending.providers.imap import ImapSession, Refused
from sending.reading import PROOF

State = Message.State
SAMPLE = 20  # of what was sent since the last look
PARKED = 50
LOOKED_FOR = timedelta(days=7)  # a mail parked for longer is a person's to decide


def attend(watch: ImapWatch, session: ImapSession) -> bool:
    """All that is to do there; whether another look is wanted soon. Nothing, where there is no such folder."""
    sent = Message.objects.filter(mailbox_id=watch.mailbox_id, direction=Message.Direction.OUT)
    parked = list(sent.filter(state=State.UNKNOWN, committed_at__gt=real_now() - LOOKED_FOR)
                  .select_related("workspace", "lane").order_by("committed_at", "id")[:PARKED])  # fmt: skip
    if not watch.sent_folder:
        return False
    try:
        session.examine(watch.sent_folder)
    except Refused:
        return False
    soon = False
    if watch.mailbox.append_to_sent:
        append(watch, session, sent)
    else:
        soon = prove(watch, session, sent)
    look_for(watch, session, parked, sent)
    return soon or any(not is_due(message) for message in parked)


def is_due(message: Message) -> bool:
    """Whether a copy would be there by now."""
    return real_now() - message.committed_at > timedelta(seconds=settings.SENT_COPY_WITHIN_SECONDS)


def prove(watch: ImapWatch, session: ImapSession, sent) -> bool:
    """Look for ordinary sends: three in a row found in time, and the folder's silence proves something; one that is
    not found, and it does no more. Whether one is still to be looked for."""
    since = watch.sent_checked_until or watch.created_at
    fresh = sent.filter(state=State.SENT, committed_at__gt=since).order_by("-committed_at", "-id")[:SAMPLE]
    waits = False
    for message in reversed(fresh):
        found, late = bool(session.find(message.rfc_message_id)), is_due(message)
        if not found and not late:
            waits = True
            break
        if found and not late:
            watch.sent_found = min(PROOF, watch.sent_found + 1)
        elif not found:
            watch.sent_found = 0
        watch.sent_checked_until = message.committed_at
    ImapWatch.objects.filter(pk=watch.pk, sent_folder=watch.sent_folder).update(
        sent_found=watch.sent_found, sent_checked_until=watch.sent_checked_until
    )
    return waits


def look_for(watch: ImapWatch, session: ImapSession, parked: list[Message], sent) -> None:
    @cache
    def silence_proves() -> bool:
        """Asked in the moment it counts: a mail known to have been sent must be found there now."""
        if watch.mailbox.append_to_sent or watch.sent_found < PROOF:
            return False
        known = sent.filter(state=State.SENT, committed_at__lt=_a_copy_ago()).exclude(state_reason=reconcile.ANSWERED)
        last = known.order_by("-committed_at", "-id").first()
        if last is None or session.find(last.rfc_message_id):
            return last is not None
        ImapWatch.objects.filter(pk=watch.pk).update(sent_found=0)
        return False

    for message in parked:
        found = bool(session.find(message.rfc_message_id))
        if found or is_due(message):
            reconcile.judge(message, in_sent=found, silence_proves=silence_proves)


def append(watch: ImapWatch, session: ImapSession, sent) -> None:
    """Put copies there of what was sent since the last time, up to the first that has no answer yet. A copy that is
    there already, of a look that was cut off, is left alone."""
    since = watch.appended_until or watch.created_at
    waiting = sent.filter(state=State.COMMITTED, committed_at__gt=since).order_by("committed_at").first()
    done = sent.filter(state=State.SENT, committed_at__gt=since).select_related("body").order_by("committed_at", "id")
    if waiting is not None:
        done = done.filter(committed_at__lt=waiting.committed_at)
    for message in done[:SAMPLE]:
        if message.body.raw and not session.find(message.rfc_message_id):
            session.append(watch.sent_folder, bytes(message.body.raw), at=message.committed_at)
        ImapWatch.objects.filter(pk=watch.pk).update(appended_until=message.committed_at)


def _a_copy_ago() -> datetime:
    return real_now() - timedelta(seconds=settings.SENT_COPY_WITHIN_SECONDS)
