"""Workers' hands: look at the ledger, take what is due, send it. Everything here may be lost, doubled or killed."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.db.models import Q

from apikeys.models import Workspace
from apikeys.services import now_for
from outbound import failpoints
from outbound.clock import real_now
from sending import ledger, reconcile, replay, sandbox_world
from sending.dot import send_dot
from sending.letters import know_threads, parcel_for
from sending.limits import gap_of
from sending.models import Lane, Mailbox, Message
from sending.providers import transport_for
from sending.providers.base import NotAccepted, SendResult

logger = logging.getLogger(__name__)

BATCH = 20
SENT = Message.State.SENT
# A dispatcher comes back for the rest: one mailbox with much to send must not keep ticks and other mailboxes waiting.
TURN_SECONDS = 10.0
LOST_IN_COMMIT = SendResult("try_later", detail="The database went away; nothing was sent.", retry_after=1)
LOST_BEFORE_DOT = SendResult("try_later", detail="Too slow between commit and dot; nothing was sent.", retry_after=1)


def dispatch(*, stop: Callable[[], bool] = lambda: False) -> int:
    """One look at everything: reap, let the sandbox react, drain what is due; no broker. Returns mails handled."""
    ledger.reap()
    reconcile.reconcile_by_answers()
    replay.ask_again_due(stop=stop)
    sandbox_world.react_all()
    mailboxes = due_mailboxes()
    if settings.DISPATCH_THREADS < 2 or len(mailboxes) < 2:
        return sum(_take_a_turn(mailbox_id, stop) for mailbox_id in mailboxes)
    with ThreadPoolExecutor(settings.DISPATCH_THREADS) as pool:
        return sum(pool.map(lambda mailbox_id: _in_thread(mailbox_id, stop), mailboxes))


def _in_thread(mailbox_id, stop) -> int:
    try:
        return _take_a_turn(mailbox_id, stop)
    finally:
        connection.close()


def _take_a_turn(mailbox_id, stop) -> int:
    until = time.monotonic() + TURN_SECONDS
    try:
        return drain(mailbox_id, stop=lambda: stop() or time.monotonic() > until)
    except Exception:  # noqa: BLE001  one mailbox's surprise must not keep the others from sending
        logger.exception("Could not drain mailbox %s", mailbox_id)
        return 0


def due_mailboxes() -> list:
    """Mailboxes with a message that may leave now, by each workspace's own clock."""
    queued = Message.objects.filter(Q(lane=None) | Q(lane__state=Lane.State.OPEN), state=Message.State.QUEUED)
    found = list(
        queued.filter(workspace__livemode=True, send_at__lte=real_now()).values_list("mailbox_id", flat=True).distinct()
    )
    for workspace in Workspace.objects.filter(livemode=False, pk__in=queued.values("workspace_id")):
        mine = queued.filter(workspace=workspace, send_at__lte=now_for(workspace))
        found += mine.values_list("mailbox_id", flat=True).distinct()
    return found


def drain(mailbox_id, *, stop: Callable[[], bool] = lambda: False) -> int:
    """Send one mailbox's due messages over one session. Returns how many were handled."""
    mailbox = Mailbox.objects.select_related("workspace").filter(pk=mailbox_id).first()
    if mailbox is None:
        return 0  # the bell rang for one that is gone
    handled = 0
    with transport_of(mailbox).open(mailbox) as session:
        while not stop() and ledger.may_try(mailbox):
            workspace = Workspace.objects.get(pk=mailbox.workspace_id)  # its clock may have been turned meanwhile
            claimed = time.monotonic()
            batch = ledger.claim(mailbox, now=now_for(workspace), limit=_batch_size(mailbox, now_for(workspace)))
            if not batch:
                break
            know_threads(batch)
            handled += _send_batch(session, batch, workspace, stop, claimed=claimed)
            mailbox.refresh_from_db()
    return handled


def transport_of(mailbox: Mailbox):
    """A test workspace has one transport, whatever its mailbox says: no mail can leave it."""
    return transport_for(mailbox.provider if mailbox.workspace.livemode else "sandbox")


def _batch_size(mailbox: Mailbox, now: datetime) -> int:
    """With a gap there is one slot at a time; a batch would only hold what cannot leave."""
    if mailbox.next_free_at and mailbox.next_free_at > now:
        return 1
    return BATCH if gap_of(mailbox, None) == timedelta(0) else 1


def _send_batch(session, batch: list[Message], workspace: Workspace, stop, *, claimed: float) -> int:
    """One after the other. Once one shows that the next cannot leave either, the rest goes back untouched.

    `claimed`: the monotonic moment before their claim. While that is fresh, and nothing put the others off, their lease
    need not be renewed: it covers the deadlines of all steps before the dot.
    """
    for index, message in enumerate(batch):
        if stop():
            return index + _give_back(batch[index:])
        fresh = time.monotonic() - claimed < _lease_to_spare() and all(each.state == SENT for each in batch[:index])
        if not fresh and not ledger.renew(message):
            continue
        if not _send(session, message, now=lambda: now_for(workspace)):
            return index + 1 + _give_back(batch[index + 1 :])
    return len(batch)


def _lease_to_spare() -> float:
    """Seconds that a claim may be old and still last through all steps before the dot; half is left for clocks."""
    return (settings.CLAIM_LEASE_SECONDS - min(80, settings.SMTP_STEP_TIMEOUT_SECONDS * 4 / 3)) / 2


def _give_back(rest: list[Message]) -> int:
    for message in rest:
        ledger.release(message)
    return 0


def _send(session, message: Message, *, now: Callable[[], datetime]) -> bool:
    """One message: everything before the dot, the commit, the dot, the answer. False: the mailbox is in trouble."""
    handoff, refusal = _prepare(session, message)
    if handoff is None:
        ledger.settle(message, refusal, now=now())
        return refusal.blame != "connection"
    failpoints.hit("net.prepared")
    ledger.connected(message.mailbox)
    began = time.monotonic()
    if not _commit(handoff, message, now):
        return True
    result = send_dot(handoff, began=began)
    if result is None:  # no dot was sent, and we know it: the row is given back
        ledger.settle(message, LOST_BEFORE_DOT, now=now())
        return True
    _write_down(message, result, now)
    return result.blame != "connection"


def _commit(handoff, message: Message, now: Callable[[], datetime]) -> bool:
    """T3; without it there is no dot. If the database went away in it, nobody knows whether it is committed: what we
    know is that no dot follows."""
    try:
        committed = ledger.commit(message, now=now())
    except (DatabaseError, InterfaceError):
        handoff.abort()
        _write_down(message, LOST_IN_COMMIT, now)
        raise
    if not committed:
        handoff.abort()
    return committed


def _prepare(session, message: Message):
    """(handoff, None), or (None, why not). A message that no mail can be made of is refused: put back, it would come
    first in its mailbox's line for ever."""
    try:
        parcel = parcel_for(message)
    except ValueError as error:
        return None, SendResult("refused", code="unwritable", detail=f"No mail can be made of it: {error}")
    try:
        return session.prepare(parcel), None
    except NotAccepted as refused:
        return None, refused.result
    except DatabaseError:
        raise
    except Exception:  # noqa: BLE001  before the dot every surprise is safe to try again
        logger.exception("Could not prepare message %s", message.pk)
        detail = "An unexpected error before the mail was handed over; the log has it."
        return None, SendResult("try_later", code="error", detail=detail, blame="connection")


def _write_down(message: Message, result: SendResult, now: Callable[[], datetime]) -> None:
    """T5, insistently: an answer that is not written down leaves a mail whose fate nobody knows."""
    for pause in (0.1, 0.5, 2, 5, 10):  # as long as a database takes to start again
        try:
            return ledger.settle(message, result, now=now())
        except (OperationalError, InterfaceError):
            logger.warning("Writing down the answer for message %s failed; once more.", message.pk, exc_info=True)
            connection.close_if_unusable_or_obsolete()
            time.sleep(pause)
    return ledger.settle(message, result, now=now())
