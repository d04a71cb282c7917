"""Evidence of the first kind: a vendor that takes an idempotency key is asked again, under the same key and bytes.

Whatever it says is about one mail: it took it before and says so again, or it takes it now. Since now may be the first
time, everything that must hold before a mail leaves must hold again (T3); what does not leaves the mail parked, with
that reason. Once the key is no longer remembered for sure, nothing is asked.

  unknown → committed, under a token of its own → sent
                                                → unknown, and asked again after a while
"""

import logging
import time
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import groupby

from django.db import DatabaseError, transaction

from apikeys.services import now_for
from outbound import failpoints
from outbound.clock import lease_now, real_now
from sending import guards, ledger
from sending.dot import send_dot
from sending.handover import ASKED_AGAIN_FOR
from sending.letters import parcel_for
from sending.models import Message
from sending.providers import WITH_A_KEY, transport_for
from sending.providers.base import NotAccepted, SendResult
from sending.providers.resend_api import fingerprint
from sending.states import move

logger = logging.getLogger(__name__)
State = Message.State

BATCH = 100
REST = timedelta(minutes=5)  # between two questions about one mail
TOO_SLOW = SendResult("unknown", detail="too slow between commit and request.")
STILL_OPEN = "Asked again under the same key: {}"
NOT_NOW = "It is not asked again under its key for now: {}"


def ask_again_due(*, stop: Callable[[], bool] = lambda: False) -> int:
    """Every parked mail whose key is remembered and whose turn it is; how many were settled. No transaction is open."""
    now = real_now()
    due = Message.objects.filter(
        state=State.UNKNOWN, workspace__livemode=True, mailbox__provider__in=WITH_A_KEY, send_at__lte=now,
        body__handed_at__gt=now - ASKED_AGAIN_FOR,
    )  # fmt: skip
    rows = due.select_related("body", "lane", "thread", "workspace", "mailbox__workspace")
    settled = 0
    for mailbox, messages in groupby(
        rows.order_by("mailbox_id", "committed_at", "id")[:BATCH], key=lambda m: m.mailbox
    ):
        if stop() or not ledger.may_try(mailbox):
            continue
        with transport_for(mailbox.provider).open(mailbox) as session:
            settled += sum(_ask(session, message) for message in messages if not stop())
    return settled


def _ask(session, message: Message) -> bool:
    now = now_for(message.workspace)
    if message.body.handed_to != fingerprint(message.mailbox.password):
        _rest(message, NOT_NOW.format("the mailbox has another API key than it was handed over with."), now)
        return False
    try:
        handoff = session.prepare(parcel_for(message))
    except NotAccepted as refused:
        _rest(message, NOT_NOW.format(refused.result.detail), now)
        return False
    failpoints.hit("net.prepared")
    began = time.monotonic()
    try:
        committed = commit_again(message, now=now)
    except DatabaseError:
        handoff.abort()
        raise
    if not committed:
        handoff.abort()
        return False
    return _answered(message, send_dot(handoff, began=began) or TOO_SLOW, now)


def _answered(message: Message, result: SendResult, now: datetime) -> bool:
    """Only a yes is an answer: a no may be about the asking, and says nothing about the first time."""
    if result.outcome == "sent":
        ledger.settle(message, result, now=now)
        return message.state == State.SENT
    wait = timedelta(seconds=result.retry_after) if result.retry_after else REST
    reason = STILL_OPEN.format(result.detail)[:400]
    move(message, State.UNKNOWN, token=message.token, state_reason=reason, send_at=now + max(wait, REST))
    return False


def commit_again(message: Message, *, now: datetime) -> bool:
    """T3 for a mail of unknown fate, in one transaction: the same locks, guards and caps as the first time.

    A slot that it holds for today is not taken twice; neither is the gap that it began itself.
    """
    try:
        with transaction.atomic():
            departure = ledger.departure_of(message, now)
            if not _is_still_ours(message):
                return False
            failpoints.hit("T3.locked")
            own_gap = departure.mailbox.next_free_at == message.next_free_at
            guards.check(departure, but_not=(guards.the_gap_is_over,) if own_gap else ())
            reserved = guards.reserve(departure, held=message.reserved)
            failpoints.hit("T3.reserved")
            if not _take_over(message, departure, reserved, now):
                raise ledger.Lost
            failpoints.hit("T3.committing")
            return True
    except guards.Held as held:
        _rest(message, NOT_NOW.format(held.reason), held.until or now)
    except ledger.Lost:  # somebody decided, or asks himself
        pass
    return False


def _is_still_ours(message: Message) -> bool:
    """Read with the locks held."""
    return Message.objects.filter(pk=message.pk, state=State.UNKNOWN, token=message.token).exists()


def _take_over(message: Message, departure: guards.Departure, reserved: dict, now: datetime) -> bool:
    """Under a token of its own: whoever still holds the old one, and wakes up, writes nothing."""
    return move(
        message, State.COMMITTED, token=message.token, new_token=uuid.uuid4(), committed_at=lease_now(),
        reserved=reserved, caps=departure.caps, departed_at=now, next_free_at=ledger.occupy(departure),
    )  # fmt: skip


def _rest(message: Message, reason: str, until: datetime) -> None:
    """It stays parked, for the person who decides to read why."""
    again = max(until, now_for(message.workspace) + REST)
    mine = Message.objects.filter(pk=message.pk, state=State.UNKNOWN, token=message.token)
    mine.update(state_reason=reason[:400], send_at=again)
