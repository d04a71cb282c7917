"""Validation credits: one for each domain that has to be asked for (Superkabe §7.2, decisions C14)."""

from datetime import datetime

from django.conf import settings

from apikeys.models import Workspace
from leads.models import ValidationCredits


def credits_for(workspace: Workspace) -> int | None:
    """A month's credits by the workspace's tier; None = no limit, as everything is for those who host it themselves."""
    return settings.TIER_LIMITS.get(workspace.tier, {}).get("validation_credits")


def lock_credits(workspace: Workspace, *, now: datetime) -> ValidationCredits:
    """This month's row, ours until the transaction ends: two requests at once cannot spend the same credit."""
    month = now.date().replace(day=1)
    new = ValidationCredits(workspace=workspace, created_at=now, month=month)
    ValidationCredits.objects.bulk_create([new], ignore_conflicts=True)
    row = ValidationCredits.objects.select_for_update().get(workspace=workspace)
    if row.month != month:
        row.month, row.spent = month, 0
    return row


def take_credits(row: ValidationCredits, wanted: int) -> int:
    """How many of the wanted ones there are; they are spent."""
    limit = credits_for(row.workspace)
    granted = wanted if limit is None else max(0, min(wanted, limit - row.spent))
    if granted:
        row.spent += granted
        row.save(update_fields=["month", "spent"])
    return granted
