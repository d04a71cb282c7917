"""Campaigns: the runs with their buttons and numbers, and what they say."""

from django.contrib import admin
from django.utils.html import format_html

from apikeys.models import Event
from apikeys.services import now_for
from campaigns import reports, routing_admin, sequences, services  # noqa: F401  one registers its pages
from campaigns.explain_pages import shown
from campaigns.explaining import explain_lead
from campaigns.models import Campaign, Enrollment, Sequence, SequenceVersion, Step, Touch, Variant
from campaigns.promises import moves_of, tell_next_send
from campaigns.states import LEGAL_NOW, RUN_STATUS
from campaigns.tasks import tick
from outbound.admin_base import IdFilter, LogAdmin, OwnedAdmin, OwnedInline, Verb, WorkspaceFilter
from outbound.admin_display import AMBER, BLUE, GREEN, GREY, RED, badge, badge_column, list_url, when
from outbound.doorbell import ring

STATUS_COLORS = {"active": GREEN, "paused": AMBER, "completed": BLUE, "failed": RED}
ENROLLMENT_COLORS = {
    "active": BLUE, "held": AMBER, "paused": AMBER, "completed": GREEN, "replied": GREEN, "bounced": RED, "failed": RED,
    "unsubscribed": AMBER,
}  # fmt: skip


@admin.register(Sequence)
class SequenceAdmin(OwnedAdmin):
    list_display = ["name", "workspace", "description", when("updated_at", "Changed"), when("created_at", "Made")]
    list_filter = [WorkspaceFilter]
    list_select_related = ["workspace"]
    search_fields = ["name"]
    fields = ["workspace", "name", "description"]
    readonly_fields = ["workspace"]
    overview_template = "admin/outbound/sequence.html"

    def has_add_permission(self, request, obj=None):
        return False  # steps are written through the API and by agents

    def update(self, request, obj, form):
        stored = Sequence.objects.select_related("workspace").get(pk=obj.pk)
        return services.update_sequence(sequence=stored, now=now_for(stored.workspace), **form.cleaned_data)

    def delete_model(self, request, obj):
        services.delete_sequence(sequence=obj)

    def overview(self, request, obj):
        version = obj.versions.order_by("-number").first()
        return {
            "version": version,
            "steps": steps_of(obj),
            "warnings": sequences.warnings_for(obj),
            "runs": list(obj.campaigns.order_by("-id")[:20]),
            "older": obj.versions.count() - 1,
        }


def steps_of(sequence: Sequence) -> list[dict]:
    return [{"step": step, "wordings": sequences.wordings(step)} for step in sequences.current_steps(sequence)]


@admin.register(SequenceVersion)
class SequenceVersionAdmin(LogAdmin):
    workspace_path = "sequence__workspace_id"
    list_display = ["sequence", "number", when("created_at", "Made", workspace="sequence__workspace")]
    list_filter = [WorkspaceFilter]
    list_select_related = ["sequence__workspace"]
    search_fields = ["sequence__name"]
    fields = ["sequence", "number", "created_at"]


class VariantInline(OwnedInline):
    model = Variant
    fields = ["label", "weight", "subject", "body_text"]


@admin.register(Step)
class StepAdmin(LogAdmin):
    workspace_path = "version__sequence__workspace_id"
    list_display = ["position", "version", "subject", "wait"]
    list_filter = [WorkspaceFilter]
    list_select_related = ["version__sequence"]
    search_fields = ["subject", "version__sequence__name"]
    inlines = [VariantInline]
    fields = ["version", "position", "subject", "body_text", "body_html", "delay_days", "delay_hours"]

    @admin.display(description="Waits")
    def wait(self, obj):
        return f"{obj.delay_days} d {obj.delay_hours} h" if obj.position > 1 else "first"


@admin.register(Variant)
class VariantAdmin(LogAdmin):
    workspace_path = "step__version__sequence__workspace_id"
    list_display = ["label", "step", "subject", "weight"]
    list_filter = [WorkspaceFilter]
    list_select_related = ["step"]
    search_fields = ["label", "subject"]
    fields = ["step", "label", "weight", "subject", "body_text", "body_html"]


class StatusFilter(admin.SimpleListFilter):
    title, parameter_name = "status", "status"

    def lookups(self, request, model_admin):
        return [(status, RUN_STATUS.get(status, status)) for status in Campaign.Status.values]

    def queryset(self, request, queryset):
        return queryset.filter(status=self.value()) if self.value() else queryset


@admin.register(Campaign)
class CampaignAdmin(LogAdmin):
    list_display = ["name", "workspace", "status_badge", "sequence", "people", "mails", when("launched_at", "Launched")]
    list_filter = [WorkspaceFilter, StatusFilter, "engine"]
    list_select_related = ["workspace", "sequence"]
    search_fields = ["name"]
    overview_template = "admin/outbound/campaign.html"
    verbs = (
        Verb("launch", "Launch", "Launch it? Mail leaves as soon as the window opens."),
        Verb("pause", "Pause", bulk=True),
        Verb("resume", "Resume", bulk=True),
        Verb(
            "stop",
            "Stop for good",
            "Stop it for good? What waits is canceled and it can never go on.",
            danger=True,
            bulk=True,
        ),
    )
    fieldsets = [
        (None, {"fields": ["workspace", ("sequence", "group"), ("engine", "mailboxes")]}),
        ("Schedule", {"fields": [
            ("schedule_timezone", "days"), ("schedule_start_time", "schedule_end_time"),
            ("day_hours", "send_in_lead_timezone", "skip_holidays"), ("daily_limit", "send_gap_minutes"),
        ]}),
        ("Tracking", {"fields": [("track_opens", "track_clicks")]}),
        ("Dates", {"fields": [("launched_at", "ended_at")]}),
    ]  # fmt: skip

    def verbs_now(self, obj):
        legal = LEGAL_NOW[obj.status]
        # From a pause both words mean the same here: one button.
        return [verb for verb in self.verbs if verb.name in legal and (verb.name, obj.status) != ("launch", "paused")]

    def changelist_view(self, request, extra_context=None):
        response = super().changelist_view(request, extra_context)
        # Every number of the page in two statements.
        page = getattr(response, "context_data", None) or {}
        if "cl" in page:
            rows = list(page["cl"].result_list)
            people, mails = reports.breakdowns(rows), reports.message_counts(rows)
            for row in rows:
                row.people_counts, row.mail_counts = people[row.pk], mails[row.pk]
        return response

    @admin.display(description="Status", ordering="status")
    def status_badge(self, obj):
        return status_badge(obj)

    @admin.display(description="Days")
    def days(self, obj):
        return ", ".join(obj.schedule_days)

    @admin.display(description="On their way · all")
    def people(self, obj):
        counts = obj.people_counts
        return f"{counts['active'] + counts['held']} · {sum(counts.values())}"

    @admin.display(description="Sent · replied")
    def mails(self, obj):
        return f"{obj.mail_counts['sent']} · {obj.mail_counts['replies']}"

    def do_launch(self, request, obj):
        services.launch(campaign=obj, now=now_for(obj.workspace))
        ring(tick, workspace_id=None if obj.workspace.livemode else str(obj.workspace_id))
        return f"{obj.name} is running."

    def do_pause(self, request, obj):
        services.pause(campaign=obj, now=now_for(obj.workspace))
        waiting = services.settle_pause(obj)
        return f"{obj.name} is paused." + (f" {waiting} already left; their answer is awaited." if waiting else "")

    def do_resume(self, request, obj):
        services.resume(campaign=obj, now=now_for(obj.workspace))
        ring(tick, workspace_id=None if obj.workspace.livemode else str(obj.workspace_id))
        return f"{obj.name} goes on."

    def do_stop(self, request, obj):
        services.stop(campaign=obj, now=now_for(obj.workspace))
        return f"{obj.name} was stopped for good."

    def overview(self, request, obj):
        zone = obj.workspace.timezone
        people, mails = reports.breakdowns([obj])[obj.pk], reports.message_counts([obj])[obj.pk]
        told = tell_next_send(obj, now=now_for(obj.workspace))
        return {
            "campaign": obj,
            "status": status_badge(obj),
            "people": [
                (
                    badge(status, ENROLLMENT_COLORS.get(status, GREY)),
                    count,
                    list_url("campaigns.enrollment", campaign=obj.pk, status=status),
                )
                for status, count in people.items()
            ],
            "enrolled": sum(people.values()),
            "mails": [
                (word.replace("_", " "), mails[name], list_url("sending.message", lane=obj.lane_id, **filters))
                for word, name, filters in MAIL_COUNTS
            ],
            "rate": rate(mails["replies"], mails["sent"]),
            "held": reports.held_by_reason(obj).items(),
            "told": shown(told, zone),
            "moves": moves_of(obj),
            "zone": zone,
            "steps": steps_of(obj.sequence) if obj.sequence else [],
            "events": list(reports.log_of(obj, limit=20)),
        }


MAIL_COUNTS = [
    ("sent", "sent", {"direction": "out", "state": "sent"}),
    ("queued", "queued", {"direction": "out", "state": "queued"}),
    ("in flight", "in_flight", {"direction": "out", "state": "committed"}),
    ("parked", "unknown", {"direction": "out", "state": "unknown"}),
    ("refused", "refused", {"direction": "out", "state": "refused"}),
    ("replies", "replies", {"direction": "in", "kind": "reply"}),
]


def status_badge(campaign):
    word = RUN_STATUS.get(campaign.status, campaign.status)
    return format_html(
        '<span title="{}">{}</span>', campaign.status_reason, badge(word, STATUS_COLORS.get(campaign.status, GREY))
    )


def rate(part: int, whole: int) -> str:
    """Never without the sample it was taken from."""
    return f"{100 * part / whole:.1f} % of {whole}" if whole else "nothing sent yet"


class CampaignFilter(IdFilter):
    """Reached by links from a campaign's page; the choices are the newest ones."""

    title, parameter_name, field = "campaign", "campaign", "campaign"

    def lookups(self, request, model_admin):
        rows = admin.site._registry[Campaign].get_queryset(request).order_by("-id")
        return [(str(pk), name) for pk, name in rows.values_list("pk", "name")[:30]]


@admin.register(Enrollment)
class EnrollmentAdmin(LogAdmin):
    workspace_path = "campaign__workspace_id"
    list_display = [
        "lead",
        "campaign",
        "status_badge",
        "reason",
        "position",
        when("due_at", "Next step", workspace="campaign__workspace"),
    ]
    list_filter = [WorkspaceFilter, CampaignFilter, "status"]
    list_select_related = ["lead", "campaign__workspace"]
    search_fields = ["lead__email"]
    fields = ["campaign", "lead", "status", "reason", "position", "due_at", "mailbox", "thread", "created_at"]
    status_badge = staticmethod(badge_column("status", ENROLLMENT_COLORS, "Status"))
    overview_template = "admin/outbound/enrollment.html"

    def overview(self, request, obj):
        workspace = obj.campaign.workspace
        about = Event.objects.filter(campaign_id=obj.campaign_id, lead_id=obj.lead_id, lead_id__isnull=False)
        return {
            "told": shown(explain_lead(obj, now=now_for(workspace)), workspace.timezone),
            "events": list(about.newest_first()[:20]),
            "zone": workspace.timezone,
        }


@admin.register(Touch)
class TouchAdmin(LogAdmin):
    workspace_path = "enrollment__campaign__workspace_id"
    list_display = ["enrollment", "position", "variant", "message", "created_at"]
    list_filter = [WorkspaceFilter]
    list_select_related = ["enrollment__lead", "enrollment__campaign", "message"]
    search_fields = ["enrollment__lead__email"]
    fields = ["enrollment", "position", "step", "variant", "message", "created_at"]
