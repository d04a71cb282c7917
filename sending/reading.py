"""How the reading of a mailbox goes, for those who show it."""

from datetime import timedelta

from outbound.clock import real_now
from sending.models import ImapWatch, Mailbox

PROOF = 3  # ordinary sends found in the Sent folder in time
BEHIND = timedelta(minutes=15)


def watch_of(mailbox: Mailbox) -> ImapWatch | None:
    """None when it is not read over IMAP, or was not looked at yet."""
    return getattr(mailbox, "watch", None) if mailbox.imap_host else None


def status_of(mailbox: Mailbox) -> str:
    """ok · degraded: the last look failed, or is late · failing: nothing was read for 15 minutes · unknown."""
    watch = watch_of(mailbox)
    if watch is None or (watch.read_at is None and not watch.detail):
        return "unknown"
    late = watch.read_at is None or real_now() - watch.read_at > BEHIND
    if watch.detail:
        return "failing" if late else "degraded"
    return "degraded" if late else "ok"


def lag_of(mailbox: Mailbox) -> int | None:
    """Seconds since the last complete look."""
    watch = watch_of(mailbox)
    return None if watch is None or watch.read_at is None else int((real_now() - watch.read_at).total_seconds())


def sent_folder_proves(mailbox: Mailbox) -> bool:
    """Whether a mail's absence from the Sent folder shows that it was not sent. Never where we put the copies there
    ourselves: we may have died in between."""
    watch = watch_of(mailbox)
    return watch is not None and watch.sent_found >= PROOF and not mailbox.append_to_sent
