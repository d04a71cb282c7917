"""Rows that a Clay table posts, as leads: whatever its columns are called, the known ones are found (decisions §2)."""

import json

from apikeys.inbound import Unreadable, work_off
from apikeys.models import IngestedMessage
from apikeys.services import now_for
from leads.columns import apply_mapping, guess_mapping
from leads.importing import MAX_ROWS, Report, import_leads
from leads.models import Arrival
from outbound.bulk import insert_rows
from outbound.ids import uuid7

SOURCE = "clay"
CAMPAIGN = "campaignid"  # campaignId, campaign_id, Campaign ID
MAX_PROBLEMS = 100


def read_clay(*, stop=lambda: False) -> int:
    """Work off what Clay posted; how many messages."""
    return work_off(SOURCE, take_in, stop=stop)


def take_in(message: IngestedMessage, data) -> dict:
    """One object or a list of them into leads; what it brought. Known addresses are updated."""
    rows = data if isinstance(data, list) else [data]
    if not rows or len(rows) > MAX_ROWS or not all(isinstance(row, dict) for row in rows):
        raise Unreadable(f"Post an object with an email, or a list of at most {MAX_ROWS:,} of them.")
    workspace = message.connection.workspace
    now = now_for(workspace)
    read = [lead_of(row) for row in rows]
    report = import_leads(workspace=workspace, rows=[lead for lead, _ in read], now=now)
    wanted = [campaign for _, campaign in read]
    _keep_arrivals(workspace, report, wanted, now)
    return _outcome(report, wanted)


def lead_of(row: dict) -> tuple[dict, str | None]:
    """(lead input, campaign id or None). Aliases as the importer of files knows them; what is left becomes custom.

    A row without a persona gets its job title as one: rules that choose a campaign go by persona.
    """
    campaign = next((text_of(value) for name, value in row.items() if _bare(name) == CAMPAIGN), None)
    cells = {str(name): text_of(value) for name, value in row.items() if _bare(name) != CAMPAIGN}
    lead = apply_mapping(cells, guess_mapping(list(cells)))
    if lead.get("title"):
        lead.setdefault("persona", lead["title"])
    return {"source": SOURCE, **lead}, campaign or None


def text_of(value) -> str:
    """A cell as a table shows it: blank for null, JSON for what has parts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def _bare(name: str) -> str:
    return "".join(letter for letter in str(name).lower() if letter.isalnum())


def _keep_arrivals(workspace, report: Report, wanted: list[str | None], now) -> None:
    """For the floor above, which enrolls: who is new, and whoever is meant for a campaign."""
    insert_rows(
        Arrival,
        [
            {"id": uuid7(), "workspace_id": workspace.id, "created_at": now, "lead_id": result["id"], "source": SOURCE,
             "wanted": (campaign or "")[:64], "state": Arrival.State.WAITING, "reason": ""}
            for result, campaign in zip(report.results, wanted, strict=True)
            if result["id"] and (campaign or result["status"] == "created")
        ],
    )  # fmt: skip


def _outcome(report: Report, campaigns: list[str | None]) -> dict:
    """Counts, refused rows with the reason, and who was meant for which campaign."""
    rejected = [result for result in report.results if result["status"] == "rejected"]
    wanted: dict[str, list[str]] = {}
    for result, campaign in zip(report.results, campaigns, strict=True):
        if campaign and result["id"]:
            wanted.setdefault(campaign[:64], []).append(result["id"])
    problems = [{"email": result["email"], "reason": result["reason"]} for result in rejected[:MAX_PROBLEMS]]
    return {**report.counts(), "problems": problems, "campaigns": wanted}
