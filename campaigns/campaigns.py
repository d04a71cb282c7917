"""Campaigns in Superkabe's words: a draft with its own steps, leads and schedule. Once launched it is a run."""

from datetime import datetime

from django.db import transaction

from apikeys.models import Workspace
from campaigns.audience import Audience, enroll
from campaigns.models import Campaign, Sequence
from campaigns.sequences import create_sequence
from campaigns.services import (
    checked_schedule,
    create_campaign,
    launch,
    pause,
    refuse_unready,
    refuse_untrackable,
    sendable_mailboxes,
    stop,
)
from campaigns.states import TAKES_LEADS, WrongState
from campaigns.windows import waiting
from leads.models import Lead
from outbound.api.errors import ApiError
from sending.models import Lane

SCHEDULE_COLUMNS = {
    "schedule_timezone": "timezone",
    "schedule_start_time": "start_time",
    "schedule_end_time": "end_time",
    "schedule_days": "days",
    "daily_limit": "daily_limit",
    "send_gap_minutes": "send_gap_minutes",
    "day_hours": "day_hours",
    "send_in_lead_timezone": "send_in_lead_timezone",
    "skip_holidays": "skip_holidays",
}
EDITABLE = (Campaign.Status.DRAFT, Campaign.Status.PAUSED)


class CampaignIsActive(ApiError):
    """400 and not 409: the endpoint's own text in the contract says so (decisions C3)."""

    code = "campaign_active"
    message = "Cannot update an active campaign. Pause it first."


class NotInThisState(ApiError):
    code = "wrong_state"


@transaction.atomic
def draft_campaign(
    *, workspace: Workspace, name: str, steps: list[dict], leads: list[Lead] | None = None, mailboxes=None,
    schedule: dict | None = None, include_active_elsewhere: bool = False, track_opens: bool = False,
    track_clicks: bool = False, now: datetime,
) -> tuple[Campaign, Audience]:  # fmt: skip
    """A draft: steps, schedule, and leads through the health gate (red out, yellow paused, green active)."""
    sequence = create_sequence(workspace=workspace, name=_free_name(workspace, name), steps=steps, now=now)
    campaign = create_campaign(
        workspace=workspace, sequence=sequence, name=name, mailboxes=mailboxes or [], group=None,
        schedule=checked_schedule(schedule), track_opens=track_opens, track_clicks=track_clicks, now=now,
    )  # fmt: skip
    audience = Audience()
    if leads:
        audience = add_leads(campaign=campaign, leads=leads, include_active_elsewhere=include_active_elsewhere, now=now)
    return campaign, audience


def _free_name(workspace: Workspace, name: str) -> str:
    """Sequences have unique names, campaigns have not: "April outbound", "April outbound (2)"."""
    taken = {
        each.lower()
        for each in Sequence.objects.for_workspace(workspace)
        .filter(name__istartswith=name[:110])
        .values_list("name", flat=True)
    }
    options = [name, *(f"{name[:110]} ({number})" for number in range(2, len(taken) + 3))]
    return next(option for option in options if option.lower() not in taken)


@transaction.atomic
def add_leads(*, campaign: Campaign, leads: list[Lead], include_active_elsewhere: bool = False, now) -> Audience:
    """More leads for a campaign that has not ended; who is in it already is counted apart."""
    campaign = (
        Campaign.objects.select_for_update(of=("self",), no_key=True).select_related("workspace").get(pk=campaign.pk)
    )
    if campaign.status not in TAKES_LEADS:
        raise NotInThisState("This campaign has ended. Create another one for these leads.")
    chosen = Lead.objects.filter(pk__in=[lead.pk for lead in leads])
    return enroll(campaign, chosen, now=now, include_active_elsewhere=include_active_elsewhere)


@transaction.atomic
def update_campaign(*, campaign: Campaign, now: datetime, **fields) -> Campaign:
    """Name, schedule and tracking, in draft or paused only. The lane carries the same limits to the post office."""
    campaign = Campaign.objects.select_for_update(of=("self",)).select_related("workspace").get(pk=campaign.pk)
    if campaign.status == Campaign.Status.ACTIVE:
        raise CampaignIsActive()
    if campaign.status not in EDITABLE:
        raise NotInThisState("This campaign has ended and can no longer be changed.")
    for name, value in fields.items():
        setattr(campaign, name, value)
    checked_schedule({short: getattr(campaign, column) for column, short in SCHEDULE_COLUMNS.items()})
    campaign.updated_at = now
    campaign.save(update_fields=[*fields, "updated_at"])
    Lane.objects.filter(pk=campaign.lane_id).update(
        daily_limit=campaign.daily_limit,
        send_gap_seconds=campaign.send_gap_minutes * 60,
        timezone=campaign.schedule_timezone,
        track_opens=campaign.track_opens,
        track_clicks=campaign.track_clicks,
    )
    waiting(campaign.enrollments.all()).filter(due_at__gt=now).update(due_at=now)  # for another window, perhaps
    return campaign


def launch_campaign(*, campaign: Campaign, now: datetime) -> Campaign:
    """From draft or paused. What is missing is a 400 that names it, as the contract's text has it."""
    if campaign.status == Campaign.Status.ACTIVE:
        raise NotInThisState("This campaign is already active.")
    refuse_unready(campaign.workspace, campaign.sequence)
    refuse_untrackable(campaign.workspace, campaign.track_opens or campaign.track_clicks)
    if not campaign.enrollments.exists():
        raise ApiError("This campaign has no lead. Add leads before you launch it.")
    if not campaign.mailboxes.exists():
        sendable_mailboxes(campaign.workspace)
    try:
        return launch(campaign=campaign, now=now)
    except WrongState as error:
        raise NotInThisState(error.message.replace(" run", " campaign")) from None


def pause_campaign(*, campaign: Campaign, now: datetime) -> Campaign:
    try:
        return pause(campaign=campaign, now=now)
    except WrongState:
        raise NotInThisState("Only an active campaign can be paused.") from None


def archive_campaign(*, campaign: Campaign, now: datetime) -> Campaign:
    """Ended by hand, a draft included: sends nothing ever again. Doing it twice changes nothing."""
    return stop(campaign=campaign, now=now, verb="archive", reason="The campaign was archived.")
