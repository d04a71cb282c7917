"""REST of campaigns (Superkabe §7.3): translate in, one call, translate out."""

from rest_framework.response import Response

from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from campaigns import campaign_serializers as s
from campaigns import campaigns as services
from campaigns import queries, tasks
from campaigns.audience import Audience
from campaigns.models import Campaign
from campaigns.sequences import warnings_for
from campaigns.services import settle_pause
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
        data = self.validated(s.CampaignInput)
        campaign, audience = services.draft_campaign(
            workspace=self.workspace, name=data["name"], steps=data["steps"], leads=data.get("lead_ids"),
            mailboxes=data.get("mailbox_ids"), schedule=data.get("schedule"), now=now_for(self.workspace),
            include_active_elsewhere=data["include_active_elsewhere"],
        )  # fmt: skip
        return Response(created(self.campaign(str(campaign.pk)), audience), status=201)

    @documented("get_campaign", s.CampaignDetailOutput, tag="campaigns")
    def retrieve(self, request, pk):
        """A campaign with steps, variants and its first 100 leads"""
        return Response(self.shown(self.campaign(pk)))

    @documented("update_campaign", s.CampaignDetailOutput, body=s.CampaignPatch, tag="campaigns")
    def partial_update(self, request, pk):
        """Change name or schedule of a draft or paused campaign"""
        campaign = self.campaign(pk)
        services.update_campaign(campaign=campaign, now=now_for(self.workspace), **self.validated(s.CampaignPatch))
        return Response(self.shown(self.campaign(pk)))

    @documented("launch_campaign", s.CampaignLaunchedOutput, tag="campaigns")
    def launch(self, request, pk):
        """Launch a draft or paused campaign"""
        campaign = self.campaign(pk)
        launched = services.launch_campaign(campaign=campaign, now=now_for(self.workspace))
        ring(tasks.tick, workspace_id=str(self.workspace.pk))
        return Response(
            {
                "id": str(campaign.pk),
                "status": s.SHOWN[launched.status],
                "leads": campaign.leads_count,
                "steps": campaign.steps_count,
            }
        )

    @documented("pause_campaign", s.CampaignDetailOutput, tag="campaigns")
    def pause(self, request, pk):
        """Pause an active campaign: after the answer no further mail of it leaves"""
        campaign = services.pause_campaign(campaign=self.campaign(pk), now=now_for(self.workspace))
        self.after_commit(lambda: self.settled(campaign))
        return Response(self.shown(self.campaign(pk)))

    @documented("archive_campaign", s.CampaignDetailOutput, tag="campaigns")
    def archive(self, request, pk):
        """End a campaign for good"""
        campaign = services.archive_campaign(campaign=self.campaign(pk), now=now_for(self.workspace))
        self.after_commit(lambda: self.settled(campaign))
        return Response(self.shown(self.campaign(pk)))

    @documented("add_campaign_leads", s.CampaignCreatedOutput, body=s.CampaignLeadsInput, tag="campaigns")
    def add_leads(self, request, pk):
        """Enroll more leads, through the health gate"""
        campaign, data = self.campaign(pk), self.validated(s.CampaignLeadsInput)
        audience = services.add_leads(
            campaign=campaign, leads=data["lead_ids"], now=now_for(self.workspace),
            include_active_elsewhere=data["include_active_elsewhere"],
        )  # fmt: skip
        ring(tasks.tick, workspace_id=str(self.workspace.pk))
        return Response(created(campaign, audience))

    @documented("get_campaign_report", s.ReportOutput, tag="campaigns")
    def report(self, request, pk):
        """Leads by status, mails sent, replies"""
        campaign = self.campaign(pk)
        return Response(s.ReportOutput({**queries.report(campaign), "status": s.SHOWN[campaign.status]}).data)

    @documented("list_campaign_replies", s.CampaignRepliesOutput, tag="campaigns")
    def replies(self, request, pk):
        """The 100 most recently answered threads"""
        return Response(s.CampaignRepliesOutput(queries.replies(self.campaign(pk))).data)

    def settled(self, campaign: Campaign) -> dict:
        """The campaign as it is once no mail of it can leave any more."""
        settle_pause(campaign)
        return self.shown(self.campaign(str(campaign.pk)))

    def shown(self, campaign: Campaign) -> dict:
        return s.CampaignDetailOutput(campaign, context={"with_leads": self.request.auth.may("leads:read")}).data


def created(campaign: Campaign, audience: Audience) -> dict:
    return {
        "id": str(campaign.pk),
        "name": campaign.name,
        "status": s.SHOWN[campaign.status],
        "steps_count": campaign.steps_count,
        "leads_assigned": audience.enrolled,
        "leads_blocked": audience.blocked,
        "leads_paused": audience.paused,
        "leads_excluded": dict(audience.reasons),
        "warnings": warnings_for(campaign.sequence),
    }
