"""tick(): who is owed a step, and may they have it. Run every minute and whenever something may have changed.

Any tick may be lost, doubled or late: what is due is a query, and every write is under a lock or a constraint.
"""

import logging
import random
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from apikeys.events import record_event
from apikeys.models import Workspace
from apikeys.services import now_for
from campaigns.collecting import BATCH, collect, with_news
from campaigns.models import Campaign, Enrollment
from campaigns.planning import plan
from campaigns.routing import BATCH as MOST_ROUTED
from campaigns.routing import route
from campaigns.states import WrongState, move
from leads.models import Arrival
from outbound.clock import real_now
from sending.services import let_answer

A = Campaign.Status
logger = logging.getLogger(__name__)


def tick(*, now: datetime | None = None, workspace: Workspace | None = None) -> set:
    """Once for the live workspaces together, and once for each test workspace on its own clock; or for one workspace.

    Returns the ids of the mailboxes that have something new to send.
    """
    if workspace is not None:
        return _tick_one(workspace, now or now_for(workspace))
    busy = _tick_for(Workspace.objects.filter(livemode=True).values("pk"), now or real_now())
    waiting = Arrival.objects.filter(state=Arrival.State.WAITING)
    busy_ones = Q(pk__in=_running().values("workspace_id")) | Q(pk__in=waiting.values("workspace_id")) | with_news()
    for each in Workspace.objects.filter(busy_ones, livemode=False):
        busy |= _tick_one(each, now_for(each))
    return busy


def _tick_one(workspace: Workspace, now: datetime) -> set:
    if not workspace.livemode:
        let_answer(workspace)
    return _tick_for([workspace.pk], now)


def _tick_for(workspaces, now: datetime) -> set:
    while collect(workspaces=workspaces, now=now) >= BATCH:
        pass  # only a backlog: while mail leaves there is always one more fact, and planning must have its turn
    while _route_safely(workspaces, now) >= MOST_ROUTED:
        pass
    busy: set = set()
    for campaign in _in_turn(_running().filter(workspace__in=workspaces, status=A.ACTIVE), now):
        busy |= _plan_safely(campaign, now)
    return busy


def _route_safely(workspaces, now: datetime) -> int:
    try:
        return route(workspaces=workspaces, now=now)
    except Exception:  # noqa: BLE001  who came in must not keep those under way from their mail
        logger.exception("Who came in could not be enrolled")
        return 0


def _plan_safely(campaign: Campaign, now: datetime) -> set:
    try:
        busy = plan(campaign, now=now)
        complete_if_done(campaign, now=now)
        return busy
    except Exception:  # noqa: BLE001  one campaign's surprise must not keep the others from sending
        logger.exception("Could not plan campaign %s", campaign.pk)
        return set()


def _running():
    return Campaign.objects.filter(engine=Campaign.Engine.NATIVE, status__in=[A.ACTIVE, A.PAUSED])


def _in_turn(campaigns, now: datetime) -> list[Campaign]:
    """Another order each time: campaigns that share a mailbox share its slots."""
    rows = list(campaigns.select_related("workspace", "lane", "sequence").order_by("id"))
    random.Random(int(now.timestamp())).shuffle(rows)
    return rows


def complete_if_done(campaign: Campaign, *, now: datetime) -> bool:
    """A campaign is complete when nobody is active, held or awaiting an unknown; paused ones do not block (C18).

    One that a routing rule feeds waits for more.
    """
    if campaign.rules.filter(enabled=True).exists():
        return False
    if campaign.enrollments.filter(status__in=Enrollment.WALKING).exists():
        return False
    with transaction.atomic():
        try:
            campaign = move(campaign, "complete", ended_at=now)
        except WrongState:
            return False  # paused or stopped a moment ago
        record_event(
            workspace=campaign.workspace, kind="campaign.completed", summary=f"{campaign.name} reached its end",
            now=now, campaign_id=campaign.id,
        )  # fmt: skip
    return True
