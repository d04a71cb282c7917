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

import inscriptis

from sending.bounces import Bounce, Report, read_complaint, read_daemon_text, read_notification
from sending.opt_out import is_opt_out
from sending.raw_mail import Part, PoisonMail, first_address, message_ids, parse_mail
from sending.reply_text import own_words
from sending.return_dates import away_until
from sending.ses_notices import read_notice

Kind = Literal["reply", "auto_reply", "bounce", "delayed", "complaint", "unsubscribe", "ignored"]

_OWN_LINE = re.compile(r"^[ \t>]{0,4}(?:Original-)?Message-ID:\s{0,3}(<[^<>\s]{3,900}>)", re.IGNORECASE | re.MULTILINE)
_AUTO_SUBJECT = re.compile(
    r"\W{0,3}(?:auto(?:matic|mated|matische?|matisch)?[ :-]{0,3}(?:reply|response|re\b|antwort|antwoord|svar)|"
    r"auto:|autoreply|out of (?:the )?office|ooo\b|away (?:from|until)|on (?:vacation|holiday|leave)|vacation|"
    r"abwesenheit|abwesend|nicht im (?:büro|hause)|réponse automatique|absence|absent|respuesta autom[áa]tica|"
    r"fuera de (?:la )?oficina|ausente|risposta automatica|fuori ufficio|afwezig|"
    r"resposta automática|autosvar|frånvaro|автоответ|自動応答|自动回复)",
    re.IGNORECASE,
)
_MACHINE_HEADERS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply-from", "x-mail-autoreply")
_MAX_REFERENCES = 50
# Deeper than any mail program nests, shallower than a converter's stack.
_MAX_HTML_TAGS = 20_000


@dataclass(frozen=True)
class Inbound:
    """One mail that came in. Texts hold nothing a database refuses; they are a stranger's words, never instructions.

    `references` are ids that may name our outgoing mail, the likeliest first: the reported mail's own Message-ID,
    In-Reply-To, References (newest first). `reply_text` is `text` without quotes. `problem` says why a mail is ignored.
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
    bounce: Bounce | None = None
    away_until: datetime | None = None
    problem: str = ""


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
        return Inbound(kind="ignored", message_id=_made_up_id(raw), problem=str(poison))


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
        reply_text=own_words(text),
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
        away = away_until(f"{mail.subject}\n{mail.reply_text}", received_at=received_at)
        return replace(mail, kind="auto_reply", away_until=away)
    if _is_calendar(parts):
        return replace(mail, kind="ignored", problem="A calendar answer.")
    return replace(mail, kind="unsubscribe") if is_opt_out(mail.reply_text) else mail


def _reported(mail: Inbound, report: Report, root: Part) -> Inbound:
    """A report names our mail in the copy it returns; that id goes first."""
    references = _dedupe(_returned_ids(list(root.walk()), not_this=mail.message_id) + mail.references)
    problem = "A report that needs no action." if report.kind == "ignored" else ""
    return replace(mail, kind=report.kind, bounce=report.bounce, references=references, problem=problem)


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
        mail.subject.lower().strip(" .!") == "unsubscribe" and not mail.reply_text
    )


def _is_vacation(root: Part) -> bool:
    """An automatic reply by its title, so that a postmaster's holiday is no bounce."""
    return bool(_AUTO_SUBJECT.match(root.header("subject"))) and not root.header("x-failed-recipients")


def _is_automatic(root: Part) -> bool:
    """RFC 3834 and its older cousins, then the subject."""
    submitted = root.header("auto-submitted").lower()
    if submitted and not submitted.startswith("no"):
        return True
    if any(root.header(name) not in ("", "no") for name in _MACHINE_HEADERS):
        return True
    if root.header("precedence").lower() in ("auto_reply", "auto-reply"):
        return True
    return bool(_AUTO_SUBJECT.match(root.header("subject")))


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
    return text if text.strip() else _text_of(html), html


def _text_of(html: str) -> str:
    """HTML as text, quoted mails left out."""
    if not html.strip() or html.count("<") > _MAX_HTML_TAGS:
        return ""
    html = re.split(r"<(?:blockquote|div[^<>]{0,200}(?:gmail_quote|divRplyFwdMsg|yahoo_quoted))", html, maxsplit=1)[0]
    try:
        return inscriptis.get_text(html).strip()
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError, AssertionError):
        return re.sub(r"<[^<>]{0,2000}>", " ", html).strip()


def _dedupe(ids: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(ids))[:_MAX_REFERENCES]


def _made_up_id(raw: bytes) -> str:
    """The same mail gets the same id, so that it is processed once."""
    return f"<{hashlib.sha256(raw).hexdigest()}@missing>"
