"""Leads: people, groups, variables, suppressions, files that came in."""

from django.contrib import admin
from django.db.models import Count
from django.utils.html import format_html

from apikeys.models import Event
from apikeys.services import now_for
from leads import generation_admin, imports, services, suppression_admin, variables  # noqa: F401  they register pages
from leads.estimates import money_of
from leads.forms import ImportForm, LeadForm
from leads.health import shown_health
from leads.jobs import refuse_unpriced
from leads.models import (
    DomainFact,
    Group,
    GroupMember,
    Import,
    Lead,
    Suppression,
    ValidationCredits,
    Variable,
    VariableValue,
)
from leads.review_admin import ReviewPage
from leads.tasks import generate_due, read_imports, work_batches
from outbound.admin_base import IdFilter, LogAdmin, OwnedAdmin, Verb, WorkspaceFilter
from outbound.admin_display import AMBER, BLUE, GREEN, GREY, RED, badge, badge_column, list_url, when
from outbound.doorbell import ring

HEALTH_COLORS = {"green": GREEN, "yellow": AMBER, "red": RED}
STATUS_COLORS = {"active": GREEN, "paused": AMBER, "blocked": RED}
VALUE_COLORS = {
    "done": GREEN,
    "overridden": GREEN,
    "review": AMBER,
    "pending": BLUE,
    "generating": BLUE,
    "failed": RED,
    "skipped": AMBER,
    "stale": AMBER,
}
IMPORT_COLORS = {"done": GREEN, "failed": RED, "running": BLUE, "queued": BLUE}


class InGroupFilter(IdFilter):
    title, parameter_name, field = "group", "group", "memberships__group"

    def lookups(self, request, model_admin):
        groups = admin.site._registry[Group].get_queryset(request).order_by("name")
        return [(str(pk), name) for pk, name in groups.values_list("pk", "name")[:100]]


@admin.register(Lead)
class LeadAdmin(OwnedAdmin):
    form = LeadForm
    paginator = LogAdmin.paginator
    list_display = [
        "email",
        "full_name",
        "company_name",
        "status_badge",
        "health",
        "activity",
        when("created_at", "Added"),
    ]
    list_filter = [WorkspaceFilter, "status", InGroupFilter]
    list_select_related = ["workspace"]
    search_fields = ["email"]
    search_help_text = "E-mail, name or company"
    autocomplete_fields = ["workspace"]
    readonly_fields = ["status", "source", "created_at", "last_activity_at", "away_until"]
    overview_template = "admin/outbound/lead.html"
    verbs = (
        Verb(
            "suppress", "Never write to again", "Never write to them again? Every run leaves them out from now on.",
            danger=True, bulk=True,
        ),
    )  # fmt: skip
    fieldsets = [
        (None, {"fields": ["workspace", "email", ("first_name", "last_name"), ("company_name", "title"), "persona"]}),
        ("Reach", {"fields": [("phone", "website"), "linkedin_url", ("city", "country"), "timezone"]}),
        ("More", {"fields": ["lead_score", "custom", "status", "source", "created_at"]}),
    ]

    def get_readonly_fields(self, request, obj=None):
        return [*self.readonly_fields, "workspace"] if obj else self.readonly_fields

    def get_search_results(self, request, queryset, search_term):
        return queryset.search(search_term), False

    def verbs_now(self, obj):
        return [] if obj.status == Lead.Status.BLOCKED else list(self.verbs)

    def create(self, request, obj, form):
        row = {name: value for name, value in form.row.fields.items() if value not in ("", None)}
        return services.add_lead(workspace=obj.workspace, row=row, now=now_for(obj.workspace))[0]

    def update(self, request, obj, form):
        return services.update_lead(lead=obj, row=form.row, now=now_for(obj.workspace))

    def delete_model(self, request, obj):
        services.delete_lead(lead=obj)

    def do_suppress(self, request, obj):
        services.suppress(
            workspace=obj.workspace, value=obj.email, kind=Suppression.Kind.MANUAL, now=now_for(obj.workspace),
            reason=f"By {request.user} in the admin.",
        )  # fmt: skip
        return f"{obj.email} is never written to again."

    def overview(self, request, obj):
        health, reasons = shown_health(obj)
        values = obj.variable_values.select_related("variable").order_by("variable__name")[:50]
        return {
            "health": badge(health, HEALTH_COLORS[health]),
            "reasons": reasons,
            "lead": obj,
            "groups": list(obj.groups.order_by("name")[:50]),
            "values": [(value, badge(value.state, VALUE_COLORS.get(value.state, GREY))) for value in values],
            "threads": list(obj.threads.select_related("mailbox").order_by("-id")[:20]),
            "enrollments": list(obj.enrollments.select_related("campaign").order_by("-id")[:20]),
            "events": list(Event.objects.filter(lead_id=obj.pk).newest_first()[:30]),
            "zone": obj.workspace.timezone,
        }

    @admin.display(description="Name")
    def full_name(self, obj):
        return f"{obj.first_name} {obj.last_name}".strip() or "–"

    status_badge = staticmethod(badge_column("status", STATUS_COLORS, "Status"))

    @admin.display(description="Health")
    def health(self, obj):
        health, reasons = shown_health(obj)
        return format_html('<span title="{}">{}</span>', " ".join(reasons), badge(health, HEALTH_COLORS[health]))

    @admin.display(description="Sent · replied", ordering="emails_sent")
    def activity(self, obj):
        return f"{obj.emails_sent} · {obj.emails_replied}"


@admin.register(Group)
class GroupAdmin(OwnedAdmin):
    list_display = ["name", "workspace", "lead_count", "color", "description", when("created_at", "Made")]
    list_filter = [WorkspaceFilter]
    list_select_related = ["workspace"]
    search_fields = ["name"]
    autocomplete_fields = ["workspace"]
    fields = ["workspace", "name", "color", "description"]

    def get_readonly_fields(self, request, obj=None):
        return ["workspace"] if obj else []

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(members=Count("memberships"))

    @admin.display(description="Leads", ordering="members")
    def lead_count(self, obj):
        return format_html('<a class="ob-link" href="{}">{}</a>', list_url("leads.lead", group=obj.pk), obj.members)

    def create(self, request, obj, form):
        return services.create_group(**form.cleaned_data, now=now_for(obj.workspace))

    def update(self, request, obj, form):
        stored = Group.objects.select_related("workspace").get(pk=obj.pk)
        return services.update_group(group=stored, **form.cleaned_data)

    def delete_model(self, request, obj):
        services.delete_group(group=obj)


@admin.register(GroupMember)
class GroupMemberAdmin(LogAdmin):
    workspace_path = "group__workspace_id"
    list_display = ["lead", "group"]
    list_filter = [WorkspaceFilter]
    list_select_related = ["lead", "group"]
    search_fields = ["lead__email"]
    fields = ["group", "lead"]


@admin.register(Variable)
class VariableAdmin(ReviewPage, OwnedAdmin):
    list_display = ["name", "workspace", "output_type", "progress", when("created_at", "Made")]
    list_filter = [WorkspaceFilter, "output_type"]
    list_select_related = ["workspace"]
    search_fields = ["name", "prompt_template"]
    autocomplete_fields = ["workspace"]
    fields = ["workspace", "name", "output_type", "prompt_template", "unsupported", "fallback", "max_length"]
    overview_template = "admin/outbound/variable.html"
    verbs = (
        Verb(
            "generate",
            "Generate for every lead",
            "Write it for every lead that has none yet? A model is paid for it.",
            bulk=True,
        ),
        Verb("sample", "Write ten to look at"),
        Verb("retry", "Retry what failed", bulk=True),
    )

    def get_readonly_fields(self, request, obj=None):
        return ["workspace", "name"] if obj else []

    def create(self, request, obj, form):
        return variables.create_variable(**form.cleaned_data, now=now_for(obj.workspace))

    def update(self, request, obj, form):
        stored = Variable.objects.select_related("workspace").get(pk=obj.pk)
        return variables.update_variable(variable=stored, **form.cleaned_data)

    def delete_model(self, request, obj):
        variables.delete_variable(variable=obj)

    def do_generate(self, request, obj):
        return self._queue(obj, Lead.objects.for_workspace(obj.workspace))

    def do_sample(self, request, obj):
        everyone = Lead.objects.for_workspace(obj.workspace)
        return self._queue(obj, variables.sample_of(variable=obj, leads=everyone, size=10))

    def do_retry(self, request, obj):
        failed = obj.values.filter(state__in=variables.AGAIN).values("lead_id")
        return self._queue(obj, Lead.objects.filter(pk__in=failed))

    def _queue(self, obj, leads) -> str:
        refuse_unpriced(obj.workspace)
        counts = variables.queue_generation(variable=obj, leads=leads, now=now_for(obj.workspace))
        ring(work_batches if counts["mode"] == "batch" else generate_due)
        return f"{obj.name}: {counts['to_do']} to write, {counts['already_done']} there already."

    def changelist_view(self, request, extra_context=None):
        response = super().changelist_view(request, extra_context)
        # All bars in one statement: the rows of this page get their counts before they are drawn.
        page = getattr(response, "context_data", None) or {}
        if "cl" in page:
            counts = variables.progress(list(page["cl"].result_list))
            for row in page["cl"].result_list:
                row.counts = counts[row.pk]
        return response

    @admin.display(description="Progress")
    def progress(self, obj):
        return bar(obj.counts)

    def overview(self, request, obj):
        counts = variables.generation_status(obj)
        settled = obj.values.filter(state__in=["done", "overridden"])
        return {
            "bar": bar(counts),
            "counts": [
                (state, counts[state], badge(state, VALUE_COLORS.get(state, GREY)))
                for state in VariableValue.State.values
            ],
            "failures": counts["reasons"],
            "in_review": counts["review"],
            "money": money_of(obj),
            "variable": obj,
            "sample": list(settled.select_related("lead").order_by("-settled_at")[:10]),
        }


def bar(counts: dict):
    if not counts["total"]:
        return "not generated yet"
    done = counts["done"] + counts["overridden"]
    bad = counts["failed"] + counts["skipped"] + counts["review"]
    return format_html(
        '<span class="ob-bar"><svg viewBox="0 0 100 6" preserveAspectRatio="none">'
        '<rect class="ob-fill-green" width="{}" height="6"></rect>'
        '<rect class="ob-fill-red" x="{}" width="{}" height="6"></rect></svg>{} % of {}</span>',
        f"{100 * done / counts['total']:.2f}",
        f"{100 * done / counts['total']:.2f}",
        f"{100 * bad / counts['total']:.2f}",
        counts["pct"],
        counts["total"],
    )


@admin.register(VariableValue)
class VariableValueAdmin(LogAdmin):
    list_display = ["text", "variable", "lead", "state_badge", "written_by", "reason"]
    list_filter = [WorkspaceFilter, "state"]
    list_select_related = ["variable", "lead"]
    search_fields = ["lead__email", "variable__name"]
    fields = ["workspace", "variable", "lead", "state", "value", "reason", "written_by", "attempts", "settled_at"]
    state_badge = staticmethod(badge_column("state", VALUE_COLORS, "State"))
    verbs = (Verb("retry", "Write again", bulk=True),)

    @admin.display(description="Value")
    def text(self, obj):
        return str(obj.value)[:90] if obj.value is not None else "–"

    @admin.display(description="Writer")
    def written_by(self, obj):
        return writer_of(obj)

    def do_retry(self, request, obj):
        variable, lead = obj.variable, Lead.objects.filter(pk=obj.lead_id)
        counts = variables.queue_generation(variable=variable, leads=lead, now=now_for(variable.workspace))
        ring(generate_due)
        return f"{variable.name} is written again." if counts["to_do"] else f"{variable.name} is there already."


def writer_of(value) -> str:
    """Sandbox text is marked as such wherever it is shown."""
    if value.writer == "fallback":
        return badge("fallback", AMBER)
    return badge("sandbox", AMBER) if value.writer == "sandbox" else value.model or value.writer or "–"


@admin.register(Import)
class ImportAdmin(OwnedAdmin):
    form = ImportForm
    list_display = ["filename", "state_badge", "workspace", "total", "created", "left_out", when("created_at", "When")]
    list_filter = [WorkspaceFilter, "state"]
    list_select_related = ["workspace"]
    search_fields = ["filename"]
    date_hierarchy = "created_at"
    autocomplete_fields = ["workspace"]
    overview_template = "admin/outbound/import.html"
    state_badge = staticmethod(badge_column("state", IMPORT_COLORS, "State"))
    shown = [
        "workspace",
        "filename",
        "state",
        "failure",
        "total",
        "created",
        "updated",
        "duplicates",
        "rejected",
        "suppressed",
        "mapping",
        "options",
        "finished_at",
    ]

    def get_queryset(self, request):
        return super().get_queryset(request).defer("content", "problems")

    def get_fields(self, request, obj=None):
        return self.shown if obj else ["workspace", "file", "on_duplicate", "groups"]

    def has_change_permission(self, request, obj=None):
        return False

    has_delete_permission = has_change_permission

    @admin.display(description="Updated · same · refused")
    def left_out(self, obj):
        return f"{obj.updated} · {obj.duplicates} · {obj.rejected}"

    def create(self, request, obj, form):
        file, workspace = form.cleaned_data["file"], obj.workspace
        batch = imports.start_import(
            workspace=workspace, content=file.read(), filename=file.name, content_type=file.content_type or "",
            on_duplicate=form.cleaned_data["on_duplicate"], groups=form.cleaned_data["groups"], now=now_for(workspace),
        )  # fmt: skip
        ring(read_imports)
        return batch

    def overview(self, request, obj):
        return {"problems": obj.problems[:100], "batch": obj}


@admin.register(DomainFact)
class DomainFactAdmin(LogAdmin):
    list_display = ["domain", "workspace", "outcome", "is_catch_all", "detail", when("fresh_until", "Fresh until")]
    list_filter = [WorkspaceFilter, "outcome"]
    list_select_related = ["workspace"]
    search_fields = ["domain"]
    fields = ["workspace", "domain", "outcome", "detail", "is_catch_all", "fresh_until", "retries", "due_at"]


@admin.register(ValidationCredits)
class ValidationCreditsAdmin(LogAdmin):
    list_display = ["workspace", "month", "spent"]
    list_filter = [WorkspaceFilter]
    list_select_related = ["workspace"]
    search_fields = ["workspace__name"]
    fields = ["workspace", "month", "spent"]
