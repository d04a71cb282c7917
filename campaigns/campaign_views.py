"""REST of campaigns (Superkabe §7.3): translate in, one call, translate out.

What both doors do between input and output stands below the views, once; each returns plain data as the Output it names
shows it, or an Answer of such.
"""

from django.db import transaction
from rest_framework.response import Response

from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from campaigns import campaign_serializers as s
from campaigns import campaigns as services
from campaigns import queries, tasks
from campaigns.audience import Audience
from campaigns.models import Campaign
from campaigns.sequences import warnings_for
from campaigns.views import settled
from outbound.api.answers import Answer
from outbound.api.openapi import documented
from outbound.api.pagination import list_of
from outbound.doorbell import ring


class CampaignViewSet(WorkspaceViewSet):
    scopes = {
        "list": "campaigns:read", "create": "campaigns:write", "retrieve": "campaigns:read",
        "partial_update": "campaigns:write", "launch": "campaigns:write", "pause": "campaigns:write",
        "archive": "campaigns:write", "add_leads": "campaigns:write", "report": "reports:read",
        "replies": "replies:read",
    }  # fmt: skip

    def campaign(self, pk) -> Campaign:
        return self.one(queries.campaigns(self.workspace), pk)

    @documented("list_campaigns", s.CampaignOutput, many=True, query=s.CampaignListInput, tag="campaigns")
    def list(self, request):
        """Campaigns, newest first; with engine=instantly the remote ones"""
        query = self.validated_query(s.CampaignListInput)
        shown = query.pop("status", None)
        statuses = [stored for stored, word in s.SHOWN.items() if word == shown]
        found = queries.campaigns(self.workspace, engine=query.pop("engine"), statuses=statuses)
        return Response(list_of(found, query, show=lambda rows: s.CampaignOutput(rows, many=True).data))

    @documented("create_campaign", s.CampaignCreatedOutput, body=s.CampaignInput, status=201, tag="campaigns")
    def create(self, request):
        """Create a draft with steps, variants, schedule and leads"""
        return Response(draft(self.workspace, **self.validated(s.CampaignInput)), status=201)

    @documented("get_campaign", s.CampaignDetailOutput, tag="campaigns")
    def retrieve(self, request, pk):
        """A campaign with steps, variants and its first 100 leads"""
        return Response(self.shown(self.campaign(pk)))

    @documented("update_campaign", s.CampaignDetailOutput, body=s.CampaignPatch, tag="campaigns")
    def partial_update(self, request, pk):
        """Change name, schedule or tracking of a draft or paused campaign"""
        return Response(self.shown(change(self.campaign(pk), **self.validated(s.CampaignPatch))))

    @documented("launch_campaign", s.CampaignLaunchedOutput, tag="campaigns")
    def launch(self, request, pk):
        """Launch a draft or paused campaign"""
        return Response(launch(self.campaign(pk)))

    @documented("pause_campaign", s.CampaignDetailOutput, tag="campaigns")
    def pause(self, request, pk):
        """Pause an active campaign: after the answer no further mail of it leaves"""
        return self.answered(pause(self.campaign(pk), show=self.shown))

    @documented("archive_campaign", s.CampaignDetailOutput, tag="campaigns")
    def archive(self, request, pk):
        """End a campaign for good"""
        return self.answered(archive(self.campaign(pk), show=self.shown))

    @documented("add_campaign_leads", s.CampaignCreatedOutput, body=s.CampaignLeadsInput, tag="campaigns")
    def add_leads(self, request, pk):
        """Enroll more leads, through the health gate"""
        return Response(add_leads(self.campaign(pk), **self.validated(s.CampaignLeadsInput)))

    @documented("get_campaign_report", s.ReportOutput, tag="campaigns")
    def report(self, request, pk):
        """Leads by status, mails sent, replies; opens and clicks where they are tracked"""
        return Response(report(self.campaign(pk)))

    @documented("list_campaign_replies", s.CampaignRepliesOutput, tag="campaigns")
    def replies(self, request, pk):
        """The 100 most recently answered threads"""
        return Response(s.CampaignRepliesOutput(queries.replies(self.campaign(pk))).data)

    def shown(self, campaign: Campaign) -> dict:
        return show_detail(campaign, with_leads=self.request.auth.may("leads:read"))


def counted(campaign: Campaign) -> Campaign:
    """The campaign as it is now, with leads_count and steps_count."""
    return queries.campaigns(campaign.workspace, engine=campaign.engine).get(pk=campaign.pk)


def show_campaign(campaign: Campaign) -> dict:
    """CampaignOutput: without steps and leads."""
    return s.CampaignOutput(counted(campaign)).data


def show_detail(campaign: Campaign, *, with_leads: bool) -> dict:
    """CampaignDetailOutput; `with_leads` is whether the caller may read leads (decisions C17)."""
    return s.CampaignDetailOutput(counted(campaign), context={"with_leads": with_leads}).data


def draft(
    workspace, *, name, steps, lead_ids=None, mailbox_ids=None, schedule=None, include_active_elsewhere, **tracking
) -> dict:
    """CampaignCreatedOutput."""
    campaign, audience = services.draft_campaign(
        workspace=workspace, name=name, steps=steps, leads=lead_ids, mailboxes=mailbox_ids, schedule=schedule,
        include_active_elsewhere=include_active_elsewhere, now=now_for(workspace), **tracking,
    )  # fmt: skip
    return created(counted(campaign), audience)


def created(campaign: Campaign, audience: Audience) -> dict:
    return {
        "id": str(campaign.pk),
        "name": campaign.name,
        "status": s.SHOWN[campaign.status],
        "steps_count": campaign.steps_count,
        "leads_assigned": audience.enrolled,
        "leads_blocked": audience.blocked,
        "leads_paused": audience.paused,
        "leads_held": audience.held,
        "already_enrolled": audience.already,
        "leads_excluded": dict(audience.reasons),
        "warnings": warnings_for(campaign.sequence),
    }


def change(campaign: Campaign, **fields) -> Campaign:
    return services.update_campaign(campaign=campaign, now=now_for(campaign.workspace), **fields)


def add_leads(campaign: Campaign, *, lead_ids, include_active_elsewhere) -> dict:
    """CampaignCreatedOutput."""
    audience = services.add_leads(
        campaign=campaign, leads=lead_ids, include_active_elsewhere=include_active_elsewhere,
        now=now_for(campaign.workspace),
    )  # fmt: skip
    ring(tasks.tick, workspace_id=str(campaign.workspace_id))
    return created(counted(campaign), audience)


def rehearse(campaign: Campaign) -> None:
    """Launch and take it back: whatever would refuse the launch is raised, and nothing is left behind."""
    with transaction.atomic():
        services.launch_campaign(campaign=campaign, now=now_for(campaign.workspace))
        transaction.set_rollback(True)


def launch(campaign: Campaign) -> dict:
    """CampaignLaunchedOutput."""
    services.launch_campaign(campaign=campaign, now=now_for(campaign.workspace))
    ring(tasks.tick, workspace_id=str(campaign.workspace_id))
    shown = counted(campaign)
    return {
        "id": str(shown.pk),
        "status": s.SHOWN[shown.status],
        "leads": shown.leads_count,
        "steps": shown.steps_count,
    }


def pause(campaign: Campaign, *, show=show_campaign) -> Answer:
    return settled(services.pause_campaign(campaign=campaign, now=now_for(campaign.workspace)), show)


def archive(campaign: Campaign, *, show=show_campaign) -> Answer:
    return settled(services.archive_campaign(campaign=campaign, now=now_for(campaign.workspace)), show)


def report(campaign: Campaign) -> dict:
    """ReportOutput."""
    return s.ReportOutput({**queries.report(campaign), "status": s.SHOWN[campaign.status]}).data
