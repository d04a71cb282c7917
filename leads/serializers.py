"""What leads, groups, variables and imports look like from outside; REST and MCP use the same classes."""

from rest_framework import serializers
from rest_framework.exceptions import ParseError

from leads.health import shown_health
from leads.models import Group, Lead, Variable, VariableValue
from leads.money_serializers import EstimateOutput, MoneyOutput
from leads.rows import MAX_EMAIL, MAX_GROUP_NAME, TEXT_FIELDS, RowRefused, read_row
from outbound.api.pagination import PageInput
from outbound.api.parsers import parse_json
from outbound.api.serializers import Flag, Input, Moment, Output, OwnedField, OwnedListField, Text

_HELP = {
    "first_name": "Given name.",
    "last_name": "Family name.",
    "company_name": "Where they work.",
    "title": "Job title.",
    "phone": "Phone number.",
    "website": "Address of a web page.",
    "linkedin_url": "LinkedIn profile.",
    "city": "City.",
    "country": "Country.",
    "timezone": "IANA timezone, such as Europe/Madrid.",
    "persona": "Who they are to you; `general` when absent.",
    "source": "Where the lead comes from; `api` when absent.",
}


class LeadInput(Input):
    """A lead. Given fields overwrite, absent ones stay, null clears (decisions §3). Read by leads.rows.read_row."""

    email_required = True

    def get_fields(self):
        email = serializers.CharField(
            max_length=MAX_EMAIL,
            required=self.email_required,
            help_text="E-mail address; unique in the workspace, without case.",
        )
        text = {
            name: serializers.CharField(
                max_length=longest, required=False, allow_null=True, allow_blank=True,
                help_text=_HELP[name],
            )
            for name, longest in TEXT_FIELDS.items()
        }  # fmt: skip
        return {
            "email": email,
            **text,
            "company": serializers.CharField(
                max_length=200, required=False, allow_null=True, allow_blank=True, help_text="The same as company_name."
            ),
            "lead_score": serializers.IntegerField(
                min_value=0, max_value=100, required=False, allow_null=True, help_text="0 to 100; 50 when absent."
            ),
            "custom": serializers.DictField(
                required=False, allow_null=True,
                help_text="Fields of your own: lower-case names to text, numbers or true/false. null clears one.",
            ),
            "groups": serializers.ListField(
                child=serializers.CharField(max_length=MAX_GROUP_NAME), required=False, max_length=20,
                help_text="Names of groups to join; unknown ones are created.",
            ),
        }  # fmt: skip

    def run_validation(self, data=serializers.empty):
        """{"row": LeadRow}: one reading for bulk and single alike, so that they cannot differ."""
        try:
            return {"row": read_row(data, email_required=self.email_required)}
        except RowRefused as error:
            raise serializers.ValidationError(error.details) from None


class LeadPatch(LeadInput):
    email_required = False


class LeadListInput(PageInput):
    group_id = OwnedField(Group.objects, by_name=True, required=False, help_text="Only leads of this group.")
    search = serializers.CharField(
        required=False, allow_blank=True, max_length=200, help_text="Part of e-mail, name or company, without case."
    )
    status = serializers.ChoiceField(choices=Lead.Status.values, required=False, help_text="Only leads of this status.")
    validation_status = serializers.ChoiceField(
        choices=["valid", "risky", "invalid", "unknown", "pending"], required=False, help_text="Only this verdict."
    )


class ExportInput(Input):
    group_id = OwnedField(Group.objects, by_name=True, required=False, help_text="Only leads of this group.")
    search = serializers.CharField(
        required=False, allow_blank=True, max_length=200, help_text="Part of e-mail, name or company, without case."
    )
    limit = serializers.IntegerField(
        min_value=1, max_value=50_000, default=50_000, help_text="At most so many of the newest leads."
    )
    vars()["as"] = serializers.ChoiceField(choices=["json", "csv"], default="json", help_text="json or csv.")


class LeadOutput(Output):
    id = serializers.CharField()
    email = serializers.CharField()
    first_name = Text()
    last_name = Text()
    company_name = Text()
    title = Text()
    persona = Text()
    phone = Text()
    website = Text()
    linkedin_url = Text()
    city = Text()
    country = Text()
    timezone = Text()
    source = Text()
    source_platform = serializers.SerializerMethodField()
    lead_score = serializers.IntegerField()
    custom = serializers.DictField()
    status = serializers.ChoiceField(choices=Lead.Status.values)
    health = serializers.SerializerMethodField(help_text="green, yellow or red.")
    validation_status = serializers.CharField(allow_null=True)
    validation_score = serializers.IntegerField(allow_null=True)
    validation_reason = Text(help_text="Why it is not simply valid.")
    validated_at = Moment(allow_null=True)
    is_catch_all = serializers.BooleanField(allow_null=True)
    is_disposable = serializers.BooleanField()
    is_role = serializers.BooleanField()
    emails_sent = serializers.IntegerField()
    emails_opened = serializers.IntegerField()
    emails_clicked = serializers.IntegerField()
    emails_replied = serializers.IntegerField()
    last_activity_at = Moment(allow_null=True)
    created_at = Moment()
    updated_at = Moment(allow_null=True)

    def get_source_platform(self, lead) -> str:
        return "sequencer"

    def get_health(self, lead) -> str:
        return shown_health(lead)[0]


class GroupRef(Output):
    id = serializers.CharField()
    name = serializers.CharField()
    color = serializers.CharField()


class ValueOutput(Output):
    name = serializers.CharField(source="variable.name")
    state = serializers.ChoiceField(choices=VariableValue.State.values)
    value = serializers.JSONField(help_text="Of any JSON type; null while there is none.")
    reason = Text()
    writer = Text(help_text="`sandbox` text was not written by a model.")


class LeadDetailOutput(LeadOutput):
    """A lead with its groups and variable values. Prefetch both."""

    health_reasons = serializers.SerializerMethodField(help_text="What speaks against the lead.")
    replied_at = Moment(allow_null=True)
    away_until = Moment(allow_null=True)
    groups = GroupRef(many=True)
    variables = ValueOutput(many=True, source="variable_values")

    def get_health_reasons(self, lead) -> list[str]:
        return shown_health(lead)[1]


class LeadResultOutput(Output):
    email = serializers.CharField(allow_null=True)
    id = serializers.CharField(allow_null=True)
    status = serializers.ChoiceField(choices=["created", "updated", "duplicate", "rejected"])
    reason = serializers.CharField(allow_null=True)


class LeadsReportOutput(Output):
    total = serializers.IntegerField()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = serializers.IntegerField()
    suppressed = serializers.IntegerField()
    results = LeadResultOutput(many=True)


class GroupInput(Input):
    name = serializers.CharField(max_length=MAX_GROUP_NAME, help_text="1 to 80 characters, unique without case.")
    color = serializers.ChoiceField(choices=Group.COLORS, default="slate", help_text="A colour's name.")
    description = serializers.CharField(
        max_length=500, allow_blank=True, default="", help_text="What this audience is."
    )


class GroupPatch(Input):
    name = serializers.CharField(max_length=MAX_GROUP_NAME, required=False, help_text="1 to 80 characters.")
    color = serializers.ChoiceField(choices=Group.COLORS, required=False, help_text="A colour's name.")
    description = serializers.CharField(
        max_length=500, allow_blank=True, required=False, help_text="What this audience is."
    )


class GroupOutput(Output):
    id = serializers.CharField()
    name = serializers.CharField()
    color = serializers.CharField()
    description = Text()
    leads_count = serializers.IntegerField()
    created_at = Moment()


class GroupMembersInput(Input):
    lead_ids = OwnedListField(Lead.objects, help_text="Ids of leads, 5,000 at most.")


class GroupMembersOutput(Output):
    id = serializers.CharField()
    added = serializers.IntegerField()
    removed = serializers.IntegerField()
    leads_count = serializers.IntegerField()


class VariableInput(Input):
    name = serializers.CharField(
        max_length=50,
        help_text="Lower-case letters, digits and _, a letter first: opening_line. Used as {{opening_line}}.",
    )
    prompt_template = serializers.CharField(
        max_length=8000, help_text="What the model should write; {{company_name}} and other lead fields are filled in."
    )
    output_type = serializers.ChoiceField(
        choices=Variable.OutputType.values, default="text", help_text="text, html, number, boolean or json."
    )
    unsupported = serializers.ChoiceField(
        choices=Variable.Unsupported.values,
        default="review",
        help_text="What becomes of a text that states what nothing supports: review holds it, fallback replaces it.",
    )
    fallback = serializers.CharField(
        max_length=2000, allow_blank=True, default="", help_text="The line that goes out instead; {{first_name}} works."
    )
    max_length = serializers.IntegerField(
        min_value=10, max_value=4000, allow_null=True, default=None, help_text="Characters a value may have."
    )


class VariablePatch(Input):
    prompt_template = serializers.CharField(max_length=8000, required=False, help_text="What the model should write.")
    output_type = serializers.ChoiceField(
        choices=Variable.OutputType.values, required=False, help_text="text, html, number, boolean or json."
    )
    unsupported = serializers.ChoiceField(
        choices=Variable.Unsupported.values, required=False, help_text="What becomes of a text that nothing supports."
    )
    fallback = serializers.CharField(
        max_length=2000, allow_blank=True, required=False, help_text="The line that goes out instead."
    )
    max_length = serializers.IntegerField(
        min_value=10, max_value=4000, allow_null=True, required=False, help_text="Characters a value may have."
    )


class VariableOutput(Output):
    """Shown with `progress`: {variable id: counts} of leads.variables.progress in the context."""

    id = serializers.CharField()
    name = serializers.CharField()
    prompt_template = serializers.CharField()
    output_type = serializers.CharField()
    pct = serializers.SerializerMethodField(help_text="Settled values in percent, null before the first generation.")
    counts = serializers.SerializerMethodField(help_text="Values by state, and total.")
    created_at = Moment()

    def _progress(self, variable) -> dict:
        return self.context["progress"][variable.id]

    def get_pct(self, variable) -> int | None:
        return self._progress(variable)["pct"]

    def get_counts(self, variable) -> dict[str, int]:
        return {name: count for name, count in self._progress(variable).items() if name != "pct"}


class VariableDetailOutput(VariableOutput):
    """A variable with how its values are checked."""

    unsupported = serializers.ChoiceField(
        choices=Variable.Unsupported.values, help_text="What becomes of a text that states what nothing supports."
    )
    fallback = Text(help_text="The line that goes out instead.")
    max_length = serializers.IntegerField(allow_null=True, help_text="Characters a value may have.")
    money = MoneyOutput()


class GenerateInput(Input):
    group_id = OwnedField(
        Group.objects, by_name=True, required=False, help_text="Only leads of this group; everyone when absent."
    )
    lead_ids = OwnedListField(Lead.objects, required=False, help_text="Only these leads, 5,000 at most.")
    force = Flag(default=False, help_text="Write again what is done already.")
    sample = serializers.IntegerField(
        min_value=1, max_value=100, required=False, help_text="Only so many leads, spread over all: to look at first."
    )
    urgent = Flag(default=False, help_text="Do not use the vendor's batches, which take up to a day at half the price.")
    max_cost = serializers.DecimalField(
        max_digits=10, decimal_places=2, min_value=0, required=False, help_text="Dollars this may cost at most."
    )
    dry_run = Flag(default=False, help_text="Only say what would be done, and what it would cost.")


class GenerateOutput(Output):
    variable = serializers.CharField()
    leads = serializers.IntegerField(help_text="Leads asked for.")
    to_do = serializers.IntegerField(help_text="Values to write.")
    already_done = serializers.IntegerField(help_text="Values that stay as they are.")
    mode = serializers.ChoiceField(choices=["live", "batch"], help_text="batch: within a day, at half the price.")
    estimate = EstimateOutput(allow_null=True, help_text="Of a dry run.")
    job_id = serializers.CharField(allow_null=True, help_text="For pausing and canceling; null with nothing to do.")
    writer = serializers.CharField(help_text="`sandbox` writes sample text, no model is called.")
    dry_run = serializers.BooleanField()
    poll_with = serializers.CharField()
    poll_after_seconds = serializers.IntegerField()


class ImportInput(Input):
    """Query parameters of POST /imports; the file is the body."""

    filename = serializers.CharField(max_length=200, required=False, help_text="For your own records.")
    mapping = serializers.CharField(
        required=False,
        max_length=5000,  # it is part of the URL, and servers refuse long ones
        help_text='JSON: {"Column": "first_name" | "custom:key" | null}; columns left out are guessed.',
    )
    on_duplicate = serializers.ChoiceField(
        choices=["update", "skip"], default="update", help_text="What happens to a known address."
    )
    groups = serializers.CharField(
        max_length=2000, required=False, help_text="Names of groups for every row, separated by commas."
    )
    dry_run = serializers.BooleanField(default=False, help_text="Only say what would happen.")

    def validate_mapping(self, text):
        try:
            mapping = parse_json(text.encode())
        except ParseError:
            mapping = None
        if isinstance(mapping, dict) and all(value is None or isinstance(value, str) for value in mapping.values()):
            return mapping
        raise serializers.ValidationError('Give a JSON object such as {"Work Email": "email"}.')


class ProblemOutput(Output):
    line = serializers.IntegerField()
    email = serializers.CharField(allow_null=True)
    reason = serializers.CharField()


class ImportOutput(Output):
    id = serializers.CharField()
    state = serializers.CharField(help_text="queued, running, done or failed.")
    filename = Text()
    dry_run = serializers.SerializerMethodField()
    mapping = serializers.DictField()
    total = serializers.IntegerField()
    created = serializers.IntegerField()
    updated = serializers.IntegerField()
    duplicates = serializers.IntegerField()
    rejected = serializers.IntegerField()
    suppressed = serializers.IntegerField()
    problems = ProblemOutput(many=True, help_text="The first 1,000 rows that were refused, with line and reason.")
    failure = Text()
    created_at = Moment()
    finished_at = Moment(allow_null=True)

    def get_dry_run(self, row) -> bool:
        return bool(row.options.get("dry_run"))


class LeadsExportOutput(Output):
    success = serializers.BooleanField()
    data = serializers.ListField(child=serializers.DictField(), help_text="One object per lead.")
