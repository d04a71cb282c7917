"""Validation credits: one for each domain that has to be asked for (Superkabe §7.2, decisions C14)."""

from datetime import datetime

from apikeys.models import Workspace
from apikeys.tiers import limit_of, note_use
from leads.models import ValidationCredits


def lock_credits(workspace: Workspace, *, now: datetime) -> ValidationCredits:
    """This month's row, ours until the transaction ends: two requests at once cannot spend the same credit."""
    month = now.date().replace(day=1)
    new = ValidationCredits(workspace=workspace, created_at=now, month=month)
    ValidationCredits.objects.bulk_create([new], ignore_conflicts=True)
    row = ValidationCredits.objects.select_for_update().get(workspace=workspace)
    if row.month != month:
        row.month, row.spent = month, 0
    return row


def take_credits(row: ValidationCredits, wanted: int, *, now: datetime) -> int:
    """How many of the wanted ones there are; they are spent."""
    limit = limit_of(row.workspace, "validation_credits")
    granted = wanted if limit is None else max(0, min(wanted, limit - row.spent))
    if granted:
        row.spent += granted
        row.save(update_fields=["month", "spent"])
    if granted and limit is not None:
        note_use(
            row.workspace, "validation_credits", before=row.spent - granted, after=row.spent, limit=limit, now=now,
            since=now.replace(day=1, hour=0, minute=0, second=0, microsecond=0),
        )  # fmt: skip
    return granted
