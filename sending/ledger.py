"""The ledger: claim, commit before the dot, settle. Read docs/adr/0003 before changing a line.

Real time (leases, grace) and business time (send_at, caps, gaps) are never mixed: `now` is business time everywhere.
"""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F, Q

from apikeys.events import record_event
from leads.models import Lead, Suppression
from leads.services import lock_address, record_activity, suppress
from outbound import failpoints
from outbound.clock import lease_now, real_now
from sending import blame, guards, limits, receivers
from sending.models import Lane, Mailbox, Message
from sending.providers.base import SendResult
from sending.states import move

State = Message.State
BACKOFF = timedelta(minutes=5)
STOPPED = "The run was stopped."
GIVE_UP_AFTER = timedelta(hours=72)
# Connection troubles that a minute will not cure: one try in a quarter of an hour.
NEEDS_A_PERSON = frozenset(
    {"auth_failed", "certificate_invalid", "tls_failed", "tls_required", "address_refused", "domain_refused"}
)
REST_FOR_A_PERSON = timedelta(minutes=15)


class Lost(Exception):
    """The claim is not ours any more."""


def claim(mailbox: Mailbox, *, now: datetime, limit: int) -> list[Message]:
    """T1: take due messages of one mailbox, oldest first, from open lanes only. Others skip what we hold."""
    token = uuid.uuid4()
    with transaction.atomic():
        due = Message.objects.filter(Q(lane=None) | Q(lane__state=Lane.State.OPEN), mailbox=mailbox, state=State.QUEUED)
        ids = list(
            due.filter(send_at__lte=now)
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("send_at", "id")
            .values_list("id", flat=True)[:limit]
        )
        Message.objects.filter(id__in=ids).update(
            state=State.CLAIMED, token=token, lease_until=_lease_end(), attempt=F("attempt") + 1
        )
        failpoints.hit("T1.claiming")
    failpoints.hit("T1.claimed")
    rows = Message.objects.filter(id__in=ids).select_related(
        "body", "lane", "thread", "workspace", "mailbox__workspace"
    )
    return list(rows.order_by("send_at", "id"))


def renew(message: Message) -> bool:
    """Before each message of a batch: is it still ours, and for long enough?"""
    return bool(_ours(message).update(lease_until=_lease_end()))


def _ours(message: Message):
    """The row, while our claim of it lasts."""
    held = Message.objects.filter(pk=message.pk, token=message.token, state=State.CLAIMED)
    return held.filter(lease_until__gt=lease_now())


def _lease_end():
    return lease_now(plus=timedelta(seconds=settings.CLAIM_LEASE_SECONDS))


def commit(message: Message, *, now: datetime) -> bool:
    """T3: the one transaction before the dot. True when the message is committed; else it was put where it belongs.

    Locks lane, address, lead, mailbox, counters, in this order: every pause, reply, opt-out, edit and delete takes the
    same locks, so it either sees this commit or this commit sees it.
    """
    try:
        with transaction.atomic():
            departure = departure_of(message, now)
            failpoints.hit("T3.locked")
            guards.check(departure)
            reserved = guards.reserve(departure)
            failpoints.hit("T3.reserved")
            free_at = occupy(departure)
            if not move(
                message, State.COMMITTED, token=message.token, among=_ours(message), committed_at=lease_now(),
                reserved=reserved, caps=departure.caps, departed_at=now, next_free_at=free_at,
            ):  # fmt: skip
                raise Lost
            failpoints.hit("T3.committing")
            return True
    except guards.Held as held:
        put_off(message, held, now=now)
    except Lost:  # the reaper took it a moment ago: the slots go back with the transaction
        pass
    return False


def departure_of(message: Message, now: datetime) -> guards.Departure:
    """With every row that it depends on locked, in T3's order."""
    lane = message.lane_id and Lane.objects.select_for_update(no_key=True).get(pk=message.lane_id)
    lock_address(message.mailbox.workspace, message.to_email)
    lead = Lead.objects.select_for_update(no_key=True).filter(pk=message.lead_id).first() if message.lead_id else None
    mailbox = (
        Mailbox.objects.select_for_update(no_key=True, of=("self",))
        .select_related("workspace", "domain")
        .defer("password", "imap_password")  # decrypting them is no small part of a commit
        .get(pk=message.mailbox_id)
    )
    return guards.Departure(message, lane or None, lead, mailbox, now)


def occupy(departure: guards.Departure) -> datetime | None:
    """The gap starts with the commit: a crash after it costs a slot, the other order could break the promise.

    Returns when the mailbox is free again; none where there is no gap, as for mail by hand.
    """
    if departure.message.kind != Message.Kind.CAMPAIGN:
        return None
    gap = limits.gap_of(departure.mailbox, departure.lane)
    if not gap:  # or whoever looked at the clock a moment earlier, and was locked out meanwhile, would wait for it
        return None
    free_at = departure.now + limits.jittered(gap, seed_of(departure.message))
    Mailbox.objects.filter(pk=departure.mailbox.pk).update(next_free_at=free_at)
    return free_at


def seed_of(message: Message) -> str:
    return message.workspace.chance(message.pk, message.to_email, message.subject)


def put_off(message: Message, held: guards.Held, *, now: datetime) -> None:
    """A guard's word on the record. Waiting costs no attempt."""
    fields = {"state_reason": held.reason, "lease_until": None, "attempt": max(0, message.attempt - 1)}
    if held.state == State.QUEUED:
        fields["send_at"] = held.until or message.send_at
    else:
        fields["settled_at"] = now
    move(message, held.state, token=message.token, **fields)
    if held.alike:
        _put_off_alike(message, held)


@transaction.atomic
def _put_off_alike(message: Message, held: guards.Held) -> None:
    """What the same cap or gap holds is not carried to the server first: the rest of our batch, and what waits."""
    later = {"state_reason": held.reason} | ({"send_at": held.until} if held.until else {})
    alike = Message.objects.filter(**held.alike)
    alike.filter(state=State.CLAIMED, token=message.token).update(
        state=State.QUEUED, attempt=F("attempt") - 1, lease_until=None, **later
    )
    if held.until:
        waiting = alike.filter(state=State.QUEUED, send_at__lt=held.until).select_for_update(skip_locked=True)
        Message.objects.filter(pk__in=list(waiting.order_by("id").values_list("pk", flat=True))).update(**later)


def release(message: Message) -> None:
    """Give a claimed message back untouched."""
    move(message, State.QUEUED, token=message.token, attempt=max(0, message.attempt - 1), lease_until=None)


def settle(message: Message, result: SendResult, *, now: datetime) -> None:
    """T5: what the server said, fenced by our token. `sent` and `refused` are final; `unknown` waits for a person."""
    before = message.state
    try:
        with transaction.atomic():
            if result.outcome != "sent":  # whose first writes take the very locks
                hold_rows(message, address=result.outcome == "refused")
            SETTLERS[result.outcome](message, result, now)
            failpoints.hit("T5.settling")
        failpoints.hit("T5.settled")
    except Lost:  # settled by another: what was counted went back with the transaction
        pass
    except (DatabaseError, InterfaceError):
        message.state = before  # so that it can be written down once more
        raise
    receivers.note_answer(message, result, now=now)


def hold_rows(message: Message, *, address: bool = False) -> None:
    """Lock what an outcome writes in T3's order (address, lead, mailbox): in another they would wait for each other."""
    if address:
        lock_address(message.workspace, message.to_email)
    list(Lead.objects.filter(pk=message.lead_id).select_for_update(no_key=True).values_list("pk"))
    list(Mailbox.objects.filter(pk=message.mailbox_id).select_for_update(no_key=True).values_list("pk"))


def _sent(message: Message, result: SendResult, now: datetime) -> None:
    book_sent(message, now=now)
    if not move(
        message, State.SENT, token=message.token, settled_at=now, state_reason=result.detail[:400],
        provider_message_id=result.provider_id[:255],
    ):  # fmt: skip
        raise Lost


def book_sent(message: Message, *, now: datetime) -> None:
    """The counters and the log line of a mail that left. Lead, then mailbox: in the order in which T3 locks them."""
    if message.lead_id:
        record_activity(lead_id=message.lead_id, now=now, sent=1)
    Mailbox.objects.filter(pk=message.mailbox_id).update(
        total_sent_count=F("total_sent_count") + 1, spell_sent=F("spell_sent") + 1, last_sent_at=now
    )
    _log(message, "email.sent", f"Sent to {message.to_email}: {message.subject}", now)


def _try_later(message: Message, result: SendResult, now: datetime) -> None:
    """4xx, or no connection. From `committed` it was answered, so the caps' slots come back."""
    last_try = (message.tried_since or message.created_at) + GIVE_UP_AFTER
    if now >= last_try:
        _refused(message, SendResult("refused", code="expired", detail=f"Gave up after 72 hours. {result.detail}"), now)
        return
    reserved = message.reserved.values() if message.state == State.COMMITTED else ()
    wait = timedelta(seconds=result.retry_after) if result.retry_after else BACKOFF * 2 ** min(message.attempt - 1, 10)
    if move(
        message, State.QUEUED, token=message.token, 
        send_at=min(now + limits.jittered(wait, f"{seed_of(message)}{message.attempt}"), last_try),
        state_reason=f"{result.code} {result.detail}".strip()[:400], reserved={},
    ):  # fmt: skip
        limits.give_back(reserved)
        if result.blame == "connection":
            _rest(message.mailbox, result, now)


def _rest(mailbox: Mailbox, result: SendResult, now: datetime) -> None:
    """The mailbox's own trouble: tell the operator, once, and leave the server alone for a while."""
    wait = REST_FOR_A_PERSON if result.code in NEEDS_A_PERSON else timedelta(minutes=1)
    status = {"connection_status": Mailbox.Connection.AUTH_FAILED} if result.code in NEEDS_A_PERSON else {}
    mine = Mailbox.objects.filter(pk=mailbox.pk)
    is_news = bool(status) and mine.exclude(**status).exists()  # under the lock of hold_rows()
    mine.update(connection_detail=result.detail[:300], retry_connection_at=lease_now(plus=wait), **status)
    if is_news:
        record_event(
            workspace=mailbox.workspace, kind="mailbox.auth_failed", mailbox_id=str(mailbox.pk), now=now,
            summary=f"{mailbox.email} cannot send: {result.detail}",
        )  # fmt: skip


def may_try(mailbox: Mailbox) -> bool:
    """Whether the server may be asked now. After a failed sign-in the try is taken: nobody else has one for a while."""
    rests_until, signs_in = mailbox.retry_connection_at, mailbox.connection_status != Mailbox.Connection.AUTH_FAILED
    if signs_in and rests_until is None:
        return True
    mine = Mailbox.objects.filter(Q(retry_connection_at=None) | Q(retry_connection_at__lte=lease_now()), pk=mailbox.pk)
    if signs_in:
        return mine.exists()
    return bool(
        mine.filter(retry_connection_at=rests_until).update(retry_connection_at=lease_now(plus=REST_FOR_A_PERSON))
    )


def connected(mailbox: Mailbox) -> None:
    """The server took the sign-in: what it refused before is over, or nothing would ever leave again."""
    if mailbox.connection_detail or mailbox.connection_status == Mailbox.Connection.AUTH_FAILED:
        mailbox.connection_status, mailbox.connection_detail = Mailbox.Connection.ACTIVE, ""
        mailbox.retry_connection_at = None
        mailbox.save(update_fields=["connection_status", "connection_detail", "retry_connection_at"])


def _refused(message: Message, result: SendResult, now: datetime) -> None:
    reserved = message.reserved.values()
    if not move(
        message, State.REFUSED, token=message.token, settled_at=now,
        state_reason=f"{result.code} {result.detail}".strip()[:400], reserved={},
    ):  # fmt: skip
        return
    limits.give_back(reserved)
    _log(message, "email.refused", f"Refused for {message.to_email}: {result.detail}", now)
    if result.blame == "recipient" and result.code.startswith(("5.1", "550", "551", "553")):
        blame.note_bounce(message, now=now)
        suppress(
            workspace=message.workspace, value=message.to_email, kind=Suppression.Kind.BOUNCED, now=now,
            reason=result.detail,
        )  # fmt: skip
    elif result.blame == "sender":
        _block(message, result, now)


def _block(message: Message, result: SendResult, now: datetime) -> None:
    """A policy against us would refuse every other lead's mail too: the mailbox stops, the leads are kept."""
    blame.note_block(message, reason=f"A receiver blocks its mail: {result.detail}", now=now)


def _unknown(message: Message, result: SendResult, now: datetime) -> None:
    reason = result.detail or "The connection was lost after the message was handed over."
    if move(message, State.UNKNOWN, token=message.token, state_reason=reason[:400]):
        _log(message, "email.unknown", f"Nobody knows whether {message.to_email} got it: {reason}", now)


SETTLERS = {"sent": _sent, "try_later": _try_later, "refused": _refused, "unknown": _unknown}


def _log(message: Message, kind: str, summary: str, now: datetime) -> None:
    record_event(
        workspace=message.workspace, kind=kind, summary=summary, now=now, message_id=message.id,
        lead_id=message.lead_id, campaign_id=message.lane and message.lane.reference.get("campaign_id"),
    )  # fmt: skip


def reap() -> dict[str, int]:
    """Any worker, every few seconds: claims whose holder died go back, commits without an answer become `unknown`.

    A claim can go back safely: no dot follows without a commit. A commit cannot: its dot may have been sent.
    """
    now, grace = real_now(), lease_now(plus=-timedelta(seconds=settings.UNKNOWN_AFTER_SECONDS))
    lost = Message.objects.filter(state=State.COMMITTED, committed_at__lt=grace).select_related("workspace", "lane")
    parked = sum(_park(message, now) for message in lost.order_by("committed_at")[:200])
    done = {"freed": _free(), "parked": parked, "canceled": _sweep(now)}
    failpoints.hit("reap.done")
    return done


@transaction.atomic
def _free() -> int:
    expired = Message.objects.filter(state=State.CLAIMED, lease_until__lt=lease_now())
    expired = expired.select_for_update(skip_locked=True)
    ids = list(expired.order_by("id").values_list("id", flat=True))
    freed = Message.objects.filter(pk__in=ids).update(state=State.QUEUED, token=None, lease_until=None)
    failpoints.hit("reap.freeing")
    return freed


@transaction.atomic
def _park(message: Message, now: datetime) -> bool:
    result = SendResult("unknown", detail="The sender went away between handing the message over and the answer.")
    _unknown(message, result, now + message.workspace.clock_offset)
    failpoints.hit("reap.parking")
    return message.state == State.UNKNOWN


def _sweep(now: datetime) -> int:
    """What came back to a lane after it was closed: a dead worker's claim, a mail that was to be tried later."""
    left = Message.objects.filter(state=State.QUEUED, lane__state=Lane.State.CLOSED).select_related("workspace")
    return sum(
        withdraw(Message.objects.filter(pk=message.pk), reason=STOPPED, now=now + message.workspace.clock_offset)
        for message in left[:200]
    )


def withdraw(messages, *, reason: str, state: str = State.CANCELED, now: datetime) -> int:
    """Take messages that nobody holds off the ledger; those in hand meet the guards."""
    return messages.filter(state=State.QUEUED).update(state=state, state_reason=reason[:400], settled_at=now)
