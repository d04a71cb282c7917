"""The sandbox's recipients answer when their time has come, through the same handlers as real mail."""

import logging

from apikeys.models import Workspace
from apikeys.services import now_for
from sending.inbox import receive
from sending.models import SandboxDelivery
from sending.reactions import react, seed_of

logger = logging.getLogger(__name__)
BATCH = 200


def react_all() -> int:
    """Let every due recipient of every test workspace answer. Returns how many did."""
    waiting = SandboxDelivery.objects.filter(reacted=False, react_at__isnull=False).values("workspace_id")
    return sum(_safely(workspace) for workspace in Workspace.objects.filter(livemode=False, pk__in=waiting))


def let_answer(workspace: Workspace) -> None:
    """Everybody in one test workspace who was to answer by now. Before planning: its clock may have been turned by
    days, and an answer of the first day must not find the mail of the fourth sent."""
    while _safely(workspace) >= BATCH:
        pass


def _safely(workspace: Workspace) -> int:
    try:
        return _react(workspace)
    except Exception:  # noqa: BLE001  a sandbox's surprise must not keep anybody's mail from leaving
        logger.exception("The sandbox of workspace %s could not react", workspace.pk)
        return 0


def _react(workspace: Workspace) -> int:
    now = now_for(workspace)
    due = SandboxDelivery.objects.filter(workspace_id=workspace.pk, reacted=False, react_at__lte=now)
    deliveries = list(due.select_related("mailbox__workspace").order_by("react_at", "id")[:BATCH])
    for delivery in deliveries:
        raw = react(
            delivery.reaction, bytes(delivery.raw), at=delivery.react_at, seed=seed_of(workspace, bytes(delivery.raw))
        )
        receive(mailbox=delivery.mailbox, raw=raw, now=delivery.react_at)
        # After the mail is in: a death between the two lets it come again, and a Message-ID is taken in once.
        SandboxDelivery.objects.filter(pk=delivery.pk).update(reacted=True)
    return len(deliveries)
