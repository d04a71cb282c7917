"""What a workspace's tier allows: nothing is limited unless TIER_LIMITS says so (decisions §2).

At 80 % the log says so, at 100 % that resource pauses and nothing else does.
"""

from datetime import datetime

from django.conf import settings

from apikeys.events import record_event
from apikeys.models import Event, Workspace
from outbound.api.errors import ApiError

RESOURCES = {
    "leads": "leads",
    "domains": "sending domains",
    "mailboxes": "mailboxes",
    "monthly_sends": "mails a month",
    "validation_credits": "validation credits a month",
}
NEAR_PERCENT = 80
MARKS = ((NEAR_PERCENT, "limit.near"), (100, "limit.reached"))


class LimitReached(ApiError):
    status, code = 403, "limit_reached"

    def __init__(self, resource: str, limit: int):
        super().__init__(sentence(resource, limit), details={"resource": resource, "limit": limit})


def sentence(resource: str, limit: int) -> str:
    return f"The tier of this workspace allows {limit:,} {RESOURCES[resource]}, and they are used up."


def limit_of(workspace: Workspace, resource: str) -> int | None:
    """None: as many as wanted, as everything is for those who host it themselves."""
    return settings.TIER_LIMITS.get(workspace.tier, {}).get(resource)


def hold_limit(workspace: Workspace, resource: str) -> int | None:
    """The limit; where there is one, additions to the workspace come one after the other until the transaction ends."""
    limit = limit_of(workspace, resource)
    if limit is not None:
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    return limit


def add_one(workspace: Workspace, resource: str, rows, *, now: datetime) -> None:
    """Room for one row more of the queryset `rows`, or LimitReached. Call it in the transaction that adds the row."""
    limit = hold_limit(workspace, resource)
    if limit is None:
        return
    used = rows.count()
    if used >= limit:
        raise LimitReached(resource, limit)
    note_use(workspace, resource, before=used, after=used + 1, limit=limit, now=now)


def note_use(
    workspace: Workspace, resource: str, *, before: int, after: int, limit: int, now: datetime, since=None
) -> None:
    """Tell when a mark is passed; with `since`, once from that moment on. Call it under the lock that counts."""
    for percent, kind in MARKS:
        if before * 100 < limit * percent <= after * 100 and not _was_told(workspace, kind, resource, since):
            record_event(
                workspace=workspace, kind=kind, now=now, resource=resource, used=after, limit=limit,
                summary=f"{after:,} of {limit:,} {RESOURCES[resource]} are used"
                + (": no more until there is room" if percent == 100 else ""),
            )  # fmt: skip


def _was_told(workspace: Workspace, kind: str, resource: str, since) -> bool:
    told = Event.objects.for_workspace(workspace).filter(kind=kind, data__resource=resource)
    return since is not None and told.filter(created_at__gte=since).exists()
