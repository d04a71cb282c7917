"""What bulk import and validation look like from outside (Superkabe §7.2, §7.5)."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from leads.checks import normalise_email
from leads.importing import MAX_ROWS
from leads.models import Lead
from outbound.api.serializers import Input, Output, OwnedListField

# The component is that of POST /leads: one lead is the same everywhere.
_ONE_LEAD = {"$ref": "#/components/schemas/LeadInputRequest"}


@extend_schema_field({"type": "array", "items": _ONE_LEAD, "minItems": 1, "maxItems": MAX_ROWS})
class RowsField(serializers.Field):
    """Leads as they came: the importer reads each, so that one wrong row is refused and no other."""

    # For tools: an array of objects; the fields of one stand in add_leads.
    json_schema = {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": MAX_ROWS}
    default_error_messages = {"type": "Give an array of leads.", "empty": "The array is empty."}

    def to_internal_value(self, data):
        if not isinstance(data, list):
            self.fail("type")
        if not data:
            self.fail("empty")
        return data

    def to_representation(self, value):
        return value


class BulkInput(Input):
    """Leads to add; those that are there stay as they are."""

    leads = RowsField(
        help_text="1 to 5,000 leads; a known address is skipped, a wrong row is rejected with its reason."
    )


class BulkResultOutput(Output):
    email = serializers.CharField(allow_null=True)
    id = serializers.CharField(allow_null=True, help_text="A duplicate shows the lead that was there.")
    status = serializers.ChoiceField(choices=["created", "duplicate", "rejected", "error"])
    reason = serializers.CharField(allow_null=True)


class BulkReportOutput(Output):
    total = serializers.IntegerField()
    created = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    errors = serializers.IntegerField(help_text="Rows with status rejected or error.")
    results = BulkResultOutput(many=True, help_text="One per row, in the order they came.")


@extend_schema_field({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MAX_ROWS})
class KnownEmailsField(serializers.ListField):
    """Addresses of leads of the caller's workspace, as those leads: one query; the unknown ones are listed."""

    child = serializers.CharField(max_length=320)

    def __init__(self, **kwargs):
        super().__init__(allow_empty=False, max_length=MAX_ROWS, **kwargs)

    def to_internal_value(self, data):
        emails = {text: _normal(text) for text in super().to_internal_value(data)}
        rows = Lead.objects.for_workspace(self.context["workspace"]).filter(email__in=set(emails.values()))
        found = {lead.email: lead for lead in rows}
        unknown = [text for text, email in emails.items() if email not in found]
        if unknown:
            shown = ", ".join(unknown[:20])
            raise serializers.ValidationError([f"Unknown: {shown}" + (" …" if len(unknown) > 20 else "") + "."])
        return list({found[email].pk: found[email] for email in emails.values()}.values())


def _normal(text: str) -> str:
    try:
        return normalise_email(text)
    except ValueError:
        return ""  # no lead has it


class ValidateInput(Input):
    """Either lead_ids or emails."""

    lead_ids = OwnedListField(Lead.objects, required=False, help_text="Ids of leads, 5,000 at most; or emails.")
    emails = KnownEmailsField(required=False, help_text="Addresses of leads, 5,000 at most; or lead_ids.")

    def validate(self, attrs):
        if len(attrs) != 1:
            raise serializers.ValidationError({"lead_ids": ["Give either lead_ids or emails."]})
        return attrs


class ValidateOutput(Output):
    queued = serializers.IntegerField()
    lead_ids = serializers.ListField(child=serializers.CharField(), help_text="The leads that are pending now.")
    message = serializers.CharField()


class VerdictCountsOutput(Output):
    valid = serializers.IntegerField()
    risky = serializers.IntegerField()
    invalid = serializers.IntegerField()
    unknown = serializers.IntegerField()


class ValidationResultsOutput(Output):
    total_validated = serializers.IntegerField()
    status_breakdown = VerdictCountsOutput()
