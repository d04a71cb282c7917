"""Bounces in prose: what a mailer-daemon wrote for people, read for who failed and why. Pure."""

import re
from itertools import pairwise

from sending import bounce_words as words
from sending.bounces import (
    MAX_RECIPIENTS,
    Bounce,
    Report,
    classify,
    groups_in,
    human_words,
    judge_groups,
    read_notification,
    says_anything,
    stage_of,
    status_of,
    worst_first,
)
from sending.raw_mail import Part, first_address

_NAMED = re.compile(
    r"(?:following|these) (?:address|recipient)|was addressed,|(?:deliver\w{0,3}|undeliverable|recipient|reach|sent|"
    r"send)(?: \w{1,10}){0,2} to\b",
    re.IGNORECASE,
)
# A line that begins with an address and goes on about it.
_ABOUT = re.compile(
    r"^[ \t*>-]{0,8}(?:\d{3} )?<?([^\s<>()\[\]:;,\"@]{1,64}@[^\s<>()\[\]:;,\"@]{1,253})>?\s?(?::|\.\.\.)", re.M
)


def read_daemon_text(root: Part, parts: list[Part]) -> Report | None:
    """A bounce in prose, recognised by who wrote it, its title and its words; None when it is not one."""
    explanation = human_words(parts)
    failed = first_address(root.header("x-failed-recipients"))
    if not failed and not _looks_like_bounce(root, explanation):
        return None
    if groups := _groups_in_text(root):
        return judge_groups(groups, explanation)
    bounces = _per_recipient(explanation, _own_addresses(root))
    if len(bounces) < 2:
        recipient = failed or _recipient_in(explanation, not_these=_own_addresses(root))
        bounces = [_bounce_of(explanation, recipient)]
        if not _tells_why(explanation) and (inner := _inner_report(parts, recipient)):
            return inner
    delayed = words.DELAYED.search(f"{root.header('subject')}\n{explanation}")
    return Report("delayed" if delayed else "bounce", worst_first(bounces))


def _bounce_of(said: str, recipient: str) -> Bounce:
    status = status_of(said)
    return Bounce(classify(status, said, stage=stage_of(said)), status, recipient, " ".join(said.split())[:500])


def _tells_why(said: str) -> bool:
    return says_anything(said) or bool(status_of(said))


def _per_recipient(explanation: str, not_these: set[str]) -> list[Bounce]:
    """One verdict for each address that has a paragraph of its own with a reason in it."""
    found = [match for match in _ABOUT.finditer(explanation) if match[1].lower() not in not_these][:MAX_RECIPIENTS]
    starts = [match.start() for match in found] + [len(explanation)]
    said = {
        match[1].lower(): explanation[start:end] for match, (start, end) in zip(found, pairwise(starts), strict=True)
    }
    return [_bounce_of(text, recipient) for recipient, text in said.items() if _tells_why(text)]


def _inner_report(parts: list[Part], recipient: str) -> Report | None:
    """Gateways wrap the report they got in one of their own that says nothing."""
    for enclosed in (child for part in parts if part.content_type == "message/rfc822" for child in part.children()):
        inner = list(enclosed.walk(into_messages=False))
        if report := read_notification(inner):
            return report
        said = human_words(inner)
        if words.BODY.search(said) and stage_of(said):
            return Report("bounce", (_bounce_of(said, recipient or _recipient_in(said, not_these=set())),))
    return None


def _groups_in_text(root: Part) -> list[dict[str, str]]:
    """Per-recipient fields that a broken report has lying about in its text."""
    texts = (part.text() for part in root.walk())
    return [group for text in texts if "inal-Recipient:" in text for group in groups_in(text) if "action" in group]


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
