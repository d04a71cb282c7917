"""Bounces, delays and complaints: from the parts of a report, or from a mailer-daemon's words, to one verdict. Pure.

A real bounce often has no usable machine-readable part, so the words count as much as the codes (bounce_words.py).
"""

import re
from dataclasses import dataclass
from typing import Literal

from sending import bounce_words as words
from sending.raw_mail import Part, clean_text, first_address

Hardness = Literal["hard", "soft", "blocked"]
_SEVERITY = {"hard": 0, "blocked": 1, "soft": 2}
# Words are looked for in this much text: a machine says what it has to say at the top.
MAX_WORDS = 6_000

_STATUS = re.compile(r"(?<![\d.])([45])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_AFTER_CODE = re.compile(r"(?<![\d.])[45]\d\d[ -]:?\s?#?([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<![\d.#])([45]\d\d)(?=[ :-])")
_FIELD = re.compile(r"^([A-Za-z][A-Za-z-]{1,40}):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_NAMED = re.compile(
    r"(?:following|these) (?:address|recipient)|(?:deliver\w{0,3}|undeliverable|recipient|reach|sent|"
    r"send)(?: \w{1,10}){0,2} to\b",
    re.IGNORECASE,
)
_NOT_COMPLAINTS = {"not-spam", "auth-failure", "auth-failure-report", "dmarc"}
_NOBODY_STATUS = {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.4.4"}
_SENDER_STATUS = {"5.1.7", "5.1.8", "4.1.7", "4.1.8", "5.6.1"}
_SUSPENDED_STATUS = {"5.2.1", "5.2.2", "5.2.3", "5.7.13", "5.7.17"}


@dataclass(frozen=True)
class Bounce:
    """Why a mail did not arrive.

    hard: no such person or domain, suppress the address · soft: this mail, this time · blocked: the sender's problem
    (policy, reputation), never the lead's. `status` is an enhanced code (RFC 3463) or "", `recipient` the address
    that failed, lower case, or "".
    """

    hardness: Hardness
    status: str
    recipient: str
    diagnostic: str


@dataclass(frozen=True)
class Report:
    """What a machine's report says: `kind` is bounce, delayed, complaint or ignored."""

    kind: Literal["bounce", "delayed", "complaint", "ignored"]
    bounce: Bounce | None = None


def read_complaint(parts: list[Part]) -> Report | None:
    """An abuse report (ARF, RFC 5965), or None. `not-spam` and authentication reports are no complaints."""
    for part in parts:
        if part.content_type == "message/feedback-report":
            fields = _fields("\n".join(leaf.text() for leaf in part.walk()))
            kind = fields.get("feedback-type", "abuse").lower()
            return Report("ignored" if kind in _NOT_COMPLAINTS else "complaint")
    return None


def read_notification(parts: list[Part]) -> Report | None:
    """A delivery status notification (RFC 3464), or None when there is none or it names no recipient."""
    groups = _recipient_groups(parts)
    return _judge_groups(groups, human_words(parts)) if groups else None


def _judge_groups(groups: list[dict[str, str]], explanation: str) -> Report:
    actions = {group["action"].split()[0].lower() for group in groups if group.get("action", "").strip()}
    if "failed" not in actions and actions & {"delivered", "relayed", "expanded"}:
        return Report("ignored")
    failed = [group for group in groups if not actions or group.get("action", "failed").lower().startswith("failed")]
    verdicts = [_verdict_of(group, explanation) for group in failed or groups]
    worst = min(verdicts, key=lambda bounce: _SEVERITY[bounce.hardness])
    return Report("bounce" if failed else "delayed", worst)


def read_daemon_text(root: Part, parts: list[Part]) -> Report | None:
    """A bounce in prose, recognised by who wrote it, its title and its words; None when it is not one."""
    explanation = human_words(parts)
    failed = first_address(root.header("x-failed-recipients"))
    if not failed and not _looks_like_bounce(root, explanation):
        return None
    if groups := _groups_in_text(root):
        return _judge_groups(groups, explanation)
    status = status_of(explanation)
    recipient = failed or _recipient_in(explanation, not_these=_own_addresses(root))
    bounce = Bounce(classify(status, explanation), status, recipient, " ".join(explanation.split())[:500])
    delayed = words.DELAYED.search(f"{root.header('subject')}\n{explanation}")
    return Report("delayed" if delayed else "bounce", bounce)


def classify(status: str, text: str) -> Hardness:
    """Hardness from an enhanced status ("" when unknown) and the server's words."""
    text = text[:MAX_WORDS]
    temporary = status.startswith("4.")
    if words.SENDER.search(text) or status in _SENDER_STATUS:
        return "blocked"
    if words.STATE.search(text) and not _plainly_policy(status, text):
        return "soft"
    if not temporary and words.NOBODY.search(text):
        return "hard"
    return _by_status(status, text)


def _plainly_policy(status: str, text: str) -> bool:
    return _subject(status) == "7" and status not in _SUSPENDED_STATUS and bool(words.POLICY.search(text))


def _by_status(status: str, text: str) -> Hardness:
    if status in _SUSPENDED_STATUS:
        return "soft"
    if status in _NOBODY_STATUS:
        return "hard"
    if _subject(status) == "7" or words.POLICY.search(text):
        return "blocked"
    return "soft"


def _subject(status: str) -> str:
    return status.split(".")[1] if status.count(".") == 2 else ""


def status_of(text: str) -> str:
    """The most telling enhanced status in a server's words: the one after a reply code, then one that is specific."""
    text = text[:MAX_WORDS]
    if found := _AFTER_CODE.search(text):
        return found[1]
    codes = [found.group() for found in _STATUS.finditer(text)]
    specific = [code for code in codes if not code.endswith(".0.0")]
    if specific or codes:
        return (specific or codes)[0]
    reply = _REPLY_CODE.search(text)
    return f"{reply[1][0]}.0.0" if reply else ""


def human_words(parts: list[Part]) -> str:
    """What the machine wrote for people: the text parts before the copy of our mail, at most MAX_WORDS characters."""
    # A container without parts is a report whose boundary is broken: all of it is text.
    texts = [part.text() for part in parts if part.content_type == "text/plain" or part.is_broken_container]
    if not any(text.strip() for text in texts):
        texts = [re.sub(r"<[^<>]{0,2000}>", " ", part.text()) for part in parts if part.content_type == "text/html"]
    joined = "\n".join(texts)
    copy = words.COPY.search(joined[: MAX_WORDS * 4])
    # A bounce that starts with the copy says everything below it.
    return joined[: copy.start() if copy and joined[: copy.start()].strip() else None][:MAX_WORDS]


def _recipient_groups(parts: list[Part]) -> list[dict[str, str]]:
    """The per-recipient field groups of every message/delivery-status part, as {lower-case name: value}."""
    groups = []
    for part in parts:
        if part.content_type == "message/delivery-status":
            for block in part.children() or [part]:
                fields = {key.lower(): block.header(key) for key, _ in block.message.raw_items()}
                # Some write the fields where a text belongs.
                groups.append(fields | _fields(block.text()))
    return [group for group in groups if _names_recipient(group)]


def _groups_in_text(root: Part) -> list[dict[str, str]]:
    """The same fields where a broken report has them lying about in its text."""
    texts = (part.text() for part in root.walk())
    blocks = (block for text in texts if "inal-Recipient:" in text for block in text.split("\n\n")[:500])
    return [group for block in blocks if "ction:" in block and _names_recipient(group := _fields(block))]


def _names_recipient(group: dict[str, str]) -> bool:
    return bool({"action", "status"} & group.keys()) and bool(
        {"final-recipient", "original-recipient", "action", "diagnostic-code"} & group.keys()
    )


def _verdict_of(group: dict[str, str], explanation: str) -> Bounce:
    diagnostic = re.sub(r"^\s*[A-Za-z-]{2,30}\s*;\s*", "", group.get("diagnostic-code", ""))
    said = _STATUS.search(group.get("status", ""))
    status = _more_telling(said.group() if said else "", status_of(diagnostic))
    words_of_server = diagnostic
    if len(diagnostic.strip()) < 12 or (status.endswith(".0.0") and not _any_family(diagnostic)):
        words_of_server = f"{diagnostic}\n{explanation}"
        status = _more_telling(status, status_of(explanation))
    recipient = first_address(group.get("original-recipient", "")) or first_address(group.get("final-recipient", ""))
    return Bounce(
        classify(status, words_of_server), status, recipient, " ".join((diagnostic or explanation).split())[:500]
    )


def _more_telling(stated: str, read: str) -> str:
    """The status the far server used beats the reporting server's own, which is often x.0.0 or a default."""
    if not stated or (read and not read.endswith(".0.0")):
        return read or stated
    return stated


def _any_family(text: str) -> bool:
    return any(family.search(text) for family in (words.SENDER, words.STATE, words.NOBODY, words.POLICY))


def _looks_like_bounce(root: Part, explanation: str) -> bool:
    sender = f"{root.header('from')} {root.header('sender')}"
    daemon = bool(words.DAEMON.search(sender)) or root.header("return-path") == "<>"
    title = bool(words.SUBJECT.search(root.header("subject")))
    body = bool(words.BODY.search(explanation))
    if root.header("in-reply-to") and not daemon:
        return False  # a person may well answer "your mail could not be delivered"
    return daemon and (title or body) or (title and body and root.header("auto-submitted").lower() != "no")


def _own_addresses(root: Part) -> set[str]:
    return {first_address(root.header(name)) for name in ("from", "to", "sender", "reply-to", "delivered-to")}


def _recipient_in(text: str, *, not_these: set[str]) -> str:
    named = _NAMED.search(text)
    lines = text[named.start() :].splitlines() if named else []
    for line in (lines + text.splitlines())[:200]:
        found = first_address(line[:500].replace("SMTP=", " "))
        if found and found not in not_these and not words.DAEMON.search(found):
            return found
    return ""


def _fields(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(clean_text(text)[:20_000]):
        found.setdefault(name.lower(), " ".join(value.split())[:4_000])
    return found
