"""Routing rules and what they did, from outside."""

from rest_framework import serializers

from campaigns.models import Campaign
from campaigns.states import TAKES_LEADS
from leads.models import Arrival
from outbound.api.pagination import PageInput
from outbound.api.serializers import Flag, Input, Moment, Output, OwnedField, Text


class RoutingRuleInput(Input):
    campaign_id = OwnedField(Campaign.objects, help_text="The campaign to enroll in: a draft, active or paused one.")
    persona = serializers.CharField(
        max_length=200, allow_blank=True, default="", help_text="Only leads of this persona, without case."
    )
    min_score = serializers.IntegerField(
        min_value=0, max_value=100, default=0, help_text="Only leads with at least this lead_score."
    )
    priority = serializers.IntegerField(
        min_value=0, max_value=1_000_000, default=100, help_text="The lowest number is asked first."
    )
    enabled = Flag(default=True, help_text="A rule that is off is not asked.")

    def validate_campaign_id(self, campaign):
        if campaign.status not in TAKES_LEADS or campaign.engine != Campaign.Engine.NATIVE:
            raise serializers.ValidationError("This campaign takes no leads any more.")
        return campaign


class RoutingRulePatch(RoutingRuleInput):
    def get_fields(self):
        fields = super().get_fields()
        for field in fields.values():
            field.required, field.default = False, serializers.empty
        return fields


class RoutingRuleOutput(Output):
    id = serializers.CharField()
    campaign_id = serializers.CharField()
    campaign_name = serializers.CharField(source="campaign.name")
    persona = Text()
    min_score = serializers.IntegerField()
    priority = serializers.IntegerField()
    enabled = serializers.BooleanField()
    created_at = Moment()


class ArrivalListInput(PageInput):
    state = serializers.ChoiceField(
        choices=Arrival.State.values, required=False, help_text="Only those that wait, were enrolled, or refused."
    )


class ArrivalOutput(Output):
    """Load the lead with it."""

    id = serializers.CharField()
    lead_id = serializers.CharField()
    email = serializers.CharField(source="lead.email")
    source = serializers.CharField(help_text="Who posted it: clay.")
    wanted_campaign_id = Text(source="wanted", help_text="As it was posted.")
    state = serializers.ChoiceField(choices=Arrival.State.values)
    campaign_id = serializers.CharField(allow_null=True, help_text="Where it was enrolled, or not let in.")
    reason = Text(help_text="Why it was refused.")
    created_at = Moment()
