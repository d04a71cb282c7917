"""Campaigns in Superkabe's words, and answers to those who replied. A campaign launched here is a run, same id."""

import hashlib
import json
import math

from django.db.models import Sum
from rest_framework import serializers

from campaigns import campaign_serializers as c
from campaigns import campaign_views as views
from campaigns import queries, services
from campaigns import views as runs
from campaigns.explain_serializers import LeadExplainedOutput, RunExplainedOutput
from campaigns.models import Campaign, Enrollment
from campaigns.serializers import StepOutput
from mcp.confirm import Preview
from mcp.fields import KnownField, LeadField
from mcp.pages import limit_field
from mcp.registry import tool
from mcp.tools.runs import POLL_AFTER, RUN, AdviceOutput, is_large
from outbound.api.errors import Invalid
from outbound.api.serializers import Input
from sending.models import Thread
from sending.serializers import ReplyInput, ReplyOutput
from sending.views import reply_now
from sending.views import send_reply as answer

CAMPAIGN = {
    "campaign_id": KnownField(
        Campaign.objects.filter(engine=Campaign.Engine.NATIVE).select_related("workspace", "sequence__workspace"),
        what="campaign",
        listed_by="list_campaigns",
    )
}
SAMPLES = 3


class RepliesInput(Input):
    limit = limit_field()


class RepliesOutput(c.CampaignRepliesOutput):
    next = serializers.CharField()


class ReplyToolInput(ReplyInput):
    thread_id = KnownField(
        Thread.objects.select_related("mailbox__workspace", "workspace"),
        what="thread",
        listed_by="get_campaign_replies",
        help_text="Id of the thread to answer on.",
    )


class LaunchedOutput(c.CampaignLaunchedOutput, AdviceOutput):
    """What a launch answers: enough to go on with."""


@tool(
    input=c.CampaignInput,
    output=c.CampaignCreatedOutput,
    scope="campaigns:write",
    title="Create a campaign",
    toolset="campaigns",
)
def create_campaign(caller, **data):
    """Create a draft with its own steps, schedule and leads. Nothing is sent before launch_campaign.

    Leads pass the health gate: red ones are left out, yellow ones wait for review. Read the warnings in the answer."""
    return views.draft(caller.workspace, **data)


@tool(
    on=CAMPAIGN,
    output=c.CampaignDetailOutput,
    scope="campaigns:read",
    title="Get a campaign",
    third_party=True,
    read_only=True,
    toolset="campaigns",
)
def get_campaign(caller, *, campaign_id):
    """One campaign with its schedule, steps, variants and first 100 leads."""
    return views.show_detail(campaign_id, with_leads=caller.may("leads:read"))


@tool(
    input=c.CampaignPatch,
    on=CAMPAIGN,
    output=c.CampaignOutput,
    scope="campaigns:write",
    title="Update a campaign",
    destructive=True,
    idempotent=True,
    toolset="campaigns",
)
def update_campaign(caller, *, campaign_id, **fields):
    """Change the name or schedule of a draft or paused campaign. Absent fields stay."""
    return views.show_campaign(views.change(campaign_id, **fields))


def launch_of(caller, *, campaign_id):
    views.rehearse(campaign_id)
    steps = services.current_steps(campaign_id.sequence)
    walking = campaign_id.enrollments.filter(status__in=Enrollment.WALKING)
    chosen = list(campaign_id.mailboxes.all()) or services.sendable_mailboxes(caller.workspace)
    senders = sorted(mailbox.email for mailbox in chosen)
    leads, gone = walking.count(), walking.aggregate(steps=Sum("position"))["steps"] or 0
    return Preview(
        would=f"Send {campaign_id.name} ({len(steps)} steps) to {leads} leads from {', '.join(senders[:5])}.",
        counts={
            "enrolled": leads,
            "paused": campaign_id.enrollments.filter(status=Enrollment.Status.PAUSED).count(),
            "steps": len(steps),
            "senders": len(senders),
        },
        size=leads,
        sample=_sample(campaign_id, walking),
        estimate={
            "mails_at_most": max(0, leads * len(steps) - gone),
            "sending_days_at_least": math.ceil(leads / campaign_id.daily_limit),
        },
        facts=[_audience(walking), _copy(steps), senders, _schedule(campaign_id)],
    )


def _sample(campaign: Campaign, walking) -> list[dict]:
    shown = []
    for enrollment in walking.exclude(lead=None).select_related("lead").order_by("created_at", "id")[:SAMPLES]:
        mail = queries.preview(sequence=campaign.sequence, lead=enrollment.lead)
        shown.append(
            {
                "lead": enrollment.lead.email,
                "subject": mail["subject"],
                "text": mail["text"][:500],
                "holds": mail["holds"],
            }
        )
    return shown


def _audience(walking) -> str:
    """A hash of who is meant and how far each is: one lead exchanged for another is another audience."""
    digest = hashlib.sha256()
    for lead_id, position in walking.order_by("id").values_list("lead_id", "position").iterator():
        digest.update(f"{lead_id} {position}\n".encode())
    return digest.hexdigest()


def _copy(steps) -> str:
    return json.dumps(StepOutput(steps, many=True).data, sort_keys=True, default=str)


def _schedule(campaign: Campaign) -> dict:
    return {name: getattr(campaign, name) for name in c.CampaignPatch().fields}


@tool(
    on=CAMPAIGN,
    output=LaunchedOutput,
    scope="campaigns:write",
    title="Launch a campaign",
    third_party=True,
    destructive=True,
    open_world=True,
    preview=launch_of,
    needs_token=is_large,
    toolset="campaigns",
)
def launch_campaign(caller, *, campaign_id):
    """Start a draft, or go on with a paused campaign. Mails leave in the background.

    Use dry_run first and show a person what it says. Then poll get_campaign_report."""
    return {
        **views.launch(campaign_id),
        "next": "Mails are going out. Poll get_campaign_report; stop them with pause_campaign.",
        "poll_with": "get_campaign_report",
        "poll_after_seconds": POLL_AFTER,
    }


@tool(
    on=CAMPAIGN,
    output=c.CampaignOutput,
    scope="campaigns:write",
    title="Pause a campaign",
    toolset="campaigns",
)
def pause_campaign(caller, *, campaign_id):
    """Pause an active campaign. Once it is answered no further mail of it leaves; launch_campaign goes on with it."""
    return views.pause(campaign_id)


@tool(
    input=c.CampaignLeadsInput,
    on=CAMPAIGN,
    output=c.CampaignCreatedOutput,
    scope="campaigns:write",
    title="Add leads to a campaign",
    idempotent=True,
    open_world=True,
    toolset="campaigns",
)
def add_campaign_leads(caller, *, campaign_id, **data):
    """Enroll more leads, through the health gate; who is in it already is not enrolled twice.

    In an active campaign they are written to at once, within its schedule."""
    return views.add_leads(campaign_id, **data)


@tool(
    on=CAMPAIGN,
    output=c.CampaignOutput,
    scope="campaigns:write",
    title="Archive a campaign",
    destructive=True,
    idempotent=True,
    toolset="campaigns",
)
def archive_campaign(caller, *, campaign_id):
    """End a campaign for good. Once it is answered no further mail of it leaves."""
    return views.archive(campaign_id)


@tool(
    on=CAMPAIGN,
    output=c.ReportOutput,
    scope="reports:read",
    title="Get a campaign's report",
    read_only=True,
    toolset="campaigns",
)
def get_campaign_report(caller, *, campaign_id):
    """Leads by status, mails sent, threads with a reply and the share of replies."""
    return views.report(campaign_id)


@tool(
    input=RepliesInput,
    on=CAMPAIGN,
    output=RepliesOutput,
    scope="replies:read",
    title="Get a campaign's replies",
    third_party=True,
    read_only=True,
    toolset="campaigns",
)
def get_campaign_replies(caller, *, campaign_id, limit):
    """The most recently answered threads, each with its newest reply. Answer on one with send_reply."""
    found = queries.replies(campaign_id, limit=limit)
    shown, total = len(found["replies"]), found["total_replies"]
    more = f"These are the newest {shown} of {total}. A higher limit, 100 at most, shows more."
    return {**RepliesOutput(found | {"next": more if shown < total else "That is all."}).data}


@tool(
    on=RUN,
    output=RunExplainedOutput,
    scope="campaigns:read",
    title="Explain a run",
    third_party=True,
    read_only=True,
    toolset="campaigns",
)
def explain_run(caller, *, run_id):
    """Why a run's next mail leaves when it does: every guard with its numbers, the one that binds, each mailbox."""
    return runs.explain_run(run_id)


@tool(
    on=RUN | {"lead_id": LeadField()},
    output=LeadExplainedOutput,
    scope="campaigns:read",
    title="Explain a lead",
    third_party=True,
    read_only=True,
    toolset="campaigns",
)
def explain_lead(caller, *, run_id, lead_id):
    """Why a lead of a run has not got its next mail yet: every guard with its numbers, and the one that binds."""
    enrollment = queries.enrollment_of(run_id, lead_id)
    if enrollment is None:
        raise Invalid.field("lead_id", "This lead is not in the run.")
    return runs.explain_lead(enrollment)


@tool(
    input=ReplyToolInput,
    output=ReplyOutput,
    scope="replies:send",
    title="Answer a reply",
    destructive=True,
    open_world=True,
    toolset="campaigns",
    on_replay=reply_now,
)
def send_reply(caller, **data):
    """Send a real e-mail on a thread, through the mailbox it came to, at once. It cannot be taken back.

    Status queued: it leaves within seconds. A repeat with the same idempotency_key says how it fared since."""
    return answer(caller.workspace, **data)
