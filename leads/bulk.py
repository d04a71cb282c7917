"""Bulk import of API rows (Superkabe §7.2): the one importer; a row that the database refuses takes no other down."""

from datetime import datetime

from django.db import DataError, IntegrityError, transaction

from apikeys.models import Workspace
from leads.importing import MAX_ROWS, import_leads, refuse_if_full
from outbound.api.errors import Invalid

REFUSED = "The database refused this row."


def import_apart(*, workspace: Workspace, rows: list, now: datetime) -> list[dict]:
    """One {email, id, status, reason} per row in order; status created, duplicate, rejected or error.

    Known addresses are skipped and show their lead's id, as do those that come twice (decisions C6). Raises Invalid
    for more than 5,000 rows, LimitReached when the tier has no room for any.
    """
    if len(rows) > MAX_ROWS:
        raise Invalid.field("leads", f"At most {MAX_ROWS} leads at once; you sent {len(rows)}. Send them in parts.")
    results = _import(workspace, rows, now)
    refuse_if_full(workspace, results)
    ids = {row["email"]: row["id"] for row in results if row["id"]}
    for row in results:
        if row["status"] == "duplicate" and row["id"] is None:
            row["id"] = ids.get(row["email"])
    return results


def _import(workspace: Workspace, rows: list, now: datetime) -> list[dict]:
    """All at once; where the database refuses, by halves, so that 5,000 rows with one bad one cost 13 tries more."""
    try:
        with transaction.atomic():
            return import_leads(workspace=workspace, rows=rows, now=now, on_duplicate="skip").results
    except (DataError, IntegrityError):
        if len(rows) == 1:
            return [{"email": rows[0]["email"], "id": None, "status": "error", "reason": REFUSED}]
    middle = len(rows) // 2
    return _import(workspace, rows[:middle], now) + _import(workspace, rows[middle:], now)
