"""What an SMTP reply means in our words. Pure.

Codes are those of RFC 5321 §4.2 and RFC 3463 (enhanced status codes).
"""

import re
import unicodedata

from sending.providers.base import Blame, Outcome, SendResult

LONGEST_HINT = 72 * 3600  # seconds; after that long a message expires anyway

ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})\b")
HINT = re.compile(
    r"\b(?:in|after|for|wait|least)\s+(?:\w{1,12}\s+){0,2}?"
    r"(\d{1,6})\s*(seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h)\b",
    re.I,
)
UNIT = {"s": 1, "m": 60, "h": 3600}
GREYLISTED = re.compile(r"gr[ea]y-?\s?list", re.I)
QUEUE_IDS = (
    re.compile(r"\bqueued as ([\w.-]{4,64})", re.I),  # Postfix, aiosmtpd, many others
    re.compile(r"\bid=([\w.-]{4,64})"),  # Exim
    re.compile(r"\bInternalId=(\d{4,32})"),  # Exchange, Microsoft 365
    re.compile(r"\bqueued \(([\w.-]{4,64})\)", re.I),  # Haraka
    re.compile(r"^2\.0\.0 OK\s+\d+ ([\w.-]{4,64}) - gsmtp"),  # Gmail
    re.compile(r"^2\.0\.0 (\w{8,24}) Message accepted", re.I),  # Sendmail
    re.compile(r"^Ok ([0-9a-f-]{20,80})$", re.I),  # Amazon SES
)

AUTH_FAILED = "auth_failed"
NO_SIGN_IN = (530, 534, 535, 538)  # RFC 4954 §6: at any step they speak of the sign-in


def result_of(step: str, code: int, text: str) -> SendResult:
    """The outcome of a reply to `step` (connect, ehlo, starttls, auth, mail, rcpt, data, dot).

    Trouble on the way to the door (before MAIL) concerns the connection and is never a message's last word: the
    settings may be mended within its 72 hours.
    """
    status = enhanced(text) or str(code)
    if step in ("connect", "ehlo", "starttls", "auth") or code in NO_SIGN_IN:
        name = AUTH_FAILED if code in NO_SIGN_IN or (step == "auth" and code >= 500) else status
        sentence = detail(step, code, text)
        return SendResult("try_later", code=name, detail=sentence, retry_after=hint(text), blame="connection")
    outcome = outcome_of(step, code)
    return SendResult(
        outcome,
        provider_id=queue_id(text) if outcome == "sent" else "",
        code=status,
        detail=text if outcome == "sent" else detail(step, code, text),
        retry_after=hint(text) if outcome == "try_later" else None,
        blame=blame(step, code, text) if outcome in ("try_later", "refused") else "",
    )


def outcome_of(step: str, code: int) -> Outcome:
    """2xx counts only after the dot; an answer that is none of the three leaves the fate unknown there."""
    if 400 <= code <= 499:
        return "try_later"
    if 500 <= code <= 599:
        return "refused"
    if step != "dot":
        return "try_later"  # an answer out of turn: nothing was accepted, and another server may know its lines
    return "sent" if 200 <= code <= 299 else "unknown"


def blame(step: str, code: int, text: str) -> Blame:
    """x.7.x is policy against the sender, except greylisting, which every stranger meets."""
    if code == 421:
        return "connection"
    status = enhanced(text)
    if step == "mail" or status[1:] in (".1.7", ".1.8"):  # bad sender's address (RFC 3463)
        return "sender"
    if status[1:].startswith(".7."):
        return "" if code < 500 and GREYLISTED.search(text) else "sender"
    if step == "rcpt" or status[1:].startswith((".1.", ".2.")):
        return "recipient"
    return ""


def enhanced(text: str) -> str:
    found = ENHANCED.match(text)
    return found[1] if found else ""


def hint(text: str) -> int | None:
    """Seconds to wait, where the server says so ("Greylisted, retry in 300 seconds"); 72 h at most."""
    found = HINT.search(text)
    return min(int(found[1]) * UNIT[found[2][0].lower()], LONGEST_HINT) if found else None


def queue_id(text: str) -> str:
    for pattern in QUEUE_IDS:
        if found := pattern.search(text):
            return found[1]
    return ""


def detail(step: str, code: int, text: str) -> str:
    return f"{step.upper()}: {code} {text}".strip()


def readable(raw: bytes) -> str:
    """A reply's text for the record: one line, no control characters, 500 characters at most."""
    text = " ".join(raw.decode("utf-8", "replace").split())
    return "".join(letter for letter in text if unicodedata.category(letter)[0] != "C")[:500]
