"""A variable's values for a person to look at: what was written, what it rests on, and what to do about it."""

from rest_framework import serializers

from leads.models import Lead, VariableValue
from leads.reviewing import with_sources
from outbound.api.pagination import PageInput
from outbound.api.serializers import Flag, Input, Moment, Output, OwnedListField, Text


class ValueListInput(PageInput):
    state = serializers.ChoiceField(
        choices=VariableValue.State.values, required=False, help_text="Only values in this state: review."
    )


class ValuePatch(Input):
    """A value of one's own, or one of the two verbs."""

    value = serializers.JSONField(
        required=False, help_text="Goes out instead, as it is; of the variable's type. It is never written over."
    )
    action = serializers.ChoiceField(
        choices=["approve", "retry"],
        required=False,
        help_text="approve: what is in review may go out. retry: write it anew (needs variables:generate).",
    )

    def validate(self, data):
        if len(data) != 1:
            raise serializers.ValidationError({"action": ["Give either a value or an action."]})
        return data


class ApproveInput(Input):
    lead_ids = OwnedListField(Lead.objects, required=False, help_text="Values of these leads, 5,000 at most.")
    all = Flag(default=False, help_text="Everything that is in review.")

    def validate(self, data):
        if data["all"] == ("lead_ids" in data):
            raise serializers.ValidationError({"lead_ids": ["Give either lead_ids or all: true."]})
        return data


class ApproveOutput(Output):
    variable = serializers.CharField()
    approved = serializers.IntegerField(help_text="Values that were in review and may go out now.")
    in_review = serializers.IntegerField(help_text="Values that still are.")


class ClaimOutput(Output):
    field = serializers.CharField(help_text="The lead's field that the text rests on.")
    quote = serializers.CharField(help_text="The words of that field, as the writer gave them.")
    holds = serializers.BooleanField(help_text="Whether the field said so when it was checked.")
    says = serializers.CharField(allow_null=True, help_text="The whole field as it is now.")
    source = Text(help_text="Where the lead came from: api, clay, the name of a file.")


class ReviewLeadOutput(Output):
    id = serializers.CharField()
    email = serializers.CharField()
    first_name = Text()
    last_name = Text()
    company_name = Text()


class ReviewValueOutput(Output):
    lead = ReviewLeadOutput()
    state = serializers.ChoiceField(choices=VariableValue.State.values)
    value = serializers.JSONField(help_text="Of any JSON type; null while there is none.")
    reason = Text(help_text="Why it waits, failed, or was replaced by the fallback.")
    claims = serializers.SerializerMethodField(help_text="What the text rests on.")
    unsupported = serializers.SerializerMethodField(help_text="Facts in the text that rest on nothing.")
    written = serializers.SerializerMethodField(help_text="What the writer wrote where the fallback goes out.")
    writer = Text(help_text="`sandbox` text was not written by a model, `fallback` is your own line.")
    model = Text()
    settled_at = Moment(allow_null=True)

    def get_claims(self, row) -> ClaimOutput(many=True):
        return ClaimOutput(with_sources(row), many=True).data

    def get_unsupported(self, row) -> list[str]:
        return row.evidence.get("unsupported", [])

    def get_written(self, row) -> str | None:
        return row.evidence.get("written")
