"""REST of leads, groups, variables and imports: translate in, one call, translate out."""

from django.db.models import Count
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiTypes
from rest_framework.response import Response

from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from leads import exporting, imports, services, tasks, variables
from leads import serializers as s
from leads.estimates import money_of
from leads.filters import filtered
from leads.importing import refuse_if_full
from leads.jobs import refuse_unpriced
from leads.models import Group, Import, Lead, Variable
from leads.money_serializers import EstimateOutput
from leads.parsers import FILE_PARSERS
from leads.writers import writer_for
from outbound.api.errors import Invalid
from outbound.api.openapi import documented
from outbound.api.pagination import OptionalPageInput, list_of, page_of
from outbound.doorbell import ring

DETAIL = ("groups", "variable_values__variable")


class LeadViewSet(WorkspaceViewSet):
    scopes = {
        "list": "leads:read", "create": "leads:write", "retrieve": "leads:read", "partial_update": "leads:write",
        "destroy": "leads:write", "export": "leads:read",
    }  # fmt: skip

    @documented("list_leads", s.LeadOutput, many=True, query=s.LeadListInput, tag="leads")
    def list(self, request):
        """Search and filter leads, newest first"""
        query = self.validated_query(s.LeadListInput)
        paging = {name: query[name] for name in ("page", "limit", "after") if name in query}
        leads = filtered(self.mine(Lead.objects.all()), query)
        return Response(page_of(leads, **paging, show=lambda rows: s.LeadOutput(rows, many=True).data))

    @documented("upsert_leads", s.LeadDetailOutput, s.LeadsReportOutput, body=s.LeadInput, or_array=True, tag="leads")
    def create(self, request):
        """Add or update one lead, or an array of up to 5,000

        One object is answered with the lead, an array with counts and a result per row.
        """
        now = now_for(self.workspace)
        if isinstance(request.data, list):
            return Response(add_many(self.workspace, request.data, now))
        self.validated(s.LeadInput)
        lead, _ = services.add_lead(workspace=self.workspace, row=request.data, now=now)
        return Response(detail(lead))

    @documented("get_lead", s.LeadDetailOutput, tag="leads")
    def retrieve(self, request, pk):
        """One lead with its groups and variable values"""
        return Response(detail(self.one(Lead.objects.all(), pk)))

    @documented("update_lead", s.LeadDetailOutput, body=s.LeadPatch, tag="leads")
    def partial_update(self, request, pk):
        """Change fields of a lead"""
        lead = self.one(Lead.objects.all(), pk)
        row = self.validated(s.LeadPatch)["row"]
        return Response(detail(services.update_lead(lead=lead, row=row, now=now_for(self.workspace))))

    @documented("delete_lead", status=204, tag="leads")
    def destroy(self, request, pk):
        """Delete a lead with its variable values"""
        services.delete_lead(lead=self.one(Lead.objects.all(), pk))
        return Response(status=204)

    @documented("export_leads", query=s.ExportInput, tag="leads", raw=s.LeadsExportOutput, also="text/csv")
    def export(self, request):
        """Leads as CSV or JSON, a column per variable"""
        query = self.validated_query(s.ExportInput)
        leads = filtered(self.mine(Lead.objects.all()), query)
        columns, rows = exporting.export_leads(workspace=self.workspace, leads=leads, limit=query["limit"])
        if query["as"] == "json":
            return Response(rows)
        answer = HttpResponse(exporting.as_csv(columns, rows), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="leads.csv"'
        return answer


def detail(lead: Lead) -> dict:
    return s.LeadDetailOutput(Lead.objects.select_related("workspace").prefetch_related(*DETAIL).get(pk=lead.pk)).data


def add_many(workspace, rows: list, now) -> dict:
    """An array of leads: counts and a result per row. When not one can go in, that is an error of the request."""
    if not rows:
        raise Invalid.field("body", "The array is empty.")
    report = services.import_leads(workspace=workspace, rows=rows, now=now)
    refuse_if_full(workspace, report.results)
    if report.count("rejected") == len(rows):
        details = {f"{index}": [result["reason"]] for index, result in enumerate(report.results[:20])}
        raise Invalid(f"No row could be added. The first: {report.results[0]['reason']}", details=details)
    return {**report.counts(), "results": report.results}


class GroupViewSet(WorkspaceViewSet):
    scopes = {
        "list": "leads:read", "create": "leads:write", "retrieve": "leads:read", "partial_update": "leads:write",
        "destroy": "leads:write", "add": "leads:write", "remove": "leads:write",
    }  # fmt: skip

    @documented("list_groups", s.GroupOutput, many=True, query=OptionalPageInput, tag="groups")
    def list(self, request):
        """All groups with their number of leads"""
        query = self.validated_query(OptionalPageInput)
        return Response(list_of(self.mine(Group.objects.all()), query, show=show_groups))

    @documented("create_group", s.GroupOutput, body=s.GroupInput, status=201, tag="groups")
    def create(self, request):
        """Create a named audience"""
        group = services.create_group(
            workspace=self.workspace, now=now_for(self.workspace), **self.validated(s.GroupInput)
        )
        return Response(show_groups([group])[0], status=201)

    @documented("get_group", s.GroupOutput, tag="groups")
    def retrieve(self, request, pk):
        """One group"""
        return Response(show_groups([self.one(Group.objects.all(), pk)])[0])

    @documented("update_group", s.GroupOutput, body=s.GroupPatch, tag="groups")
    def partial_update(self, request, pk):
        """Rename, recolor or describe a group"""
        group = self.one(Group.objects.all(), pk)
        return Response(show_groups([services.update_group(group=group, **self.validated(s.GroupPatch))])[0])

    @documented("delete_group", status=204, tag="groups")
    def destroy(self, request, pk):
        """Delete a group; its leads stay"""
        services.delete_group(group=self.one(Group.objects.all(), pk))
        return Response(status=204)

    @documented("add_leads_to_group", s.GroupMembersOutput, body=s.GroupMembersInput, tag="groups")
    def add(self, request, pk):
        """Add leads to a group"""
        group = self.one(Group.objects.all(), pk)
        leads = self.validated(s.GroupMembersInput)["lead_ids"]
        return Response(members(group, added=services.add_leads_to_group(group=group, leads=leads)))

    @documented("remove_leads_from_group", s.GroupMembersOutput, body=s.GroupMembersInput, tag="groups")
    def remove(self, request, pk):
        """Take leads out of a group; they stay in the workspace"""
        group = self.one(Group.objects.all(), pk)
        leads = self.validated(s.GroupMembersInput)["lead_ids"]
        return Response(members(group, removed=services.remove_leads_from_group(group=group, leads=leads)))


def show_groups(groups: list[Group]) -> list[dict]:
    ids = [group.pk for group in groups]
    counts = dict(Group.objects.filter(pk__in=ids).annotate(n=Count("memberships")).values_list("pk", "n"))
    for group in groups:
        group.leads_count = counts.get(group.pk, 0)
    return s.GroupOutput(groups, many=True).data


def members(group: Group, *, added: int = 0, removed: int = 0) -> dict:
    return {"id": str(group.pk), "added": added, "removed": removed, "leads_count": group.memberships.count()}


class VariableViewSet(WorkspaceViewSet):
    scopes = {
        "list": "leads:read", "create": "leads:write", "retrieve": "leads:read", "partial_update": "leads:write",
        "destroy": "leads:write", "generate": "variables:generate",
    }  # fmt: skip

    def named(self, name: str) -> Variable:
        """By name, as the contract has it, or by id."""
        return self.mine(Variable.objects.all()).filter(name=name).first() or self.one(Variable.objects.all(), name)

    @documented("list_variables", s.VariableOutput, many=True, query=OptionalPageInput, tag="variables")
    def list(self, request):
        """Variables and how far their generation is"""
        query = self.validated_query(OptionalPageInput)
        return Response(list_of(self.mine(Variable.objects.all()), query, show=show_variables))

    @documented("create_variable", s.VariableOutput, body=s.VariableInput, status=201, tag="variables")
    def create(self, request):
        """Define a prompt that writes one text per lead"""
        variable = variables.create_variable(
            workspace=self.workspace, now=now_for(self.workspace), **self.validated(s.VariableInput)
        )
        return Response(show_variables([variable])[0], status=201)

    @documented("get_variable", s.VariableDetailOutput, tag="variables")
    def retrieve(self, request, name):
        """One variable, how its values are checked, and what it cost"""
        return Response(show_variable(self.named(name)))

    @documented("update_variable", s.VariableDetailOutput, body=s.VariablePatch, tag="variables")
    def partial_update(self, request, name):
        """Change the prompt: what it wrote before becomes stale"""
        variable = variables.update_variable(variable=self.named(name), **self.validated(s.VariablePatch))
        return Response(show_variable(variable))

    @documented("delete_variable", status=204, tag="variables")
    def destroy(self, request, name):
        """Delete a variable with its values"""
        variables.delete_variable(variable=self.named(name))
        return Response(status=204)

    @documented("generate_variable", s.GenerateOutput, body=s.GenerateInput, tag="variables")
    def generate(self, request, name):
        """Write the variable for leads; poll GET /variables for pct"""
        return Response(generate(request.auth, self.named(name), **self.validated(s.GenerateInput)))


def show_variables(rows: list[Variable]) -> list[dict]:
    return s.VariableOutput(rows, many=True, context={"progress": variables.progress(rows)}).data


def show_variable(variable: Variable) -> dict:
    variable.money = money_of(variable)
    return s.VariableDetailOutput(variable, context={"progress": variables.progress([variable])}).data


def generate(
    caller, variable: Variable, *, group_id=None, lead_ids=None, force=False, sample=None, dry_run=False, urgent=False,
    max_cost=None,
) -> dict:  # fmt: skip
    """Queue (or with dry_run only count) the values of a group, of some leads, or of everyone."""
    workspace = caller.workspace
    leads = Lead.objects.for_workspace(workspace)
    if group_id is not None:
        leads = leads.in_group(group_id)
    if lead_ids is not None:
        leads = leads.filter(pk__in=[lead.pk for lead in lead_ids])
    if sample is not None:
        leads = variables.sample_of(variable=variable, leads=leads, size=sample, force=force)
    now = now_for(workspace)
    if dry_run:
        counts = variables.what_to_generate(variable=variable, leads=leads, force=force, urgent=urgent, now=now)
    else:
        refuse_unpriced(workspace)
        counts = variables.queue_generation(
            variable=variable, leads=leads, force=force, urgent=urgent, money_limit=max_cost,
            api_key_id=caller.key_id, now=now,
        )  # fmt: skip
        ring(tasks.work_batches if counts["mode"] == "batch" else tasks.generate_due)
    job = counts.pop("job", None)
    if dry_run:
        counts["estimate"] = EstimateOutput(counts["estimate"]).data
    return {
        "variable": variable.name,
        "estimate": None,
        **counts,
        "job_id": str(job.pk) if job else None,
        "writer": writer_for(workspace_is_test=not workspace.livemode).name,
        "dry_run": dry_run,
        "poll_with": "list_variables",
        "poll_after_seconds": 2,
    }


class ImportViewSet(WorkspaceViewSet):
    scopes = {"list": "leads:read", "create": "leads:write", "retrieve": "leads:read"}
    bulk_actions = ("create",)

    def get_parsers(self):
        return [parser() for parser in FILE_PARSERS]

    @documented("list_imports", s.ImportOutput, many=True, query=OptionalPageInput, tag="imports")
    def list(self, request):
        """Files taken in, newest first"""
        rows = self.mine(Import.objects.defer("content"))
        query = self.validated_query(OptionalPageInput)
        return Response(list_of(rows, query, show=lambda found: s.ImportOutput(found, many=True).data))

    @documented(
        "create_import",
        s.ImportOutput,
        body={"text/csv": OpenApiTypes.BINARY},
        query=s.ImportInput,
        status=201,
        tag="imports",
    )
    def create(self, request):
        """Take in a CSV or XLSX file; poll GET /imports/:id

        The body is the file itself (text/csv or the XLSX type); options are query parameters.
        """
        options = self.validated_query(s.ImportInput)
        batch = imports.start_import(
            workspace=self.workspace, now=now_for(self.workspace), content=file_of(request),
            content_type=request.content_type, **_import_options(options),
        )  # fmt: skip
        ring(tasks.read_imports)
        return Response(s.ImportOutput(batch).data, status=201)

    @documented("get_import", s.ImportOutput, tag="imports")
    def retrieve(self, request, pk):
        """One import: counts, and the rows that were refused"""
        return Response(s.ImportOutput(self.one(Import.objects.defer("content"), pk)).data)


def file_of(request) -> bytes:
    content = request.data
    if not isinstance(content, bytes) or not content:
        raise Invalid.field("file", "Send the file itself as the body, with Content-Type: text/csv.")
    return content


def _import_options(query: dict) -> dict:
    options = {name: value for name, value in query.items() if name != "groups"}
    names = [name.strip() for name in query.get("groups", "").split(",") if name.strip()]
    return {**options, "groups": names}
