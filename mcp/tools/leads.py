"""Leads: the people we may write to."""

from urllib.parse import urlencode

from rest_framework import serializers

from apikeys.services import now_for
from leads import serializers as s
from leads import services
from leads.models import Group, Lead, VariableValue
from leads.views import add_many, detail, filtered
from mcp.confirm import Preview
from mcp.fields import LeadField, NamedField, RowsField
from mcp.pages import after_field, limit_field, page, page_output
from mcp.registry import tool
from outbound.api.serializers import Input, Output, Text


def group_filter() -> NamedField:
    return NamedField(
        Group.objects,
        what="group",
        listed_by="list_groups",
        required=False,
        help_text="Only leads of this group: id or name.",
    )


class AddLeadsInput(Input):
    leads = RowsField(s.LeadInput, max_length=services.MAX_ROWS, help_text="1 to 5,000 leads.")


class QueryLeadsInput(s.LeadListInput):
    page = None
    group_id = group_filter()
    limit = limit_field()
    after = after_field()


class UpdatedLeadOutput(Output):
    """Who was changed and where they stand; get_lead shows all of it."""

    id = serializers.CharField()
    email = serializers.CharField()
    first_name = Text()
    last_name = Text()
    company_name = Text()
    status = serializers.CharField()
    health = serializers.CharField()
    groups = s.GroupRef(many=True)
    updated_at = serializers.CharField()


class ExportLeadsInput(Input):
    group_id = group_filter()
    search = serializers.CharField(
        required=False, allow_blank=True, max_length=200, help_text="Part of e-mail, name or company, without case."
    )
    limit = limit_field()


class ExportedLeadsOutput(Output):
    columns = serializers.ListField(child=serializers.CharField())
    rows = serializers.ListField(child=serializers.DictField(child=serializers.JSONField()))
    total = serializers.IntegerField()
    link = serializers.CharField()
    next = serializers.CharField()


class DeletedOutput(Output):
    id = serializers.CharField()
    deleted = serializers.BooleanField()


@tool(
    input=AddLeadsInput,
    output=s.LeadsReportOutput,
    scope="leads:write",
    title="Add or update leads",
    destructive=True,
    idempotent=True,
)
def add_leads(caller, *, leads):
    """Add leads, or update those whose e-mail address is known: given fields overwrite, absent ones stay, null clears.

    Groups are joined by name and created when new. Every row has its own result; a wrong one harms no other."""
    return add_many(caller.workspace, leads, now_for(caller.workspace))


@tool(
    input=QueryLeadsInput,
    output=page_output("leads", s.LeadOutput),
    scope="leads:read",
    title="Search leads",
    third_party=True,
    read_only=True,
)
def query_leads(caller, *, limit, after="", **filters):
    """Search and filter leads, newest first."""
    found = filtered(Lead.objects.for_workspace(caller.workspace), filters)
    return page("leads", found, limit=limit, after=after, show=lambda rows: s.LeadOutput(rows, many=True).data)


@tool(
    on={"lead_id": LeadField()},
    output=s.LeadDetailOutput,
    scope="leads:read",
    title="Get a lead",
    third_party=True,
    read_only=True,
)
def get_lead(caller, *, lead_id):
    """One lead with its variable values and groups."""
    return detail(lead_id)


@tool(
    input=s.LeadPatch,
    on={"lead_id": LeadField()},
    output=UpdatedLeadOutput,
    scope="leads:write",
    title="Update a lead",
    third_party=True,
    destructive=True,
    idempotent=True,
)
def update_lead(caller, *, lead_id, row):
    """Change fields of a lead. Absent fields stay, null clears one, groups are joined."""
    shown = detail(services.update_lead(lead=lead_id, row=row, now=now_for(caller.workspace)))
    return {name: shown[name] for name in UpdatedLeadOutput().fields}


def deletion_of_lead(caller, *, lead_id):
    values = VariableValue.objects.filter(lead=lead_id).count()
    return Preview(
        would=f"Delete the lead {lead_id.email} and {values} variable values for good; nothing more is sent to it.",
        counts={"leads": 1, "variable_values": values},
        size=1,
        sample=[{"id": str(lead_id.pk), "email": lead_id.email}],
    )


@tool(
    on={"lead_id": LeadField()},
    output=DeletedOutput,
    scope="leads:write",
    title="Delete a lead",
    destructive=True,
    preview=deletion_of_lead,
)
def delete_lead(caller, *, lead_id):
    """Delete a lead and its variable values for good. An opt-out is remembered."""
    answer = {"id": str(lead_id.pk), "deleted": True}
    services.delete_lead(lead=lead_id)
    return answer


@tool(
    input=ExportLeadsInput,
    output=ExportedLeadsOutput,
    scope="leads:read",
    title="Export leads",
    third_party=True,
    read_only=True,
)
def export_leads(caller, *, limit, **filters):
    """Leads as a table with a column per variable: the newest rows here, and a link to all of them as CSV."""
    found = filtered(Lead.objects.for_workspace(caller.workspace), filters)
    columns, rows = services.export_leads(workspace=caller.workspace, leads=found, limit=limit)
    asked = {"as": "csv", **{name: getattr(value, "pk", value) for name, value in filters.items()}}
    return {
        "columns": columns,
        "rows": rows,
        "total": found.count(),
        "link": f"/api/v1/leads/export?{urlencode(asked)}",
        "next": "GET the link on this server with the same Authorization header for all rows as CSV.",
    }
