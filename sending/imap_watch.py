"""Who reads which mailbox, and when: leases on rows, a bounded number at a time, and connections that are told (IDLE).

A worker's thread calls `turn` every second. Each mailbox is read by one worker while its lease holds; two at once would
do no harm, since a Message-ID is taken in once and a cursor only goes forwards.
"""

import logging
import select
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection
from django.db.models import Q

from outbound.clock import lease_now, real_now
from sending import imap_reading, imap_sent
from sending.models import ImapWatch, Mailbox
from sending.providers.imap import ImapSession, ImapTrouble

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=120)
RENEW_EVERY = 30.0  # seconds
AFTER_FAILURE = (10, 30, 60, 300, 900)  # seconds
NEEDS_A_PERSON = frozenset({"auth_failed", "certificate_invalid", "tls_failed", "tls_required", "address_refused"})


def ensure_watches() -> None:
    """A row for each mailbox that is to be read and has none."""
    wanted = Mailbox.objects.filter(retired_at=None, workspace__livemode=True, watch=None).exclude(imap_host="")
    rows = [ImapWatch(workspace_id=box.workspace_id, mailbox=box, next_look_at=lease_now()) for box in wanted[:1000]]
    ImapWatch.objects.bulk_create(rows, ignore_conflicts=True)


def claim_due(*, holder: uuid.UUID, limit: int) -> list[ImapWatch]:
    """Watches whose time has come and that no other worker holds."""
    ensure_watches()
    free = Q(held_until=None) | Q(held_until__lt=lease_now()) | Q(holder=holder)
    due = ImapWatch.objects.filter(
        free, next_look_at__lte=lease_now(), mailbox__retired_at=None, mailbox__workspace__livemode=True
    ).exclude(mailbox__imap_host="")
    claimed = []
    for watch in due.select_related("mailbox__workspace").order_by("next_look_at", "id")[:limit]:
        if ImapWatch.objects.filter(free, pk=watch.pk).update(holder=holder, held_until=lease_now(plus=LEASE)):
            claimed.append(watch)
    return claimed


def never() -> bool:
    return False


def read_once(
    watch: ImapWatch,
    session: ImapSession | None = None,
    *,
    keep: bool = False,
    stop: Callable[[], bool] = never,
) -> ImapSession | None:
    """One look, and what came of it on the row. Returns the connection where it now idles; it is closed otherwise."""
    began = real_now()
    try:
        session = awake(session) or connected(watch.mailbox)
        more = imap_reading.look(watch, session, stop=stop)
        soon = imap_sent.attend(watch, session)
        idles = keep and session.can_idle() and not stop()
        if idles:
            more = imap_reading.waits_in_inbox(watch, session) or more
            session.idle()
    except Exception as error:  # noqa: BLE001  one mailbox's surprise must not keep the others from being read
        if session is not None:
            session.drop()
        note_failure(watch, error)
        return None
    note_success(watch, began=began, idles=idles, more=more, soon=soon)
    if idles:
        return session
    session.close()
    return None


def awake(session: ImapSession | None) -> ImapSession | None:
    """The connection that idled, if it still serves."""
    try:
        if session is not None:
            session.wake()
        return session
    except ImapTrouble:
        session.drop()
        return None


def connected(mailbox: Mailbox) -> ImapSession:
    session = ImapSession(mailbox)
    session.connect()
    return session


def note_success(watch: ImapWatch, *, began: datetime, idles: bool, more: bool, soon: bool) -> None:
    wait = settings.IMAP_IDLE_POLL_SECONDS if idles else settings.IMAP_POLL_SECONDS
    wait = 0 if more else min(wait, max(1, settings.SENT_COPY_WITHIN_SECONDS // 4)) if soon else wait
    changes = {"detail": "", "failures": 0, "idles": idles, "next_look_at": lease_now(plus=timedelta(seconds=wait))}
    changes |= {} if more else {"read_at": began}
    changes |= {} if idles else {"holder": None, "held_until": None}
    ImapWatch.objects.filter(pk=watch.pk).update(**changes)


def note_failure(watch: ImapWatch, error: Exception) -> None:
    known = isinstance(error, (ImapTrouble, imap_reading.Stuck))
    logger.log(logging.INFO if known else logging.ERROR, "Reading %s failed: %s", watch.mailbox_id, error,
               exc_info=None if known else error)  # fmt: skip
    wait = AFTER_FAILURE[min(watch.failures, len(AFTER_FAILURE) - 1)]
    if isinstance(error, ImapTrouble) and error.code in NEEDS_A_PERSON:
        wait = AFTER_FAILURE[-1]
    ImapWatch.objects.filter(pk=watch.pk).update(
        detail=str(error)[:300] if known else "An unexpected error; the log has it.",
        failures=min(watch.failures + 1, 1000), next_look_at=lease_now(plus=timedelta(seconds=wait)),
        idles=False, holder=None, held_until=None,
    )  # fmt: skip


class Watcher:
    """One worker's reader. `turn` starts what is due in threads and returns; the connections that idle are its own."""

    def __init__(self):
        self.me = uuid.uuid4()
        self.idling: dict = {}  # watch id: session
        self.busy: set = set()
        self.pool: ThreadPoolExecutor | None = None
        self.renewed_at = time.monotonic()

    def turn(self, *, stop: Callable[[], bool] = never) -> int:
        """Look at what is due. Returns how many looks were started."""
        self._hear()
        self._renew()
        free = settings.IMAP_THREADS - len(self.busy)
        due = claim_due(holder=self.me, limit=free) if free > 0 else []
        started = [watch for watch in due if watch.pk not in self.busy]
        for watch in started:
            self.busy.add(watch.pk)
            self._pool().submit(self._look, watch, self.idling.pop(watch.pk, None), stop)
        return len(started)

    def close(self) -> None:
        """Let go of everything: what is cut off is read again by whoever comes next."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = None
        for session in list(self.idling.values()):
            session.drop()
        self.idling.clear()
        ImapWatch.objects.filter(holder=self.me).update(holder=None, held_until=None, idles=False)

    def _look(self, watch: ImapWatch, session: ImapSession | None, stop: Callable[[], bool]) -> None:
        try:
            keep = len(self.idling) < settings.IMAP_IDLE_CONNECTIONS
            idles = read_once(watch, session, keep=keep, stop=stop)
            if idles is not None:
                self.idling[watch.pk] = idles
        except Exception:  # noqa: BLE001  the database was away: the lease lets it go
            logger.exception("Reading %s failed", watch.mailbox_id)
        finally:
            self.busy.discard(watch.pk)
            connection.close()

    def _hear(self) -> None:
        """Mailboxes whose server said something are due at once."""
        told = {session.fileno(): pk for pk, session in list(self.idling.items())}
        if not told:
            return
        poll = select.poll()
        for number in told:
            poll.register(number, select.POLLIN)
        pks = [told[number] for number, _ in poll.poll(0)]
        pks += [pk for pk, session in list(self.idling.items()) if session.has_news()]
        if pks:
            ImapWatch.objects.filter(pk__in=pks, holder=self.me).update(next_look_at=lease_now())

    def _renew(self) -> None:
        """Keep what is ours; let go of connections whose mailbox was given other settings, or to another worker."""
        if time.monotonic() - self.renewed_at < RENEW_EVERY:
            return
        self.renewed_at = time.monotonic()
        mine = ImapWatch.objects.filter(holder=self.me, pk__in=[*self.idling, *self.busy])
        mine.update(held_until=lease_now(plus=LEASE))
        held = set(mine.values_list("pk", flat=True))
        for pk in [pk for pk in self.idling if pk not in held]:
            self.idling.pop(pk).drop()

    def _pool(self) -> ThreadPoolExecutor:
        if self.pool is None:
            self.pool = ThreadPoolExecutor(settings.IMAP_THREADS, thread_name_prefix="imap")
        return self.pool
