"""What can be done with campaigns and runs. Sequences: sequences.py. The planner: runner.py. Numbers: reports.py."""

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from apikeys.events import record_event
from apikeys.models import Workspace
from campaigns.audience import Audience, enroll, enroll_in
from campaigns.composing import missing_footer
from campaigns.models import Campaign, Enrollment, Sequence
from campaigns.runner import tick
from campaigns.schedule import Schedule
from campaigns.sequences import create_sequence, current_steps, delete_sequence, update_sequence, warnings_for
from campaigns.states import move
from leads.models import Group, Lead
from outbound.api.errors import Invalid
from sending.limits import MAY_SEND
from sending.models import Lane, Mailbox
from sending.services import close_lane, open_lane, sandbox_mailbox, shut_lane, tracking_url, wait_until_quiet

__all__ = [
    "Plan", "create_sequence", "delete_sequence", "pause", "plan_run", "resume", "settle_pause", "start_run", "stop",
    "tick", "update_sequence",
]  # fmt: skip

SCHEDULE_DEFAULTS = {
    "timezone": "UTC",
    "start_time": "09:00",
    "end_time": "17:00",
    "days": ["mon", "tue", "wed", "thu", "fri"],
    "daily_limit": 50,
    "send_gap_minutes": 17,
    "day_hours": {},
    "send_in_lead_timezone": False,
    "skip_holidays": False,
}


@dataclass
class Plan:
    """What a run would be: shown by a dry run, carried out by start_run."""

    workspace: Workspace
    sequence: Sequence
    mailboxes: list[Mailbox]
    group: Group | None
    schedule: dict
    audience: Audience
    warnings: list[str] = field(default_factory=list)


def plan_run(
    *, workspace: Workspace, sequence: Sequence, sender_email: str = "", group: Group | None = None,
    schedule: dict | None = None, include_active_elsewhere: bool = False, track_opens: bool = False,
    track_clicks: bool = False, now: datetime,
) -> Plan:  # fmt: skip
    """What start_run with the same arguments would do, without doing it: the same checks, errors and counts."""
    steps = refuse_unready(workspace, sequence)
    refuse_untrackable(workspace, track_opens or track_clicks)
    mailboxes = _senders(workspace, sender_email, now, dry_run=True)
    audience = enroll_in(
        workspace, None, audience_of(workspace, group), now=now, include_active_elsewhere=include_active_elsewhere,
        dry_run=True,
    )  # fmt: skip
    return Plan(
        workspace, sequence, mailboxes, group, checked_schedule(schedule), audience, warnings_for(sequence, steps)
    )


@transaction.atomic
def start_run(
    *, workspace: Workspace, sequence: Sequence, sender_email: str = "", group: Group | None = None,
    schedule: dict | None = None, name: str = "", include_active_elsewhere: bool = False, track_opens: bool = False,
    track_clicks: bool = False, now: datetime,
) -> Campaign:  # fmt: skip
    """Send a sequence to a group, or to every lead: create the campaign, enroll, launch, in one transaction.

    `schedule`: timezone, start_time, end_time, days, day_hours, daily_limit, send_gap_minutes, send_in_lead_timezone,
    skip_holidays; what is absent takes the defaults (Mon–Fri 09:00–17:00 UTC, 50 a day, 17 minutes apart). Invalid
    (400) says what is missing.
    """
    refuse_unready(workspace, sequence)
    refuse_untrackable(workspace, track_opens or track_clicks)
    mailboxes = _senders(workspace, sender_email, now)
    campaign = create_campaign(
        workspace=workspace, sequence=sequence, 
        name=name or f"{sequence.name} to {group.name if group else 'everyone'}",
        mailboxes=mailboxes if sender_email else [], group=group, schedule=checked_schedule(schedule),
        track_opens=track_opens, track_clicks=track_clicks, now=now,
    )  # fmt: skip
    audience = enroll(
        campaign, audience_of(workspace, group), now=now, include_active_elsewhere=include_active_elsewhere
    )
    return launch(campaign=campaign, now=now, audience=audience)


def create_campaign(
    *, workspace, sequence, name, mailboxes, group, schedule: dict, track_opens: bool = False,
    track_clicks: bool = False, now,
) -> Campaign:  # fmt: skip
    """A draft with its own lane, nobody enrolled yet. `schedule` as checked_schedule returns it."""
    lane = Lane.objects.create(
        workspace=workspace, created_at=now, daily_limit=schedule["daily_limit"],
        send_gap_seconds=schedule["send_gap_minutes"] * 60, timezone=schedule["timezone"],
        track_opens=track_opens, track_clicks=track_clicks,
    )  # fmt: skip
    campaign = Campaign.objects.create(
        workspace=workspace, created_at=now, updated_at=now, name=name[:120], sequence=sequence, lane=lane, group=group,
        schedule_timezone=schedule["timezone"], schedule_start_time=schedule["start_time"],
        schedule_end_time=schedule["end_time"], schedule_days=schedule["days"], daily_limit=schedule["daily_limit"],
        send_gap_minutes=schedule["send_gap_minutes"], day_hours=schedule["day_hours"],
        send_in_lead_timezone=schedule["send_in_lead_timezone"], skip_holidays=schedule["skip_holidays"],
        track_opens=track_opens, track_clicks=track_clicks,
    )  # fmt: skip
    Lane.objects.filter(pk=lane.pk).update(reference={"campaign_id": str(campaign.id)})
    campaign.mailboxes.set(mailboxes)
    return campaign


def audience_of(workspace: Workspace, group: Group | None):
    leads = Lead.objects.for_workspace(workspace)
    return leads.in_group(group) if group else leads


def refuse_unready(workspace: Workspace, sequence: Sequence) -> list:
    """Preflight that needs no lead: steps, and for a live workspace the address and the links of the footer (§6)."""
    steps = current_steps(sequence)
    if not steps:
        raise Invalid.field("sequence_id", "This sequence has no step yet.")
    if missing := missing_footer(workspace):
        raise Invalid(
            f"Before a live launch the workspace needs {' and '.join(missing)}.", details={"workspace": missing}
        )
    return steps


def refuse_untrackable(workspace: Workspace, tracked: bool) -> None:
    if tracked and not tracking_url(workspace):
        raise Invalid(
            "Before a live launch with tracking the workspace needs an https tracking_url, or an https public URL.",
            details={"workspace": ["tracking_url"]},
        )


def _senders(workspace: Workspace, sender_email: str, now, *, dry_run: bool = False) -> list[Mailbox]:
    """The mailbox that is named, or every one that may send (C15). Unknown → 400 that lists them."""
    if not sender_email:
        return sendable_mailboxes(workspace)
    known = list(Mailbox.objects.for_workspace(workspace).order_by("email"))
    found = [mailbox for mailbox in known if mailbox.email == sender_email.strip().lower()]
    if not found and not workspace.livemode:
        if dry_run:
            return [Mailbox(workspace=workspace, email=sender_email.strip().lower(), provider="sandbox")]
        return [sandbox_mailbox(workspace=workspace, email=sender_email, now=now)]
    if not found:
        emails = ", ".join(mailbox.email for mailbox in known[:20]) or "none is connected yet"
        raise Invalid.field("sender_email", f"{sender_email} is not a mailbox of this workspace. Senders: {emails}.")
    return found


def sendable_mailboxes(workspace: Workspace) -> list[Mailbox]:
    """Every mailbox that may send; without one an Invalid (400), as nothing could leave (C15)."""
    usable = list(Mailbox.objects.for_workspace(workspace).filter(phase__in=MAY_SEND).order_by("email"))
    if not usable:
        raise Invalid.field("sender_email", "No mailbox may send. Connect one, or resume one that is paused.")
    return usable


def checked_schedule(given: dict | None) -> dict:
    """The schedule with its defaults; a window that never opens, an unknown zone or day is an Invalid (400)."""
    schedule = {**SCHEDULE_DEFAULTS, **(given or {})}
    try:
        Schedule(*(schedule[name] for name in ("timezone", "start_time", "end_time", "days", "day_hours")))
    except ValueError as error:
        raise Invalid.field("schedule", str(error)) from None
    return schedule


@transaction.atomic
def launch(*, campaign: Campaign, now: datetime, audience: Audience | None = None) -> Campaign:
    campaign = move(campaign, "launch", launched_at=now, status_reason="")
    open_lane(campaign.lane_id)
    counts = (
        {"enrolled": audience.enrolled, "blocked": audience.blocked, "excluded": audience.excluded} if audience else {}
    )
    _log(campaign, "campaign.launched", f"{campaign.name} was launched", now, **counts)
    return campaign


@transaction.atomic
def pause(*, campaign: Campaign, now: datetime) -> Campaign:
    """Nothing is committed after this returns; call settle_pause() outside the transaction before saying so."""
    campaign = move(campaign, "pause")
    shut_lane(campaign.lane_id)
    _log(campaign, "campaign.paused", f"{campaign.name} was paused", now)
    return campaign


def settle_pause(campaign: Campaign) -> int:
    """Wait until no mail of the campaign can still leave (6 s at most). Returns those whose answer is awaited."""
    return wait_until_quiet(campaign.lane_id)


@transaction.atomic
def resume(*, campaign: Campaign, now: datetime) -> Campaign:
    campaign = move(campaign, "resume", status_reason="")
    open_lane(campaign.lane_id)
    _log(campaign, "campaign.resumed", f"{campaign.name} goes on", now)
    return campaign


@transaction.atomic
def stop(*, campaign: Campaign, now: datetime, verb: str = "stop", reason: str = "The run was stopped.") -> Campaign:
    """For ever. Stopping a stopped run again changes nothing (C20). `verb` archive ends a draft or an ended one too."""
    if campaign.status == Campaign.Status.ARCHIVED:
        return campaign
    campaign = move(campaign, verb, ended_at=now)
    close_lane(campaign.lane_id, now=now)
    walking = campaign.enrollments.filter(status__in=[*Enrollment.WALKING, Enrollment.Status.PAUSED])
    # In the order in which the collector locks them.
    list(walking.select_for_update(no_key=True).order_by("id").values_list("pk"))
    walking.update(status=Enrollment.Status.STOPPED, reason=reason, due_at=None)
    _log(campaign, "campaign.stopped", f"{campaign.name} gets no further mail: {reason}", now)
    return campaign


def _log(campaign: Campaign, kind: str, summary: str, now: datetime, **data) -> None:
    record_event(workspace=campaign.workspace, kind=kind, summary=summary, now=now, campaign_id=campaign.id, **data)
