"""Mail that came in and is on no thread: listed, never dropped in silence."""

from datetime import datetime, timedelta

from outbound.api.errors import Conflict
from sending.inbound import Inbound
from sending.inbox import Taken, take_in
from sending.models import Mailbox, Message, StrayMail, Thread

KEPT = timedelta(days=30)
TEXT_KEPT = 20_000
# Of a mail that nobody here waits for, the bytes are kept only where they are few.
UNMATCHED_BYTES = 256_000


def note_unmatched(*, mailbox: Mailbox, mail: Inbound, raw: bytes, folder: str, now: datetime) -> None:
    """Once per Message-ID, however many folders it lies in."""
    StrayMail.objects.get_or_create(
        mailbox=mailbox, rfc_message_id=mail.message_id[:998],
        defaults={
            **_shown(mail), "workspace_id": mailbox.workspace_id, "created_at": now, "folder": folder,
            "why": StrayMail.Why.UNMATCHED, "raw": raw if len(raw) <= UNMATCHED_BYTES else None,
            "problem": "It names no mail of ours, and this mailbox never wrote to its sender.",
        },
    )  # fmt: skip


def quarantine(
    *, mailbox: Mailbox, message_id: str, problem: str, raw: bytes | None, folder: str, now: datetime,
    mail: Inbound | None = None,
) -> None:  # fmt: skip
    """A mail that could not be read or taken in is set aside, so that those behind it are not kept waiting."""
    StrayMail.objects.get_or_create(
        mailbox=mailbox, rfc_message_id=message_id[:998],
        defaults={
            **(_shown(mail) if mail else {}), "workspace_id": mailbox.workspace_id, "created_at": now, "raw": raw,
            "folder": folder, "why": StrayMail.Why.QUARANTINED, "problem": problem[:400],
        },
    )  # fmt: skip


def _shown(mail: Inbound) -> dict:
    return {
        "kind": mail.kind, "from_email": mail.from_email[:254], "subject": mail.subject[:998],
        "text": (mail.reply_text or mail.text)[:TEXT_KEPT],
    }  # fmt: skip


def retry(*, stray: StrayMail, now: datetime) -> Message:
    """Take it in once more, as it came: after a correction here, or when its thread has come to be."""
    return _settle(stray, take_in(mailbox=stray.mailbox, raw=_raw(stray), now=now))


def assign(*, stray: StrayMail, thread: Thread, now: datetime) -> Message:
    """A person says whose it is: it counts as the answer to the last mail of that thread."""
    last = thread.messages.filter(direction=Message.Direction.OUT).order_by("-created_at", "-id")
    about = last.select_related("thread", "lane", "mailbox__workspace").first()
    if about is None:
        raise Conflict("Nothing was ever sent on that thread.")
    return _settle(stray, take_in(mailbox=stray.mailbox, raw=_raw(stray), now=now, about=about))


def _raw(stray: StrayMail) -> bytes:
    if stray.raw is None:
        raise Conflict("Its bytes were not kept. Read it in the mailbox.")
    return bytes(stray.raw)


def _settle(stray: StrayMail, taken: Taken) -> Message:
    message = taken.message
    if taken.outcome == "seen":
        message = Message.objects.filter(workspace_id=stray.workspace_id, rfc_message_id=stray.rfc_message_id).first()
    if message is None:
        raise Conflict(REFUSALS[taken.outcome])
    stray.delete()
    return message


REFUSALS = {
    "seen": "It was taken in before.",
    "ours": "It was sent by an address of your own.",
    "ignored": "It is of a kind that needs no action.",
    "unmatched": "It still belongs to no thread. Say which one.",
    "poison": "It is beyond a limit and cannot be read here. Read it in the mailbox.",
}


def dismiss(*, stray: StrayMail) -> None:
    """Off the list. It stays in the mailbox."""
    stray.delete()


def forget_old(*, now: datetime) -> int:
    """What nobody acted on for a month is forgotten here; the mailbox still has it."""
    return StrayMail.objects.filter(created_at__lt=now - KEPT).delete()[0]
