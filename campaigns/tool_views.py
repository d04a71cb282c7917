"""What tools do with campaigns between input and output: the calls of campaign_views.py, for the other door.

Each returns plain data as the Output it names shows it. Domain errors are those of campaigns.py.
"""

from django.db import transaction

from apikeys.services import now_for
from campaigns import campaign_serializers as s
from campaigns import campaigns as services
from campaigns import queries, tasks
from campaigns.campaign_views import created
from campaigns.models import Campaign
from campaigns.services import settle_pause
from outbound.doorbell import ring


def counted(campaign: Campaign) -> Campaign:
    """The campaign as it is now, with leads_count and steps_count."""
    return queries.campaigns(campaign.workspace).get(pk=campaign.pk)


def show_campaign(campaign: Campaign) -> dict:
    """CampaignOutput: without steps and leads."""
    return s.CampaignOutput(counted(campaign)).data


def show_detail(campaign: Campaign, *, with_leads: bool) -> dict:
    """CampaignDetailOutput; `with_leads` is whether the caller may read leads (decisions C17)."""
    return s.CampaignDetailOutput(counted(campaign), context={"with_leads": with_leads}).data


def draft(workspace, *, name, steps, lead_ids=None, mailbox_ids=None, schedule=None, include_active_elsewhere) -> dict:
    """CampaignCreatedOutput."""
    campaign, audience = services.draft_campaign(
        workspace=workspace, name=name, steps=steps, leads=lead_ids, mailboxes=mailbox_ids, schedule=schedule,
        include_active_elsewhere=include_active_elsewhere, now=now_for(workspace),
    )  # fmt: skip
    return created(counted(campaign), audience)


def change(campaign: Campaign, **fields) -> dict:
    """CampaignOutput."""
    services.update_campaign(campaign=campaign, now=now_for(campaign.workspace), **fields)
    return show_campaign(campaign)


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


def pause(campaign: Campaign) -> dict:
    """CampaignOutput. Once it is answered no further mail of it leaves."""
    return _settled(services.pause_campaign(campaign=campaign, now=now_for(campaign.workspace)))


def archive(campaign: Campaign) -> dict:
    """CampaignOutput. Once it is answered no further mail of it leaves."""
    return _settled(services.archive_campaign(campaign=campaign, now=now_for(campaign.workspace)))


def _settled(campaign: Campaign) -> dict:
    transaction.on_commit(lambda: settle_pause(campaign))
    return show_campaign(campaign)


def report(campaign: Campaign) -> dict:
    """ReportOutput."""
    return s.ReportOutput({**queries.report(campaign), "status": s.SHOWN[campaign.status]}).data
