"""One look into one mailbox: what came into its folders is taken in, each mail once, and our cursor follows.

The cursor passes a mail when it is taken in, known already, listed as stray, or gone. An error never moves it; a mail
that fails TRIES times is set aside, so that those behind it are not kept waiting.
"""

import hashlib
import logging
from collections.abc import Callable
from datetime import timedelta

from django.db import InterfaceError, OperationalError
from django.db.models import Q

from apikeys.services import now_for
from sending import strays
from sending.imap_folders import readable, sent_of
from sending.inbox import take_in
from sending.models import ImapFolder, ImapWatch, Mailbox, Message, StrayMail
from sending.providers.imap import Folder, ImapSession, ImapTrouble, Mail, Notice, Refused

logger = logging.getLogger(__name__)

BATCH = 200  # of one folder and look
TRIES = 3
# IMAP dates have no time and the server's zone; what is read twice by this is taken in once.
MARGIN = timedelta(days=3)


class Stuck(Exception):
    """A mail could not be taken in. The look ends there, and the next one tries it again."""


def look(watch: ImapWatch, session: ImapSession, *, stop: Callable[[], bool] = lambda: False) -> bool:
    """Read every folder; whether more waits. Raises ImapTrouble or Stuck."""
    folders = session.folders()
    note_sent_folder(watch, folders)
    return sum(read_folder(watch, session, name, stop=stop) for name in readable(folders)) > 0


def note_sent_folder(watch: ImapWatch, folders: list[Folder]) -> None:
    """Another folder has proved nothing yet."""
    found = sent_of(folders)[:500]
    if found != watch.sent_folder:
        watch.sent_folder, watch.sent_found, watch.sent_checked_until = found, 0, None
        watch.save(update_fields=["sent_folder", "sent_found", "sent_checked_until"])


def read_folder(watch: ImapWatch, session: ImapSession, name: str, *, stop: Callable[[], bool]) -> bool:
    cursor, _ = ImapFolder.objects.get_or_create(
        watch=watch, name=name[:500], defaults={"workspace_id": watch.workspace_id}
    )
    try:
        if nothing_new(cursor, *session.status(name)):
            return False
        uidvalidity = session.examine(name)
    except Refused as refused:  # a folder of others that may be listed and not opened
        logger.info("Folder %s of %s cannot be read: %s", name, watch.mailbox_id, refused)
        return False
    if uidvalidity != cursor.uidvalidity:
        begin(watch, session, cursor, uidvalidity)
    uids = session.after(cursor.uid)
    for uid in uids[:BATCH]:
        if stop():
            return True
        pass_one(watch, session, cursor, uid)
    return len(uids) > BATCH


def nothing_new(cursor: ImapFolder, uidvalidity: int, uidnext: int) -> bool:
    return uidvalidity == cursor.uidvalidity and 0 < uidnext <= cursor.uid + 1


def begin(watch: ImapWatch, session: ImapSession, cursor: ImapFolder, uidvalidity: int) -> None:
    """A folder seen for the first time, or numbered anew: what came since the last complete look is read (again)."""
    last = session.highest()
    since = (watch.read_at - MARGIN) if watch.read_at else watch.created_at
    recent = session.since(since.date())
    cursor.uidvalidity, cursor.uid = uidvalidity, min(recent) - 1 if recent else last
    cursor.failing_uid, cursor.failures = None, 0
    cursor.save(update_fields=["uidvalidity", "uid", "failing_uid", "failures"])


def pass_one(watch: ImapWatch, session: ImapSession, cursor: ImapFolder, uid: int) -> None:
    """Take one mail in and move the cursor behind it; or count the failure, and set the mail aside after TRIES."""
    notice = mail = None
    try:
        notice = session.notice(uid)
        if notice is not None and not is_known(watch.mailbox, notice.message_id):
            mail = session.fetch(uid, notice)
            if mail is not None:
                hand_in(watch.mailbox, mail, cursor.name)
    except (OperationalError, InterfaceError):
        raise  # the database's trouble, not the mail's
    except Exception as error:  # noqa: BLE001  whatever it is, the mails behind this one must not wait for ever
        failed(watch.mailbox, cursor, uid, notice, mail, error)
        if isinstance(error, ImapTrouble) and not isinstance(error, Refused):
            raise  # set aside, but the connection is gone
        return
    advance(cursor, uid)


def is_known(mailbox: Mailbox, message_id: str) -> bool:
    """Whether it was taken in or listed before, as the copy in another folder was. Saves fetching it."""
    if not message_id:
        return False
    mine = Q(mailbox=mailbox, rfc_message_id=message_id)
    known = Message.objects.filter(mine, direction=Message.Direction.IN).exists()
    return known or StrayMail.objects.filter(mine).exists()


def hand_in(mailbox: Mailbox, mail: Mail, folder: str) -> None:
    now = now_for(mailbox.workspace)
    taken = take_in(mailbox=mailbox, raw=mail.raw, now=now, arrived_at=mail.arrived_at)
    listed = {"mailbox": mailbox, "raw": mail.raw, "folder": folder, "now": now}
    if taken.outcome == "unmatched":
        strays.note_unmatched(mail=taken.mail, **listed)
    elif taken.outcome == "poison":
        strays.quarantine(message_id=taken.mail.message_id, problem=taken.mail.problem, **listed)


def failed(
    mailbox: Mailbox, cursor: ImapFolder, uid: int, notice: Notice | None, mail: Mail | None, error: Exception
) -> None:
    """Raises Stuck until the last try."""
    logger.warning("Mail %s in %s of %s failed", uid, cursor.name, mailbox.pk, exc_info=error)
    cursor.failures = cursor.failures + 1 if cursor.failing_uid == uid else 1
    cursor.failing_uid = uid
    cursor.save(update_fields=["failing_uid", "failures"])
    if cursor.failures < TRIES:
        raise error if isinstance(error, ImapTrouble) else Stuck(f"A mail could not be taken in: {error}"[:300])
    name = hashlib.sha256(f"{cursor.watch_id} {cursor.name} {cursor.uidvalidity} {uid}".encode()).hexdigest()
    strays.quarantine(
        mailbox=mailbox, message_id=(notice and notice.message_id) or f"<{name}@unreadable>",
        problem=f"It failed {TRIES} times: {type(error).__name__}: {error}", raw=mail.raw if mail else None,
        folder=cursor.name, now=now_for(mailbox.workspace),
    )  # fmt: skip
    advance(cursor, uid)


def advance(cursor: ImapFolder, uid: int) -> None:
    """Forwards only, and only under the numbering it was read by: another reader may be ahead."""
    mine = ImapFolder.objects.filter(pk=cursor.pk, uidvalidity=cursor.uidvalidity, uid__lt=uid)
    mine.update(uid=uid, failing_uid=None, failures=0)
    cursor.uid, cursor.failing_uid, cursor.failures = uid, None, 0


def waits_in_inbox(watch: ImapWatch, session: ImapSession) -> bool:
    """With INBOX open, as IDLE needs it: whether something came since it was read."""
    session.examine("INBOX")
    cursor = ImapFolder.objects.filter(watch=watch, name="INBOX").first()
    return cursor is not None and bool(session.after(cursor.uid))
