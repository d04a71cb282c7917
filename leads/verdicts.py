"""What we make of an address once the DNS has spoken (decisions §3). Pure.

Score 50, +20 MX, +15 not disposable, +15 proven not catch-all, −20 risky top-level domain; ≥ 80 valid, ≥ 50 risky, else
unknown. The short cuts are invalid: syntax 0, disposable 5, no MX 10.
"""

from dataclasses import dataclass

from leads.checks import email_domain, is_disposable, normalise_email
from leads.health import INVALID_UP_TO, RISKY_TLDS

VALID, RISKY, INVALID, UNKNOWN, PENDING = "valid", "risky", "invalid", "unknown", "pending"
STATUSES = (VALID, RISKY, INVALID, UNKNOWN)


@dataclass(frozen=True)
class Verdict:
    """status: valid, risky, invalid or unknown; score 0 to 100, None where nothing could be found out."""

    status: str
    score: int | None
    reason: str = ""


NO_CREDITS = Verdict(UNKNOWN, None, "No validation credits are left.")


def verdict_of(email: str, fact) -> Verdict:
    """`fact` has outcome (mx, address, none, unknown), detail and is_catch_all: a DomainFact or a Finding."""
    try:
        normalise_email(email)
    except ValueError as error:
        return Verdict(INVALID, 0, str(error)[:200])
    if fact.outcome == "none":
        return Verdict(INVALID, 10, fact.detail)
    if is_disposable(email_domain(email)):  # known for sure, even where the DNS is silent
        return Verdict(INVALID, 5, "The address is disposable.")
    if fact.outcome == "unknown":
        return Verdict(UNKNOWN, None, fact.detail)
    return _scored(email, fact)


def _scored(email: str, fact) -> Verdict:
    parts = [
        # An address in place of an MX is no clear no, and earns nothing.
        (20 if fact.outcome == "mx" else 0, "" if fact.outcome == "mx" else fact.detail),
        (15, ""),
        (15 if fact.is_catch_all is False else 0, "The domain accepts every address." if fact.is_catch_all else ""),
        (-20, "The top-level domain is risky.") if email.rpartition(".")[2] in RISKY_TLDS else (0, ""),
    ]
    score = 50 + sum(points for points, _ in parts)
    status = VALID if score >= 80 else RISKY if score >= 50 else UNKNOWN
    return Verdict(status, score, " ".join(why for _, why in parts if why))


def corrected(verdict: Verdict, said: Verdict | None) -> Verdict:
    """A third party's verdict over ours, where it has one; an invalid one stays among the invalid scores."""
    if said is None or said.status not in STATUSES:
        return verdict
    score = None if said.score is None else max(0, min(100, said.score))
    if said.status == INVALID:
        score = min(score or 0, INVALID_UP_TO)
    return Verdict(said.status, score, said.reason[:200])
