"""What suppressions look like from outside."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from leads.bulk_serializers import RowsField
from leads.exporting import MAX_EXPORT
from leads.importing import MAX_ROWS
from leads.models import Suppression
from leads.suppression import read_value
from outbound.api.pagination import PageInput
from outbound.api.serializers import Input, Moment, Output, Text

SEARCH = {
    "required": False, "allow_blank": True, "max_length": 254,
    "help_text": "Part of an address or domain, without case; a whole address finds an erased one too.",
}  # fmt: skip
KIND = {"choices": Suppression.Kind.values, "required": False, "help_text": "Only this kind."}


class SuppressionInput(Input):
    value = serializers.CharField(max_length=320, help_text="An address, or a whole domain as @acme.com.")
    kind = serializers.ChoiceField(
        choices=Suppression.Kind.values, default="manual", help_text="Why: by hand when absent."
    )
    reason = serializers.CharField(
        max_length=300, allow_blank=True, default="", help_text="In your words; kept with it."
    )

    def validate_value(self, text):
        try:
            return read_value(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from None


class SuppressionListInput(PageInput):
    kind = serializers.ChoiceField(**KIND)
    search = serializers.CharField(**SEARCH)


class SuppressionExportInput(Input):
    kind = serializers.ChoiceField(**KIND)
    search = serializers.CharField(**SEARCH)
    limit = serializers.IntegerField(
        min_value=1, max_value=MAX_EXPORT, default=MAX_EXPORT, help_text="At most so many of the newest."
    )
    vars()["as"] = serializers.ChoiceField(choices=["json", "csv"], default="json", help_text="json or csv.")


class SuppressionLiftInput(Input):
    reason = serializers.CharField(max_length=300, help_text="Why they may be written to again; the log keeps it.")


@extend_schema_field(
    {
        "type": "array", "items": {"$ref": "#/components/schemas/SuppressionInputRequest"}, "minItems": 1,
        "maxItems": MAX_ROWS,
    }
)  # fmt: skip
class SuppressionRowsField(RowsField):
    """As they came: each is read apart, so that one wrong row is refused and no other."""

    default_error_messages = {"type": "Give an array of suppressions."}


class SuppressionBulkInput(Input):
    suppressions = SuppressionRowsField(
        help_text=f"1 to {MAX_ROWS:,} of {{value, kind?, reason?}}; a wrong row is rejected with its reason.",
    )


class SuppressionOutput(Output):
    id = serializers.CharField()
    value = Text(help_text="The address or @domain; null where the lead was deleted and its address erased.")
    erased = serializers.SerializerMethodField(help_text="Still refused, by a keyed hash of the address.")
    kind = serializers.ChoiceField(choices=Suppression.Kind.values)
    reason = Text()
    created_at = Moment()

    def get_erased(self, row) -> bool:
        return not row.value


class SuppressionResultOutput(Output):
    value = serializers.CharField(allow_null=True)
    id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=["created", "duplicate", "rejected"])
    reason = serializers.CharField(allow_null=True)


class SuppressionReportOutput(Output):
    total = serializers.IntegerField()
    created = serializers.IntegerField()
    duplicates = serializers.IntegerField(help_text="Suppressed as this kind before, or further up.")
    rejected = serializers.IntegerField()
    results = SuppressionResultOutput(many=True, help_text="One per row, in the order they came.")


class SuppressionsExportOutput(Output):
    success = serializers.BooleanField()
    data = SuppressionOutput(many=True)
