"""Workers' hands: look at the ledger, take what is due, send it. Everything here may be lost, doubled or killed."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.conf import settings
from django.db import close_old_connections, connection
from django.db.models import Q

from apikeys.models import Workspace
from apikeys.services import now_for
from outbound.clock import real_now
from sending import ledger, sandbox_world
from sending.letters import parcel_for
from sending.limits import gap_of
from sending.models import Lane, Mailbox, Message
from sending.providers import transport_for
from sending.providers.base import NotAccepted, SendResult

logger = logging.getLogger(__name__)

BATCH = 20
# After this many seconds since the commit began the dot is not sent: the row is given back instead.
DOT_WITHIN = 5.0
LOST_BEFORE_DOT = SendResult("try_later", detail="Too slow between commit and dot; nothing was sent.", retry_after=1)


def dispatch(*, stop: Callable[[], bool] = lambda: False) -> int:
    """One look at everything: reap, let the sandbox react, drain what is due. Needs no broker. Returns mails handled."""
    ledger.reap()
    sandbox_world.react_all()
    mailboxes = due_mailboxes()
    if settings.DISPATCH_THREADS < 2 or len(mailboxes) < 2:
        return sum(drain(mailbox_id, stop=stop) for mailbox_id in mailboxes)
    with ThreadPoolExecutor(settings.DISPATCH_THREADS) as pool:
        return sum(pool.map(lambda mailbox_id: _drain_in_thread(mailbox_id, stop), mailboxes))


def _drain_in_thread(mailbox_id, stop) -> int:
    try:
        return drain(mailbox_id, stop=stop)
    except Exception:  # noqa: BLE001  one mailbox's surprise must not keep the others from sending
        logger.exception("Could not drain mailbox %s", mailbox_id)
        return 0
    finally:
        connection.close()
        close_old_connections()


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
    mailbox = Mailbox.objects.select_related("workspace").get(pk=mailbox_id)
    handled = 0
    with transport_of(mailbox).open(mailbox) as session:
        while not stop() and _may_try(mailbox):
            workspace = Workspace.objects.get(pk=mailbox.workspace_id)  # its clock may have been turned meanwhile
            batch = ledger.claim(mailbox, now=now_for(workspace), limit=_batch_size(mailbox, now_for(workspace)))
            if not batch:
                break
            handled += _send_batch(session, batch, workspace, stop)
            mailbox.refresh_from_db()
    return handled


def transport_of(mailbox: Mailbox):
    """A test workspace has one transport, whatever its mailbox says: no mail can leave it."""
    return transport_for(mailbox.provider if mailbox.workspace.livemode else "sandbox")


def _may_try(mailbox: Mailbox) -> bool:
    return mailbox.retry_connection_at is None or mailbox.retry_connection_at <= real_now()


def _batch_size(mailbox: Mailbox, now: datetime) -> int:
    """With a gap there is one slot at a time; a batch would only hold what cannot leave."""
    if mailbox.next_free_at and mailbox.next_free_at > now:
        return 1
    return BATCH if gap_of(mailbox, None) == timedelta(0) else 1


def _send_batch(session, batch: list[Message], workspace: Workspace, stop) -> int:
    sent_to_rest = False
    for index, message in enumerate(batch):
        if sent_to_rest or stop():
            for rest in batch[index:]:
                ledger.release(rest)
            break
        if ledger.renew(message):
            sent_to_rest = _send(session, message, now=lambda: now_for(workspace))
    return len(batch)


def _send(session, message: Message, *, now: Callable[[], datetime]) -> bool:
    """One message: everything before the dot, the commit, the dot, the answer. True when the mailbox itself is in trouble."""
    try:
        handoff = session.prepare(parcel_for(message))
    except NotAccepted as refused:
        ledger.settle(message, refused.result, now=now())
        return refused.result.blame == "connection"
    began = time.monotonic()
    if not ledger.commit(message, now=now()):
        handoff.abort()
        return False
    if time.monotonic() - began > DOT_WITHIN:
        handoff.abort()
        ledger.settle(message, LOST_BEFORE_DOT, now=now())
        return False
    ledger.settle(message, handoff.commit(), now=now())
    return False
