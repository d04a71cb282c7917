"""Resend's HTTP API: who we are, what its answers mean, which domains may send.

Follows https://resend.com/docs/api-reference/errors, …/rate-limit and …/domains/list-domains (OpenAPI 1.5.0). Answers
are strangers' bytes: at most 64 KB are read, redirects are not followed, and only what is documented decides anything.
"""

import hashlib
import json
import logging
from typing import NamedTuple

from django.conf import settings

from apikeys.throttling import seconds_until_turn
from outbound import http
from sending.providers.base import SendResult
from sending.providers.smtp_replies import LONGEST_HINT

logger = logging.getLogger(__name__)

CHECK_SECONDS = 15.0
ANSWER_SECONDS = 60.0
QUOTA_PAUSE = 3600  # a day's or a month's quota is used up: no hint says when it is full again

# Their name of an error → (outcome, our code, whose problem it is). https://resend.com/docs/api-reference/errors
ERRORS: dict[str, tuple[str, str, str]] = {
    "missing_api_key": ("try_later", "auth_failed", "connection"),
    "restricted_api_key": ("try_later", "auth_failed", "connection"),
    "invalid_api_key": ("try_later", "auth_failed", "connection"),
    "rate_limit_exceeded": ("try_later", "rate_limited", ""),
    "daily_quota_exceeded": ("try_later", "quota_exceeded", "connection"),
    "monthly_quota_exceeded": ("try_later", "quota_exceeded", "connection"),
    # Our key is known there with another request, or one under it is being worked on: something of ours may be out.
    "invalid_idempotent_request": ("unknown", "invalid_idempotent_request", ""),
    "concurrent_idempotent_requests": ("unknown", "concurrent_idempotent_requests", ""),
    "security_error": ("refused", "security_error", "sender"),
}
# For names that are not in the table.
STATUSES: dict[int, tuple[str, str, str]] = {
    401: ("try_later", "auth_failed", "connection"),
    403: ("try_later", "domain_refused", "connection"),  # validation_error: the domain of `from` is not verified
    404: ("try_later", "bad_answer", "connection"),
    405: ("try_later", "bad_answer", "connection"),
    408: ("unknown", "timeout", ""),
    409: ("unknown", "conflict", ""),
    429: ("try_later", "rate_limited", ""),
}
UNVERIFIED = "Resend knows the key, but {domain} is not verified there. Verified: {verified}."
WRONG_KEY = "Resend does not take this API key, or could not be reached. Check the key in Resend's dashboard."
SENDS_ONLY = "Resend takes the API key. It may only send, so whether {domain} is verified shows with the first mail."
WORKS = "Resend takes the API key, and {domain} may send."


class VendorDomain(NamedTuple):
    name: str
    status: str
    sends: bool


def headers(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}", "accept": "application/json"}


def fingerprint(key: str) -> str:
    """Which key it was, without telling the key."""
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def seconds_to_wait(key: str) -> float:
    """0, and a request of this key is taken; else how long to wait."""
    return seconds_until_turn(f"resend:{fingerprint(key)}", per_second=settings.RESEND_REQUESTS_PER_SECOND)


def answer_within() -> float:
    """Seconds; as for SMTP's dot, less than the time after which a commit without an answer is parked."""
    return min(ANSWER_SECONDS, settings.SMTP_DOT_TIMEOUT_SECONDS)


def result_of(answer: http.Answer) -> SendResult:
    """What became of the mail, from the answer to its POST. Only what is documented counts as a yes or a no."""
    said = _json(answer)
    if answer.status == 200 and not answer.error:
        mail_id = said.get("id")
        if isinstance(mail_id, str) and 0 < len(mail_id) <= 255:
            return SendResult("sent", provider_id=mail_id, detail=f"Resend took it as {mail_id}.")
        return SendResult("unknown", code="bad_answer", detail="Resend answered 200 without saying which mail it took.")
    if not 400 <= answer.status < 500:
        detail = f"{answer.status} {answer.error}".strip() if answer.status else answer.error
        return SendResult("unknown", code=answer.error or str(answer.status), detail=f"No clear answer: {detail}.")
    return _refusal(answer, said)


def _refusal(answer: http.Answer, said: dict) -> SendResult:
    name = str(said.get("name") or "")[:60]
    usual = STATUSES.get(answer.status, ("refused", name or str(answer.status), ""))
    outcome, code, blame = ERRORS.get(name, usual)
    sentence = " ".join(str(said.get("message") or "").split())[:300]
    wait = None
    if outcome == "try_later" and answer.status == 429:
        wait = QUOTA_PAUSE if code == "quota_exceeded" else _retry_after(answer)
    detail = f"{answer.status} {name} {sentence}".strip()
    return SendResult(outcome, code=code, detail=detail, retry_after=wait, blame=blame)  # type: ignore[arg-type]


def _retry_after(answer: http.Answer) -> int:
    hint = dict(answer.headers).get("retry-after", "")
    return min(max(1, int(hint)), LONGEST_HINT) if hint.isascii() and hint.isdigit() else 1


def no_connection(word: str) -> SendResult:
    """Nothing was asked, whatever it was."""
    code = {"refused": "address_refused", "tls": "tls_failed", "connect": "connection_lost"}.get(word, word)
    return SendResult("try_later", code=code, detail=f"Resend could not be reached: {word}.", blame="connection")


def check(*, key: str, domain: str) -> tuple[bool, str]:
    answer = http.request("GET", f"{settings.RESEND_BASE_URL}/domains?limit=100", headers=headers(key), timeout=15)
    if answer.status == 401 and _json(answer).get("name") == "restricted_api_key":
        return True, SENDS_ONLY.format(domain=domain)
    if not answer.ok or answer.error:
        logger.info("Resend did not list its domains: %s %s", answer.status, answer.error)
        return False, WRONG_KEY
    domains = domains_in(answer)
    if any(each.sends and each.name == domain for each in domains):
        return True, WORKS.format(domain=domain)
    verified = ", ".join(sorted(each.name for each in domains if each.sends)[:20]) or "none"
    return False, UNVERIFIED.format(domain=domain, verified=verified)


def domains_in(answer: http.Answer) -> list[VendorDomain]:
    """The domains of a list; what has another form is left out. Sending may be switched off for a verified one."""
    rows = _json(answer).get("data")
    found = []
    for row in rows if isinstance(rows, list) else []:
        if isinstance(row, dict) and isinstance(row.get("name"), str):
            may = row.get("capabilities") if isinstance(row.get("capabilities"), dict) else {}
            sends = row.get("status") == "verified" and may.get("sending", "enabled") == "enabled"
            found.append(VendorDomain(row["name"].lower()[:253], str(row.get("status"))[:30], sends))
    return found


def _json(answer: http.Answer) -> dict:
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
