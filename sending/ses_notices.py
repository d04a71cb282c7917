"""Amazon SES says in JSON, mailed through SNS, what others say in a report. Pure.

Fields: https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html
"""

import json
from typing import Any

from sending.bounces import MAX_RECIPIENTS, Bounce, Hardness, Report, classify, status_of, worst_first
from sending.raw_mail import first_address


def read_notice(text: str) -> Report | None:
    """A notice of SES as a Report, or None for every other text."""
    if not text.lstrip().startswith("{") or '"notificationType"' not in text[:2_000]:
        return None
    try:
        notice, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return None
    kind = notice.get("notificationType")
    if kind == "Bounce":
        return Report("bounce", _bounces(_mapping(notice.get("bounce"))))
    return Report("complaint" if kind == "Complaint" else "ignored")


def _bounces(told: dict[str, Any]) -> tuple[Bounce, ...]:
    listed = told.get("bouncedRecipients")
    recipients = listed[:MAX_RECIPIENTS] if isinstance(listed, list) and listed else [{}]
    return worst_first([_bounce(told, _mapping(recipient)) for recipient in recipients])


def _bounce(told: dict[str, Any], recipient: dict[str, Any]) -> Bounce:
    words = str(recipient.get("diagnosticCode", ""))[:500]
    status = status_of(words) or str(recipient.get("status", ""))[:12]
    hardness: Hardness = classify(status, words)
    permanent = told.get("bounceType") == "Permanent" and told.get("bounceSubType") in ("General", "NoEmail")
    if hardness == "soft" and permanent:
        hardness = "hard"
    return Bounce(hardness, status, first_address(str(recipient.get("emailAddress", ""))), words)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
