"""What holds a mail, as a page of the admin shows it: one row a guard."""

from datetime import datetime

from campaigns.explaining import Explained
from outbound.admin_display import AMBER, GREEN, RED, badge, local_time
from sending.queries import Finding

NAMES = {
    "campaign": "The run", "enrollment": "The lead's walk", "step": "The step is due", "lead": "The lead is there",
    "answer": "No answer yet", "suppression": "Not suppressed", "health": "Health of the lead",
    "validation": "The address is validated",
    "rest": "The lead is not resting", "variables": "Variables and copy", "mailbox": "The mailbox",
    "domain": "The domain of the mailbox", "receiver": "The receiver is not held",
    "window": "The window", "mailbox_day": "The mailbox's day", "gap": "The gap", "campaign_day": "The run's day",
    "recovering_domain_day": "The domain's recovery", "recovering_workspace_day": "The workspace's recovery",
    "domain_day": "The domain's day", "receiver_day": "The receiver's day", "workspace_day": "The workspace's day",
    "footer": "Postal address and opt-out",
}  # fmt: skip


def shown(told: Explained, zone: str) -> dict:
    """{"next_at", "reason", "mailbox", "rows"}, moments in `zone`."""
    return {
        "next_at": local_time(told.next_at, zone) if told.next_at else "",
        "reason": told.reason,
        "mailbox": told.mailbox,
        "rows": [_row(each, told.binding, zone) for each in told.findings],
    }


def _row(finding: Finding, binding: str, zone: str) -> dict:
    held = finding.held
    said = {name: each for name, each in finding.numbers.items() if each not in (None, False, "", [], {})}
    return {
        "name": NAMES.get(finding.guard, finding.guard.replace("_", " ").capitalize()),
        "badge": _badge(finding, binding),
        "reason": held.reason if held else "",
        "until": local_time(held.ends_at, zone) if held and held.ends_at else "",
        "numbers": " · ".join(_number(name, each, zone) for name, each in said.items()),
    }


def _badge(finding: Finding, binding: str) -> str:
    if finding.held is None:
        return badge("passes", GREEN)
    return badge("binds", RED) if finding.guard == binding else badge("holds", AMBER)


def _number(name: str, value, zone: str) -> str:
    if isinstance(value, datetime):
        value = local_time(value, zone)
    if isinstance(value, float):
        value = f"{value:g}"
    if isinstance(value, dict):
        value = ", ".join(f"{key} {each}" for key, each in value.items())
    if isinstance(value, list | tuple):
        value = ", ".join(map(str, value))
    return f"{name.replace('_', ' ')} {value}"
