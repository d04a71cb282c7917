"""How the sandbox's recipients react: which mail comes back, when, and its bytes. Pure.

`bounce+anything@sandbox.test` bounces, `reply+…` answers, and so on (decisions.md §2). The bytes go through
`inbound.read_mail` like any other mail, so a test workspace takes the same path as a live one. Everything follows
from the arguments: the same seed, mail and moment give the same bytes.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_string
from email.header import Header
from email.message import Message
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime
from typing import Literal, get_args

from sending.raw_mail import Part, first_address, message_ids, parse_mail

Kind = Literal["ok", "bounce", "soft", "complaint", "reply", "ooo", "unsubscribe", "timeout"]

SANDBOX_DOMAIN = "sandbox.test"
AWAY_DAYS = 5
# Seconds of business time between the delivery and what comes back: (least, most).
_DELAYS: dict[Kind, tuple[int, int]] = {
    "ok": (0, 0),
    "timeout": (0, 0),
    "bounce": (5, 300),
    "soft": (5, 300),
    "ooo": (60, 180),
    "unsubscribe": (600, 7_200),
    "reply": (1_200, 21_600),
    "complaint": (3_600, 10_800),
}
_RECIPIENT = re.compile(rf"({'|'.join(get_args(Kind))})\+[^@]*@{re.escape(SANDBOX_DOMAIN)}", re.IGNORECASE)
_REPLIES = (
    "Hi,\n\nthanks for reaching out. This is interesting, could you send me a short overview and your prices?\n\nBest",
    "Good timing, we talked about exactly this last week. Do you have 20 minutes on Thursday afternoon?",
    "Thanks for your note. I am not the right person for this, but I will pass it on to our head of operations.",
    "Hello,\n\nwe already have something in place and are happy with it for now. Maybe next year.\n\nKind regards",
)


@dataclass(frozen=True)
class Reaction:
    """What a sandbox recipient does, and how long after the delivery, in business time."""

    kind: Kind
    delay: timedelta


def seed_of(workspace, original: bytes) -> str:
    """What a recipient's behaviour follows from: the workspace's seed, who they are and what they were told."""
    sent = _read(original)
    return workspace.chance(sent.message_id, sent.recipient, sent.subject)


def reaction_for(address: str, *, seed: str) -> Reaction | None:
    """The reaction of an address, or None for one that simply receives its mail. `seed` fixes the delay."""
    found = _RECIPIENT.fullmatch(address.strip())
    if not found:
        return None
    kind: Kind = found[1].lower()  # type: ignore[assignment]
    least, most = _DELAYS[kind]
    return Reaction(kind, timedelta(seconds=least + _number(seed, kind) % (most - least + 1)))


def react(kind: Kind, original: bytes, *, at: datetime, seed: str) -> bytes:
    """The raw mail (CRLF) that comes back for `original`, dated `at` (aware).

    Raises ValueError for `ok` and `timeout`, after which nothing comes back.
    """
    if kind not in _BUILDERS:
        raise ValueError(f"Nothing comes back from a recipient of kind {kind}.")
    sent = _read(original)
    mail = _BUILDERS[kind](sent, at, seed)
    name = _digest(seed, kind, sent.message_id, at.isoformat())[:32]
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{name}@{SANDBOX_DOMAIN}>"
    if isinstance(mail, MIMEMultipart):
        mail.set_boundary(f"=_{name}")
    return re.sub(rb"\r?\n", b"\r\n", mail.as_bytes())


@dataclass(frozen=True)
class _Sent:
    """What a reaction needs to know of the mail it answers."""

    sender: str
    recipient: str
    subject: str
    message_id: str
    references: tuple[str, ...]
    date: str
    text: str
    headers: str


def _read(original: bytes) -> _Sent:
    root = parse_mail(original)
    own_id = message_ids(root.header("message-id"))
    text = next((part.text() for part in root.walk() if part.content_type == "text/plain"), "")
    return _Sent(
        sender=first_address(root.header("reply-to")) or first_address(root.header("from")),
        recipient=first_address(root.header("to")),
        subject=root.header("subject"),
        message_id=own_id[0] if own_id else "",
        references=message_ids(root.header("references")),
        date=root.header("date"),
        text=text,
        headers=_header_lines(root, original),
    )


def _header_lines(root: Part, original: bytes) -> str:
    block = re.split(rb"\r?\n\r?\n", original, maxsplit=1)[0]
    return block.decode("ascii", "replace").replace("\r\n", "\n").replace("\ufffd", "?") + "\n"


def _reply(sent: _Sent, at: datetime, seed: str) -> Message:
    return _answer(sent, _REPLIES[_number(seed, "words") % len(_REPLIES)])


def _unsubscribe(sent: _Sent, at: datetime, seed: str) -> Message:
    return _answer(sent, "Please remove me from your list.")


def _answer(sent: _Sent, words: str) -> Message:
    quote = "\n".join(f"> {line}".rstrip() for line in sent.text.splitlines())
    mail = _text(f"{words}\n\nOn {sent.date}, {sent.sender} wrote:\n\n{quote}\n")
    _address(mail, sent, sender=sent.recipient, subject=_prefixed("Re: ", sent.subject))
    _thread(mail, sent)
    return mail


def _out_of_office(sent: _Sent, at: datetime, seed: str) -> Message:
    back = at + timedelta(days=AWAY_DAYS)
    day = f"{back.day} {_MONTHS[back.month - 1]} {back.year}"
    mail = _text(
        f"Thank you for your message.\n\nI am out of the office with little access to e-mail. I will be back on "
        f"{day}.\n"
    )
    _address(mail, sent, sender=sent.recipient, subject=_prefixed("Automatic reply: ", sent.subject))
    _thread(mail, sent)
    mail["Auto-Submitted"] = "auto-replied"
    return mail


def _hard_bounce(sent: _Sent, at: datetime, seed: str) -> Message:
    return _delivery_report(sent, at, "5.1.1", "550", f"<{sent.recipient}>: Recipient address rejected: User unknown")


def _soft_bounce(sent: _Sent, at: datetime, seed: str) -> Message:
    return _delivery_report(sent, at, "5.2.2", "552", f"<{sent.recipient}>: Mailbox full")


def _delivery_report(sent: _Sent, at: datetime, status: str, code: str, words: str) -> Message:
    """RFC 3464, as Postfix writes it."""
    said = f"{code} {status} {words}"
    fields = (
        f"Reporting-MTA: dns; mx.{SANDBOX_DOMAIN}\nArrival-Date: {format_datetime(at)}\n\n"
        f"Final-Recipient: rfc822; {sent.recipient}\nAction: failed\nStatus: {status}\n"
        f"Remote-MTA: dns; mx.{SANDBOX_DOMAIN}\nDiagnostic-Code: smtp; {said}\n"
    )
    told = f"This is the mail system at host mx.{SANDBOX_DOMAIN}.\n\nYour message could not be delivered.\n\n{said}\n"
    mail = _report("delivery-status", told, "message/delivery-status", fields, sent)
    _address(
        mail,
        sent,
        sender=f"MAILER-DAEMON@{SANDBOX_DOMAIN}",
        subject="Undelivered Mail Returned to Sender",
        name="Mail Delivery System",
    )
    mail["Auto-Submitted"] = "auto-replied"
    return mail


def _complaint(sent: _Sent, at: datetime, seed: str) -> Message:
    """RFC 5965."""
    fields = (
        "Feedback-Type: abuse\nUser-Agent: Sandbox/1.0\nVersion: 1\n"
        f"Original-Mail-From: <{sent.sender}>\nOriginal-Rcpt-To: <{sent.recipient}>\nArrival-Date: "
        f"{format_datetime(at)}\n"
    )
    told = "This is an email abuse report for an email message that a recipient marked as spam.\n"
    mail = _report("feedback-report", told, "message/feedback-report", fields, sent)
    _address(mail, sent, sender=f"feedback@{SANDBOX_DOMAIN}", subject=_prefixed("FW: ", sent.subject))
    return mail


def _report(report_type: str, told: str, fields_type: str, fields: str, sent: _Sent) -> MIMEMultipart:
    mail: MIMEMultipart = MIMEMultipart("report")
    mail.set_param("report-type", report_type)
    mail.attach(_text(told))
    mail.attach(_plain_part(fields_type, fields))
    mail.attach(_plain_part("text/rfc822-headers", sent.headers))
    return mail


def _plain_part(content_type: str, lines: str) -> Message:
    part = Message()
    part["Content-Type"] = content_type
    if content_type == "message/delivery-status":  # the library writes each group of fields as a message
        for group in lines.split("\n\n"):
            part.attach(message_from_string(group.strip() + "\n"))
    else:
        part.set_payload(lines)
    return part


def _text(words: str) -> MIMEText:
    return MIMEText(words, "plain", "us-ascii" if words.isascii() else "utf-8")


def _address(mail: Message, sent: _Sent, *, sender: str, subject: str, name: str = "") -> None:
    mail["From"] = f"{name} <{sender}>" if name else sender
    mail["To"] = sent.sender
    mail["Subject"] = Header(subject, "us-ascii" if subject.isascii() else "utf-8").encode()


def _thread(mail: Message, sent: _Sent) -> None:
    if sent.message_id:
        mail["In-Reply-To"] = sent.message_id
        mail["References"] = "\n ".join((*sent.references[-20:], sent.message_id))


def _prefixed(prefix: str, subject: str) -> str:
    return subject if subject.lower().startswith(prefix.lower()) else f"{prefix}{subject}"


def _digest(*words: str) -> str:
    return hashlib.sha256("\x1f".join(words).encode()).hexdigest()


def _number(*words: str) -> int:
    return int(_digest(*words)[:12], 16)


_MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
_BUILDERS = {
    "bounce": _hard_bounce,
    "soft": _soft_bounce,
    "complaint": _complaint,
    "reply": _reply,
    "ooo": _out_of_office,
    "unsubscribe": _unsubscribe,
}
