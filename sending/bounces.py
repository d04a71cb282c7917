"""Bounces, delays and complaints: from the parts of a report to one verdict per recipient. Pure.

A real bounce often has no usable machine-readable part, so the words count as much as the codes (bounce_words.py), and
reports in prose are read too (bounce_text.py).
"""

import re
from dataclasses import dataclass
from typing import Literal

from sending import bounce_words as words
from sending.raw_mail import Part, clean_text, first_address

Hardness = Literal["hard", "soft", "blocked"]
Stage = Literal["recipient", "data", ""]
_SEVERITY = {"hard": 0, "blocked": 1, "soft": 2}
# Words are looked for in this much text: a machine says what it has to say at the top.
MAX_WORDS = 6_000
MAX_RECIPIENTS = 100

_STATUS = re.compile(r"(?<![\d.])([45])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
AFTER_CODE = re.compile(r"(?<![\d.])[45]\d\d[ -]:?\s?#?([45]\.\d{1,3}\.\d{1,3})(?![\d.])")
_REPLY_CODE = re.compile(r"(?<![\d.#])([45]\d\d)(?=[ :-])")
_FIELD = re.compile(r"^([A-Za-z][A-Za-z-]{1,40}):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_AT_RECIPIENT = re.compile(
    r"(?:reply to|response to|after|during|>>>|command:?)\s{0,4}(?:the )?RCPT\b|\[RCPT_TO\]|does not like recipient|"
    r"need rcpt|no valid recipients|RCPT TO (?:generated|response)|SMTP:RCPT|"
    r"RCPT TO:?\s?<[^<>\n]{0,300}>\s{0,3}(?:failed|refused|rejected|error)",
    re.IGNORECASE,
)
_AT_DATA = re.compile(
    r"(?:reply to|response to|after|during|>>>|command:?)\s{0,4}(?:the )?(?:(?:pipelined )?(?:end of |sending ))?"
    r"DATA\b|\[(?:END_OF_)?DATA\]|after I sent the message",
    re.IGNORECASE,
)
_CONCLUDED = re.compile(r"address (?:not found|couldn'?t be found)[\s\S]{0,2000}\b5\d\d[^\n]{0,40}<[^<>\s@]{1,64}@")
_NOT_COMPLAINTS = {"not-spam", "auth-failure", "auth-failure-report", "dmarc"}
_NOBODY_STATUS = {"5.1.0", "5.1.1", "5.1.2", "5.1.3", "5.1.4", "5.1.6", "5.1.10", "5.4.4", "5.4.310"}
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
    """What a machine's report says: `kind` is bounce, delayed, complaint or ignored; `bounces` the worst first."""

    kind: Literal["bounce", "delayed", "complaint", "ignored"]
    bounces: tuple[Bounce, ...] = ()


def read_complaint(parts: list[Part]) -> Report | None:
    """An abuse report (ARF, RFC 5965, or Outlook's JMRP), or None. `not-spam` and authentication reports are none."""
    for part in parts:
        if part.content_type == "message/feedback-report":
            # The parser takes the fields for a mail's headers.
            told = fields_of("\n".join(f"{_headers_of(leaf)}\n{leaf.text()}" for leaf in part.children() or [part]))
            kind = told.get("feedback-type", "abuse").lower()
            return Report("ignored" if kind in _NOT_COMPLAINTS else "complaint")
        if any(mail.header("x-hmxmroriginalrecipient") for mail in _enclosed(part)):
            return Report("complaint")
    return None


def _enclosed(part: Part) -> list[Part]:
    return part.children() if part.content_type == "message/rfc822" else []


def _headers_of(part: Part) -> str:
    return "\n".join(f"{key}: {value}" for key, value in part.header_lines())


def read_notification(parts: list[Part]) -> Report | None:
    """A delivery status notification (RFC 3464), or None when there is none or it names no recipient."""
    groups = _recipient_groups(parts)
    return judge_groups(groups, human_words(parts)) if groups else None


def judge_groups(groups: list[dict[str, str]], explanation: str) -> Report:
    """A report from its per-recipient fields; `explanation` is what it says in prose."""
    actions = {group["action"].split()[0].lower() for group in groups if group.get("action", "").strip()}
    if "failed" not in actions and actions & {"delivered", "relayed", "expanded"}:
        return Report("ignored")
    failed = [group for group in groups if not actions or group.get("action", "failed").lower().startswith("failed")]
    verdicts = [_verdict_of(group, explanation) for group in (failed or groups)[:MAX_RECIPIENTS]]
    return Report("bounce" if failed else "delayed", worst_first(verdicts))


def worst_first(bounces: list[Bounce]) -> tuple[Bounce, ...]:
    return tuple(sorted(bounces, key=lambda bounce: _SEVERITY[bounce.hardness]))


def classify(status: str, text: str, *, stage: Stage = "") -> Hardness:
    """Hardness from an enhanced status ("" when unknown), the server's words and the command they answered.

    "User unknown" alone proves nothing: filters say it too, after they have seen the mail. It counts with a status
    that says so, or as the answer to RCPT.
    """
    text = re.sub(r"\n[ \t]{1,20}(?=\S)", " ", text[:MAX_WORDS])
    if words.SENDER.search(text) or status in _SENDER_STATUS:
        return "blocked"
    if words.STATE.search(text) and not _plainly_policy(status, text):
        return "soft"
    witnessed = stage == "recipient" or status in _NOBODY_STATUS
    if not status.startswith("4.") and (words.GONE.search(text) or (witnessed and words.NOBODY.search(text))):
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


def stage_of(text: str) -> Stage:
    """The command a refusal answered, as far as the report says it: RCPT (the address) or DATA (the mail)."""
    if _AT_RECIPIENT.search(text) or _CONCLUDED.search(text):
        return "recipient"
    return "data" if _AT_DATA.search(text) else ""


def status_of(text: str) -> str:
    """The most telling enhanced status in a server's words: the one after a reply code, then one that is specific."""
    text = text[:MAX_WORDS]
    if found := AFTER_CODE.search(text):
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


def groups_in(text: str) -> list[dict[str, str]]:
    """The per-recipient groups of a report's text: parted by blank lines, or by the next `Final-Recipient`."""
    blocks = (piece for block in text.split("\n\n")[:500] for piece in _at_each_recipient(block))
    return [fields for block in blocks if _names_recipient(fields := fields_of(block))]


def _at_each_recipient(block: str) -> list[str]:
    pieces = re.split(r"(?im)^(?=final-recipient:)", block)
    return pieces if len(pieces) > 2 else [block]


def _recipient_groups(parts: list[Part]) -> list[dict[str, str]]:
    """The per-recipient field groups of every message/delivery-status part, as {lower-case name: value}."""
    groups = []
    for part in parts:
        if part.content_type == "message/delivery-status":
            for block in part.children() or [part]:
                lines = _headers_of(block)
                # Some write the fields where a text belongs.
                groups += groups_in(f"{lines}\n\n{block.text()}" if block.text().strip() else lines)
    return groups


def _names_recipient(group: dict[str, str]) -> bool:
    return bool({"action", "status"} & group.keys()) and bool(
        {"final-recipient", "original-recipient", "action", "diagnostic-code"} & group.keys()
    )


def _verdict_of(group: dict[str, str], explanation: str) -> Bounce:
    diagnostic = re.sub(r"^\s*[A-Za-z-]{2,30}\s*;\s*", "", group.get("diagnostic-code", ""))
    said = _STATUS.search(group.get("status", ""))
    status = _more_telling(said.group() if said else "", status_of(diagnostic))
    words_of_server = diagnostic
    if len(diagnostic.strip()) < 12 or (status.endswith(".0.0") and not says_anything(diagnostic)):
        words_of_server = f"{diagnostic}\n{explanation}"
        status = _more_telling(status, status_of(explanation))
    recipient = first_address(group.get("original-recipient", "")) or first_address(group.get("final-recipient", ""))
    stage = stage_of(f"{explanation}\n{diagnostic}")
    hardness = classify(_final(status, group), words_of_server, stage=stage)
    return Bounce(hardness, status, recipient, " ".join((diagnostic or explanation).split())[:500])


def _final(status: str, group: dict[str, str]) -> str:
    """`4.1.1` with `failed`: the sender was told the same for days and has given up."""
    given_up = status.startswith("4.1.") and group.get("action", "").lower().startswith("failed")
    return f"5{status[1:]}" if given_up else status


def _more_telling(stated: str, read: str) -> str:
    """The status the far server used beats the reporting server's own, which is often x.0.0 or a default."""
    if not stated or (read and not read.endswith(".0.0")):
        return read or stated
    return stated


def says_anything(text: str) -> bool:
    """Whether a server's words belong to a family we know."""
    return any(family.search(text) for family in words.FAMILIES)


def fields_of(text: str) -> dict[str, str]:
    """`Name: value` lines as {lower-case name: value}, the first of each; values on one line."""
    found: dict[str, str] = {}
    for name, value in _FIELD.findall(clean_text(text)[:20_000]):
        found.setdefault(name.lower(), " ".join(value.split())[:4_000])
    return found
