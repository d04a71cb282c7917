"""Sending: mailboxes, domains, threads, and the outbox."""

from django import forms
from django.contrib import admin
from django.db.models import Exists, OuterRef
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from apikeys.models import Event
from apikeys.services import now_for
from outbound.admin_base import LogAdmin, OwnedAdmin, Verb, WorkspaceFilter
from outbound.admin_display import AMBER, GREEN, RED, badge, badge_column, when
from sending import limits, services
from sending.letter_views import KIND_COLORS, STATE_COLORS, shown
from sending.mailboxes import MAY_SEND, check_connection, pause_mailbox, resume_mailbox
from sending.models import (
    Domain,
    Lane,
    Mailbox,
    Message,
    MessageBody,
    SandboxDelivery,
    SendCounter,
    StateTransition,
    Thread,
)  # fmt: skip
from sending.providers import PROVIDERS

PHASE_COLORS = {
    "healthy": GREEN, "warning": AMBER, "paused": RED, "quarantine": RED,
    "restricted_send": AMBER, "warm_recovery": AMBER,
}  # fmt: skip


@admin.register(Domain)
class DomainAdmin(LogAdmin):
    list_display = ["name", "workspace", "phase_badge", "resilience_score", when("created_at", "Since")]
    list_filter = [WorkspaceFilter, "phase"]
    list_select_related = ["workspace"]
    search_fields = ["name"]
    fields = ["workspace", "name", "phase", "resilience_score", "created_at"]
    phase_badge = staticmethod(badge_column("phase", PHASE_COLORS, "Phase"))


class MailboxForm(forms.ModelForm):
    """The password is taken and never given back: the field starts empty, and empty means unchanged."""

    new_password = forms.CharField(
        label="Password",
        required=False,
        strip=False,
        help_text="Kept encrypted, never shown. Leave it empty to keep the one there is.",
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = Mailbox
        fields = [
            "workspace",
            "email",
            "display_name",
            "provider",
            "smtp_host",
            "smtp_port",
            "smtp_security",
            "username",
        ]
        widgets = {"provider": UnfoldAdminSelectWidget(choices=[(name, name) for name in PROVIDERS])}

    def clean(self):
        data = super().clean()
        email, workspace = str(data.get("email") or "").strip().lower(), data.get("workspace")
        if email and "@" not in email:
            self.add_error("email", "Give an e-mail address.")
        if workspace and Mailbox.objects.filter(workspace=workspace, email=email).exclude(pk=self.instance.pk).exists():
            self.add_error("email", f"{email} is connected already.")
        provider = data.get("provider") or self.instance.provider
        if provider == "smtp" and not data.get("smtp_host") and (workspace is None or workspace.livemode):
            self.add_error("smtp_host", "Say which server takes its mail, such as smtp.example.com.")
        return data


class TroubleFilter(admin.SimpleListFilter):
    title, parameter_name = "trouble", "trouble"

    def lookups(self, request, model_admin):
        return [("yes", "cannot send now")]

    def queryset(self, request, queryset):
        return troubled(queryset) if self.value() else queryset


def troubled(mailboxes):
    """Those that cannot send: paused, or their sign-in fails."""
    able = mailboxes.filter(phase__in=MAY_SEND).exclude(connection_status=Mailbox.Connection.AUTH_FAILED)
    return mailboxes.exclude(pk__in=able.values("pk"))


@admin.register(Mailbox)
class MailboxAdmin(OwnedAdmin):
    form = MailboxForm
    list_display = [
        "email", "workspace", "phase_badge", "connection", "cap", "totals", when("last_sent_at", "Last sent"),
    ]  # fmt: skip
    list_filter = [WorkspaceFilter, "phase", "connection_status", TroubleFilter]
    list_select_related = ["workspace"]
    search_fields = ["email", "display_name"]
    autocomplete_fields = ["workspace"]
    readonly_fields = [
        "phase", "paused_reason", "connection_status", "connection_detail", "next_free_at", "last_sent_at",
    ]  # fmt: skip
    verbs = (
        Verb("pause", "Pause", bulk=True),
        Verb("resume", "Resume", bulk=True),
        Verb("check", "Test the connection", bulk=True),
    )
    fieldsets = [
        (None, {"fields": ["workspace", "email", "display_name", "provider"]}),
        ("Server", {"fields": ["smtp_host", ("smtp_port", "smtp_security"), "username", "new_password"]}),
        ("Pace", {"fields": [("daily_limit", "send_gap_seconds")]}),
    ]
    standing = (
        "Where it stands",
        {
            "fields": [
                ("phase", "paused_reason"),
                ("connection_status", "connection_detail"),
                ("next_free_at", "last_sent_at"),
            ]
        },
    )
    phase_badge = staticmethod(badge_column("phase", PHASE_COLORS, "Phase"))

    def get_fieldsets(self, request, obj=None):
        return [*self.fieldsets, self.standing] if obj else self.fieldsets

    def get_readonly_fields(self, request, obj=None):
        return [*self.readonly_fields, "workspace", "email"] if obj else self.readonly_fields

    def has_delete_permission(self, request, obj=None):
        return False  # its threads and messages stay

    def verbs_now(self, obj):
        hidden = "pause" if obj.phase not in MAY_SEND else "resume"
        return [verb for verb in self.verbs if verb.name != hidden]

    @admin.display(description="Connection", ordering="connection_status")
    def connection(self, obj):
        color = {"active": GREEN, "auth_failed": RED}.get(obj.connection_status, AMBER)
        shown = badge(obj.connection_status.replace("_", " "), color)
        return format_html('<span title="{}">{}</span>', obj.connection_detail, shown)

    def changelist_view(self, request, extra_context=None):
        response = super().changelist_view(request, extra_context)
        page = getattr(response, "context_data", None) or {}
        if "cl" in page:
            add_used_today(list(page["cl"].result_list))
        return response

    @admin.display(description="Sent today")
    def cap(self, obj):
        return f"{obj.used_today} of {obj.daily_limit}"

    @admin.display(description="Sent · bounced", ordering="total_sent_count")
    def totals(self, obj):
        return f"{obj.total_sent_count} · {obj.hard_bounce_count}"

    def create(self, request, obj, form):
        data = dict(form.cleaned_data)
        password = data.pop("new_password")
        return services.connect_mailbox(**data, password=password, now=now_for(obj.workspace))

    def update(self, request, obj, form):
        if form.cleaned_data["new_password"]:
            obj.password = form.cleaned_data["new_password"]
        changed = [name for name in form.changed_data if name != "new_password"]
        obj.save(update_fields=[*changed, "password"])

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        response = super().changeform_view(request, object_id, form_url, extra_context)
        saved = getattr(request, "_saved_mailbox", None)
        if saved is not None:  # here the form's transaction is over, which must not wait for a mail server
            self._say_whether_it_works(request, saved)
        return response

    def response_add(self, request, obj, post_url_continue=None):
        request._saved_mailbox = obj
        return super().response_add(request, obj, post_url_continue)

    def response_change(self, request, obj):
        request._saved_mailbox = obj
        return super().response_change(request, obj)

    def _say_whether_it_works(self, request, obj) -> None:
        works, sentence = check_connection(obj)
        self.message_user(request, f"{obj.email}: {sentence}", "SUCCESS" if works else "ERROR")

    def do_pause(self, request, obj):
        pause_mailbox(mailbox=obj, reason=f"Paused by {request.user}.", now=now_for(obj.workspace))
        return f"{obj.email} is paused."

    def do_resume(self, request, obj):
        resume_mailbox(mailbox=obj, now=now_for(obj.workspace))
        return f"{obj.email} sends again."

    def do_check(self, request, obj):
        self._say_whether_it_works(request, obj)
        return ""


def add_used_today(mailboxes) -> None:
    """`used_today` on each, by its workspace's calendar day: one statement."""
    counters = {
        limits.counter_id("mailbox", box.pk, limits.local_day(box.workspace.timezone, now_for(box.workspace))): box
        for box in mailboxes
    }
    used = dict(SendCounter.objects.filter(pk__in=list(counters)).values_list("pk", "used"))
    for pk, box in counters.items():
        box.used_today = used.get(pk, 0)


@admin.register(StateTransition)
class StateTransitionAdmin(LogAdmin):
    list_display = ["name", "kind", "from_phase", "to_phase", "reason", "actor", "created_at"]
    list_filter = [WorkspaceFilter, "kind", "to_phase"]
    search_fields = ["name"]


@admin.register(Lane)
class LaneAdmin(LogAdmin):
    list_display = ["id", "workspace", "state_badge", "daily_limit", "send_gap_seconds", "timezone"]
    list_filter = [WorkspaceFilter, "state"]
    list_select_related = ["workspace"]
    search_fields = ["id"]
    fields = ["workspace", "state", "daily_limit", "send_gap_seconds", "timezone", "reference", "created_at"]
    state_badge = staticmethod(badge_column("state", {"open": GREEN, "shut": AMBER, "closed": RED}, "State"))


@admin.register(Thread)
class ThreadAdmin(LogAdmin):
    list_display = ["contact_email", "subject", "mailbox", "workspace", when("last_inbound_at", "Last answer")]
    list_filter = [WorkspaceFilter, ("last_inbound_at", admin.EmptyFieldListFilter)]
    list_select_related = ["mailbox", "workspace"]
    search_fields = ["contact_email", "subject"]
    fields = ["workspace", "mailbox", "lead", "contact_email", "subject", "last_inbound_at"]
    overview_template = "admin/outbound/thread.html"

    def overview(self, request, obj):
        messages = obj.messages.select_related("body").order_by("created_at", "id")[:100]
        return {"letters": [shown(message) for message in messages], "zone": obj.workspace.timezone}


class WaitingFilter(admin.SimpleListFilter):
    title, parameter_name = "needs me", "waiting"

    def lookups(self, request, model_admin):
        return [("reply", "replies not answered yet")]

    def queryset(self, request, queryset):
        return unanswered(queryset) if self.value() else queryset


def unanswered(messages):
    """Replies of people whose thread has nothing by hand after them."""
    answers = Message.objects.filter(
        thread=OuterRef("thread"), direction="out", kind=Message.Kind.MANUAL, created_at__gte=OuterRef("created_at")
    )
    return messages.filter(direction="in", kind=Message.Kind.REPLY).exclude(Exists(answers))


@admin.register(Message)
class MessageAdmin(LogAdmin):
    list_display = [
        "headline",
        "with_whom",
        "kind_badge",
        "state_badge",
        "why",
        when("send_at", "Planned"),
        when("settled_at", "Settled"),
    ]
    list_filter = [WorkspaceFilter, "direction", "state", "kind", WaitingFilter]
    list_select_related = ["workspace"]
    search_fields = ["to_email", "from_email", "subject"]
    overview_template = "admin/outbound/message.html"
    state_badge = staticmethod(badge_column("state", STATE_COLORS, "State"))
    kind_badge = staticmethod(badge_column("kind", KIND_COLORS, "Kind"))
    fields = [
        "workspace", "thread", "mailbox", "lead", "answers", "rfc_message_id", "provider_message_id", "attempt",
        "not_after", "committed_at",
    ]  # fmt: skip
    verbs = (
        Verb(
            "send_again",
            "Send again",
            "Send it again? If the first one did arrive, they get it twice.",
            danger=True,
            bulk=True,
        ),
        Verb("assume_sent", "Assume sent", "Take it as sent? Its follow-ups go on.", bulk=True),
        Verb("drop", "Drop", "Drop it? This step is not sent, and the lead's run ends here.", danger=True, bulk=True),
    )

    @admin.display(description="Subject", ordering="subject")
    def headline(self, obj):
        return obj.subject[:70] or "(no subject)"

    @admin.display(description="Why")
    def why(self, obj):
        # What the server said to a mail that was sent is on its page; here it would hide the sentences that matter.
        return "" if obj.state == Message.State.SENT else obj.state_reason

    @admin.display(description="With")
    def with_whom(self, obj):
        arrow, other = ("→", obj.to_email) if obj.direction == "out" else ("←", obj.from_email)
        return f"{arrow} {other}"

    def verbs_now(self, obj):
        return list(self.verbs) if obj.state == Message.State.UNKNOWN else []

    def do_send_again(self, request, obj):
        return self._decide(obj, "send_again", "is queued again")

    def do_assume_sent(self, request, obj):
        return self._decide(obj, "assume_sent", "counts as sent")

    def do_drop(self, request, obj):
        return self._decide(obj, "drop", "is dropped")

    def _decide(self, obj, decision, done) -> str:
        services.decide_unknown(message=obj, decision=decision, now=now_for(obj.workspace))
        return f"The mail to {obj.to_email} {done}."

    def overview(self, request, obj):
        return {
            "letter": shown(obj),
            "thread": obj.thread,
            "events": list(Event.objects.filter(message_id=obj.pk).order_by("created_at", "id")[:30])
            if obj.state != Message.State.RECEIVED
            else [],
            "zone": obj.workspace.timezone,
        }


@admin.register(MessageBody)
class MessageBodyAdmin(LogAdmin):
    workspace_path = "message__workspace_id"
    ordering = ("-message_id",)
    list_display = ["message", "sha256"]
    list_select_related = ["message"]
    list_filter = [WorkspaceFilter]
    search_fields = ["message__to_email"]
    fields = ["message", "text", "sha256"]

    def get_queryset(self, request):
        return super().get_queryset(request).defer("raw")


@admin.register(SendCounter)
class SendCounterAdmin(LogAdmin):
    ordering = ("-day", "id")
    list_display = ["id", "day", "used"]
    list_filter = ["day"]
    search_fields = ["id"]
    fields = ["id", "workspace_id", "day", "used"]


@admin.register(SandboxDelivery)
class SandboxDeliveryAdmin(LogAdmin):
    list_display = ["to_email", "mailbox", "reaction_badge", "react_at", "reacted", "accepted_at"]
    list_filter = [WorkspaceFilter, "reaction", "reacted"]
    list_select_related = ["mailbox"]
    search_fields = ["to_email"]
    fields = [
        "workspace_id",
        "mailbox",
        "to_email",
        "rfc_message_id",
        "reaction",
        "react_at",
        "reacted",
        "accepted_at",
        "mail",
    ]
    reaction_badge = staticmethod(badge_column("reaction", KIND_COLORS, "Reaction"))

    def get_queryset(self, request):
        return super().get_queryset(request).defer("raw")

    @admin.display(description="Mail")
    def mail(self, obj):
        return format_html('<pre class="ob-raw">{}</pre>', bytes(obj.raw)[:64_000].decode("utf-8", "replace"))

    def get_readonly_fields(self, request, obj=None):
        return ["mail"]
