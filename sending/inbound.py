"""A raw mail → what it is: reply, auto-reply, bounce, delay, complaint, opt-out, or nothing for us. Pure.

The order is the design's (sending.md, "What comes back"): abuse report, delivery report, a mailer-daemon's words,
automatic reply, calendar, human reply. Read receipts are told apart with the other reports, before automatic replies,
since many carry `Auto-Submitted: auto-replied`. Matching to a thread, suppressing and stopping belong to the services.
"""

import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sending import auto_words
from sending.bounce_text import read_daemon_text
from sending.bounces import Bounce, Report, read_complaint, read_notification
from sending.html_text import text_of_html
from sending.opt_out import is_opt_out
from sending.raw_mail import Part, PoisonMail, first_address, message_ids, parse_mail
from sending.reply_text import own_words, reply_text
from sending.return_dates import away_until
from sending.ses_notices import read_notice

Kind = Literal["reply", "auto_reply", "bounce", "delayed", "complaint", "unsubscribe", "ignored"]

_OWN_LINE = re.compile(r"^[ \t>]{0,4}(?:Original-)?Message-ID:\s{0,3}(<[^<>\s]{3,900}>)", re.IGNORECASE | re.MULTILINE)
_MAX_REFERENCES = 50


@dataclass(frozen=True)
class Inbound:
    """One mail that came in. Texts hold nothing a database refuses; they are a stranger's words, never instructions.

    `references` are ids that may name our outgoing mail, the likeliest first: the reported mail's own Message-ID,
    In-Reply-To, References (newest first). `reply_text` is `text` without the quoted mail, `own_words` without any
    quoted line. `problem` says why a mail is ignored; `is_poison`: because it is beyond a limit.
    """

    kind: Kind
    from_email: str = ""
    to_email: str = ""
    subject: str = ""
    message_id: str = ""
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    text: str = ""
    html: str = ""
    reply_text: str = ""
    own_words: str = ""
    bounces: tuple[Bounce, ...] = ()
    away_until: datetime | None = None
    problem: str = ""
    is_poison: bool = False

    @property
    def bounce(self) -> Bounce | None:
        """The worst verdict; a report may name several recipients."""
        return self.bounces[0] if self.bounces else None

    def bounce_of(self, recipient: str) -> Bounce | None:
        """The verdict on one address, else the worst one: addresses are often rewritten on the way."""
        return next((bounce for bounce in self.bounces if bounce.recipient == recipient.lower()), self.bounce)


def read_mail(raw: bytes, *, received_at: datetime, unsubscribe_addresses: Collection[str] = ()) -> Inbound:
    """Read one mail. Never raises for what the bytes hold: beyond a limit it is `ignored` with a `problem`.

    `received_at` (aware) dates a return day without a year; `unsubscribe_addresses` are the addresses, besides
    `unsubscribe@` and `unsubscribe+…@`, that our List-Unsubscribe headers name.
    """
    try:
        root = parse_mail(raw)
        parts = list(root.walk(into_messages=False))
        mail = _envelope(root, raw)
        return _with_kind(mail, root, parts, received_at=received_at, unsubscribe_addresses=unsubscribe_addresses)
    except PoisonMail as poison:
        return Inbound(kind="ignored", message_id=_made_up_id(raw), problem=str(poison), is_poison=True)


def _envelope(root: Part, raw: bytes) -> Inbound:
    in_reply_to = message_ids(root.header("in-reply-to"))
    own_id = message_ids(root.header("message-id"))
    text, html = _bodies(root)
    return Inbound(
        kind="reply",
        from_email=first_address(root.header("from")) or first_address(root.header("sender")),
        to_email=first_address(root.header("to")) or first_address(root.header("delivered-to")),
        subject=root.header("subject")[:998],
        message_id=own_id[0] if own_id else _made_up_id(raw),
        in_reply_to=in_reply_to[0] if in_reply_to else "",
        references=_dedupe(in_reply_to + message_ids(root.header("references"))[::-1]),
        text=text,
        html=html,
        reply_text=reply_text(text),
        own_words=own_words(text),
    )


def _with_kind(
    mail: Inbound, root: Part, parts: list[Part], *, received_at: datetime, unsubscribe_addresses: Collection[str]
) -> Inbound:
    report = read_complaint(parts) or read_notification(parts) or _read_receipt(root, parts) or read_notice(mail.text)
    if report is None and not _is_vacation(root):
        report = read_daemon_text(root, parts)
    if report is not None:
        return _reported(mail, report, root)
    if _asks_by_address(mail, root, unsubscribe_addresses):
        return replace(mail, kind="unsubscribe")
    if _is_automatic(root):
        away = away_until(f"{mail.subject}\n{mail.own_words}", received_at=received_at)
        return replace(mail, kind="auto_reply", away_until=away)
    if _is_calendar(parts):
        return replace(mail, kind="ignored", problem="A calendar answer.")
    return replace(mail, kind="unsubscribe") if is_opt_out(mail.own_words) else mail


def _reported(mail: Inbound, report: Report, root: Part) -> Inbound:
    """A report names our mail in the copy it returns; that id goes first."""
    references = _dedupe(_returned_ids(list(root.walk()), not_this=mail.message_id) + mail.references)
    problem = "A report that needs no action." if report.kind == "ignored" else ""
    return replace(mail, kind=report.kind, bounces=report.bounces, references=references, problem=problem)


def _returned_ids(parts: list[Part], *, not_this: str) -> tuple[str, ...]:
    found = [one for part in parts[1:] for one in message_ids(part.header("message-id"))]
    # A copy cut off or badly wrapped has its headers in a text.
    for part in parts:
        if part.content_type != "text/html":
            found += _OWN_LINE.findall(part.text())
    return tuple(one for one in found if one != not_this)


def _read_receipt(root: Part, parts: list[Part]) -> Report | None:
    receipt = root.parameter("report-type") == "disposition-notification"
    receipt = receipt or any(part.content_type == "message/disposition-notification" for part in parts)
    return Report("ignored") if receipt else None


def _asks_by_address(mail: Inbound, root: Part, addresses: Collection[str]) -> bool:
    """A mail to the address of our List-Unsubscribe header, or one that a mail program made from it."""
    local = mail.to_email.split("@")[0]
    if mail.to_email in addresses or local == "unsubscribe" or local.startswith("unsubscribe+"):
        return True
    return bool(root.header("x-apple-unsubscribe")) or (
        mail.subject.lower().strip(" .!") == "unsubscribe" and not mail.own_words
    )


def _is_vacation(root: Part) -> bool:
    """An automatic reply by its title, so that a postmaster's holiday is no bounce."""
    return bool(auto_words.SUBJECT.match(root.header("subject"))) and not root.header("x-failed-recipients")


def _is_automatic(root: Part) -> bool:
    """RFC 3834 and its older cousins, then the subject."""
    submitted = root.header("auto-submitted").lower()
    if submitted:
        return not submitted.startswith("no")
    if any(root.header(name).lower() not in ("", "no", "false") for name in auto_words.HEADERS):
        return True
    precedence = root.header("precedence").lower()
    if precedence in auto_words.PRECEDENCE or "autoresponder" in root.header("x-post-messageclass").lower():
        return True
    if precedence in auto_words.BULK and root.header("x-auto-response-suppress"):
        return True
    # Only machines ask not to be answered (RFC 5321 §4.5.5).
    return root.header("return-path") == "<>" or bool(auto_words.SUBJECT.match(root.header("subject")))


def _is_calendar(parts: list[Part]) -> bool:
    return any(part.content_type == "text/calendar" and part.parameter("method") for part in parts)


def _bodies(root: Part) -> tuple[str, str]:
    """The first text and the first HTML of the mail itself, not of a mail enclosed; text made from HTML if need be."""
    text = html = ""
    for part in root.walk(into_messages=False):
        if part.header("content-disposition").lower().startswith("attachment"):
            continue
        if part.content_type == "text/plain":
            text = text or part.text()
        elif part.content_type == "text/html":
            html = html or part.text()
    return text if text.strip() else text_of_html(html), html


def _dedupe(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))[:_MAX_REFERENCES]


def _made_up_id(raw: bytes) -> str:
    """The same mail gets the same id, so that it is processed once."""
    return f"<{hashlib.sha256(raw).hexdigest()}@missing>"
