"""What can send: campaigns, and the addresses mail leaves from."""

from rest_framework import serializers

from campaigns.models import Campaign
from campaigns.serializers import RUN_STATUS
from mcp.pages import ListInput, page, page_of_all, page_output
from mcp.registry import tool
from outbound.api.serializers import Moment, Output
from sending.queries import senders
from sending.serializers import SenderOutput


class ListCampaignsInput(ListInput):
    engine = serializers.ChoiceField(
        choices=Campaign.Engine.values, required=False, help_text="native (ours) or instantly; both when absent."
    )


class CampaignRefOutput(Output):
    id = serializers.CharField()
    name = serializers.CharField()
    engine = serializers.CharField()
    status = serializers.SerializerMethodField(help_text="draft, active, paused, completed or archived.")
    run_status = serializers.SerializerMethodField(help_text="The same in the words of runs; null for a draft.")
    external_id = serializers.CharField()
    created_at = Moment()
    launched_at = Moment(allow_null=True)

    def get_status(self, campaign) -> str:
        # Superkabe has no word for a campaign whose engine failed: it rests, with a reason.
        return "paused" if campaign.status == Campaign.Status.FAILED else campaign.status

    def get_run_status(self, campaign) -> str | None:
        return RUN_STATUS.get(campaign.status)


@tool(
    input=ListCampaignsInput,
    output=page_output("campaigns", CampaignRefOutput),
    scope="campaigns:read",
    title="List campaigns",
    third_party=True,
    read_only=True,
    open_world=True,
)
def list_campaigns(caller, *, limit, after="", **filters):
    """Campaigns of every engine: our own, drafts included, and Instantly's once it is connected."""
    found = Campaign.objects.for_workspace(caller.workspace).filter(**filters)
    return page("campaigns", found, limit=limit, after=after, show=show_campaigns)


def show_campaigns(rows) -> list[dict]:
    return CampaignRefOutput(rows, many=True).data


class ListSendersInput(ListInput):
    after = serializers.CharField(
        max_length=300, required=False, help_text="next_cursor of the page before: an e-mail address."
    )


@tool(
    input=ListSendersInput,
    output=page_output("senders", SenderOutput),
    scope="mailboxes:read",
    title="List senders",
    read_only=True,
    open_world=True,
)
def list_senders(caller, *, limit, after=""):
    """Every address that can be the sender_email of launch_sequence, and whether it may send now."""
    return page_of_all(
        "senders", SenderOutput(senders(caller.workspace), many=True).data, by="email", limit=limit, after=after
    )
