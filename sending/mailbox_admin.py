"""Mailboxes and domains: their servers, their pace, how they stand and what became of them."""

from django import forms
from django.contrib import admin
from django.http import HttpResponseRedirect
from django.utils.html import format_html
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminSelectWidget

from apikeys.services import now_for
from outbound.admin_base import LogAdmin, OwnedAdmin, Verb, WorkspaceFilter
from outbound.admin_display import AMBER, GREEN, RED, badge, badge_column, when
from outbound.api.errors import Invalid
from sending import domains, limits, oauth_vendors, presets, reading, services
from sending.dns_watch import infrastructure_score, verdict
from sending.mailboxes import (
    MAY_SEND,
    change_mailbox,
    check_connection,
    is_ramping,
    pause_mailbox,
    resume_mailbox,
)
from sending.models import Domain, Mailbox, SendCounter, StateTransition
from sending.outlook import outlook
from sending.presets import refuse_too_much
from sending.providers import PROVIDERS
from sending.vendors import POLICIES, refuse_unconfirmed

PHASE_COLORS = {
    "healthy": GREEN, "warning": AMBER, "paused": RED, "quarantine": RED,
    "restricted_send": AMBER, "warm_recovery": AMBER,
}  # fmt: skip


@admin.display(description="What comes next")
def display_next_step(obj):
    sentence, _ = outlook(obj)
    return sentence or "-"


@admin.register(Domain)
class DomainAdmin(LogAdmin):
    list_display = ["name", "workspace", "phase_badge", "dns", "resilience_score", when("created_at", "Since")]
    list_filter = [WorkspaceFilter, "phase"]
    list_select_related = ["workspace"]
    search_fields = ["name"]
    fields = [
        "workspace", "name", ("phase", "phase_reason"), "next_step", ("phase_since", "phase_until"),
        ("resilience_score", "pauses", "relapses"), ("spf_ok", "dkim_ok", "dmarc_ok"), "dns_detail", "listings",
        ("dns_checked_at", "dns_due_at"), "dkim_selector", "created_at",
    ]  # fmt: skip
    readonly_fields = ["next_step"]
    verbs = (Verb("check", "Look at its DNS now", bulk=True), Verb("resume", "Resume", bulk=True))
    phase_badge = staticmethod(badge_column("phase", PHASE_COLORS, "Phase"))
    next_step = staticmethod(display_next_step)

    @admin.display(description="DNS")
    def dns(self, obj):
        score = infrastructure_score(obj)
        if score is None:
            return badge("not asked yet", AMBER)
        return badge(f"{score} of 100", GREEN if score == 100 else RED if obj.critical_listings else AMBER)

    def verbs_now(self, obj):
        return [verb for verb in self.verbs if verb.name != "resume" or obj.phase not in MAY_SEND]

    def do_check(self, request, obj):
        obj = domains.note_check(domain=obj, findings=domains.look(obj), now=now_for(obj.workspace))
        return f"{obj.name}: {verdict(obj)[1]}"

    def do_resume(self, request, obj):
        domains.resume_domain(domain=obj, now=now_for(obj.workspace))
        return f"{obj.name} sends again, a few mails a day."


SECRETS = ("password", "imap_password", "webhook_secret")
READING = ["imap_host", ("imap_port", "imap_security"), "imap_username", "new_imap_password", "append_to_sent"]


def _secret(label: str, help_text: str) -> forms.CharField:
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    return forms.CharField(label=label, required=False, strip=False, help_text=help_text, widget=widget)


class MailboxForm(forms.ModelForm):
    """The password is taken and never given back: the field starts empty, and empty means unchanged."""

    new_password = _secret("Password", "Kept encrypted, never shown. Leave it empty to keep the one there is.")
    new_imap_password = _secret("IMAP password", "Leave it empty to keep the one there is, or to use the one above.")

    new_webhook_secret = _secret("Signing secret of its events", "Of a vendor: whsec_… Leave it empty to keep it.")
    confirm_policy = forms.BooleanField(
        label="Its policy is kept", required=False, help_text=f"At a vendor. {POLICIES['resend']}"
    )
    warmup = forms.BooleanField(
        label="Ramp up",
        required=False,
        initial=True,
        help_text="5 mails on the first day, growing to the daily limit over 14 days.",
    )

    usual = {"imap_port": 993, "imap_security": Mailbox.Security.TLS, "sign_in": Mailbox.SignIn.PASSWORD}

    class Meta:
        model = Mailbox
        fields = [
            "workspace",
            "email",
            "display_name",
            "provider",
            "sign_in",
            "smtp_host",
            "smtp_port",
            "smtp_security",
            "username",
            "imap_host",
            "imap_port",
            "imap_security",
            "imap_username",
            "append_to_sent",
        ]
        help_texts = {
            "sign_in": "With Google or Microsoft you are asked for your consent after saving; no password is needed.",
            "smtp_host": "Blank for Gmail, Workspace, Microsoft 365, Yahoo, iCloud, Fastmail and Zoho: known.",
            "username": "Blank: the address.",
            "imap_host": "Where its mail is read, so that replies and bounces are seen. Blank: nowhere.",
            "imap_username": "Blank: as for sending.",
            "append_to_sent": "Put a copy of what is sent into Sent. Google and Microsoft do so by themselves.",
        }
        widgets = {"provider": UnfoldAdminSelectWidget(choices=[(name, name) for name in PROVIDERS])}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        for name in self.usual:
            self.fields[name].required = False
        if self.instance.pk and self.instance.workspace_id:
            self.initial["warmup"] = is_ramping(self.instance, now_for(self.instance.workspace))

    def clean(self):
        data = super().clean()
        data |= {name: data.get(name) or usual for name, usual in self.usual.items()}
        email, workspace = str(data.get("email") or "").strip().lower(), data.get("workspace")
        if email and "@" not in email:
            self.add_error("email", "Give an e-mail address.")
        if workspace and Mailbox.objects.filter(workspace=workspace, email=email).exclude(pk=self.instance.pk).exists():
            self.add_error("email", f"{email} is connected already.")
        if (data.get("provider") or self.instance.provider) == "smtp" and not self.instance.pk and workspace and email:
            data = self.completed(workspace, email, data)
        try:
            self.refuse_unknown_vendor(data)
            self.refuse_unconfirmed_policy(data)
            refuse_too_much(**{"email": self.instance.email, **data})
        except Invalid as refused:
            self.add_error(next(iter(refused.details)), refused.message)
        return data

    def completed(self, workspace, email: str, data: dict) -> dict:
        """With the servers that are known for such an address."""
        given = {name: value for name, value in data.items() if value not in ("", None) and name not in ("workspace",)}
        given = (
            given
            if given.get("smtp_host")
            else {k: v for k, v in given.items() if not k.startswith(("smtp_", "imap_"))}
        )
        given |= {"email": email, "password": data.get("new_password", "")}
        try:
            found = presets.completed(workspace=workspace, **given)
        except Invalid as refused:
            self.add_error("smtp_host", refused.message)
            return data
        return data | {name: value for name, value in found.items() if name in self.fields}

    def refuse_unknown_vendor(self, data: dict) -> None:
        """Signing in with a vendor that is not set up here says what to set."""
        chosen = data.get("sign_in")
        if chosen != Mailbox.SignIn.PASSWORD and "sign_in" in self.changed_data:
            oauth_vendors.vendor_named(chosen)

    def refuse_unconfirmed_policy(self, data: dict) -> None:
        if self.instance.pk is None and data.get("workspace"):
            refuse_unconfirmed(data["workspace"], data.get("provider") or "", data.get("confirm_policy"))


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
    list_select_related = ["workspace", "watch"]
    search_fields = ["email", "display_name"]
    autocomplete_fields = ["workspace"]
    readonly_fields = [
        "phase", "paused_reason", "next_step", "held_providers", "warmup_started_at", "connection_status",
        "connection_detail", "next_free_at", "last_sent_at",
    ]  # fmt: skip
    verbs = (
        Verb("pause", "Pause", bulk=True),
        Verb("resume", "Resume", bulk=True),
        Verb("check", "Test the connection", bulk=True),
        *(Verb(name, f"Sign in with {vendor.label}") for name, vendor in oauth_vendors.VENDORS.items()),
    )
    fieldsets = [
        (None, {"fields": ["workspace", "email", "display_name", ("provider", "sign_in")]}),
        ("Server", {"fields": ["smtp_host", ("smtp_port", "smtp_security"), "username", "new_password"]}),
        ("At a vendor", {"fields": ["confirm_policy", "new_webhook_secret"]}),
        ("Reading", {"fields": READING}),
        ("Pace", {"fields": [("daily_limit", "send_gap_seconds"), "warmup"]}),
    ]
    standing = (
        "Where it stands",
        {
            "fields": [
                ("phase", "paused_reason"),
                "next_step",
                ("held_providers", "warmup_started_at"),
                ("connection_status", "connection_detail"),
                ("next_free_at", "last_sent_at"),
            ]
        },
    )
    phase_badge = staticmethod(badge_column("phase", PHASE_COLORS, "Phase"))
    next_step = staticmethod(display_next_step)

    def get_fieldsets(self, request, obj=None):
        return [*self.fieldsets, self.standing] if obj else self.fieldsets

    def get_readonly_fields(self, request, obj=None):
        return [*self.readonly_fields, "workspace", "email"] if obj else self.readonly_fields

    def has_delete_permission(self, request, obj=None):
        return False  # its threads and messages stay

    def verbs_now(self, obj):
        hidden = {"pause" if obj.phase not in MAY_SEND else "resume"}
        hidden |= {name for name in oauth_vendors.VENDORS if not consents_with(obj, name)}
        return [verb for verb in self.verbs if verb.name not in hidden]

    @admin.display(description="Connection", ordering="connection_status")
    def connection(self, obj):
        color = {"active": GREEN, "auth_failed": RED}.get(obj.connection_status, AMBER)
        shown = badge(obj.connection_status.replace("_", " "), color)
        return format_html('<span title="{}">{}</span> {}', obj.connection_detail, shown, self.reads(obj))

    def reads(self, obj):
        """How the reading of its mail goes, where it does not go well."""
        status, watch = reading.status_of(obj), reading.watch_of(obj)
        if status in ("ok", "unknown"):
            return ""
        said = watch.detail or f"Last read {reading.lag_of(obj)} s ago"
        return format_html('<span title="{}">{}</span>', said, badge(f"IMAP {status}", RED if watch.detail else AMBER))

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
        secrets = {name: data.pop(f"new_{name}") for name in SECRETS}
        by = str(request.user)
        return services.connect_mailbox(**data, **secrets, confirmed_by=by, now=now_for(obj.workspace))

    def update(self, request, obj, form):
        data = {name.removeprefix("new_"): form.cleaned_data[name] for name in form.changed_data}
        data.pop("confirm_policy", None)
        change_mailbox(mailbox=obj, now=now_for(obj.workspace), **data)

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
        findings = domains.look_if_able(obj.domain)
        holds, said = domains.noted(domain=obj.domain, findings=findings, now=now_for(obj.workspace))
        self.message_user(request, f"{obj.domain.name}: {said}", "SUCCESS" if holds else "WARNING")
        works, sentence = check_connection(obj)
        for advice in [] if works else presets.advice(obj).values():
            self.message_user(request, " ".join(advice), "WARNING")
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

    def do_google(self, request, obj):
        return self._consent("google", obj)

    def do_microsoft(self, request, obj):
        return self._consent("microsoft", obj)

    def _consent(self, name: str, obj):
        return HttpResponseRedirect(oauth_vendors.begin_path(obj, oauth_vendors.vendor_named(name)))


def consents_with(mailbox: Mailbox, vendor: str) -> bool:
    """Whether it signs in so, or could: its server is that vendor's."""
    own = presets.PRESETS[vendor]["smtp_host"] == mailbox.smtp_host.lower()
    return mailbox.workspace.livemode and (mailbox.sign_in == vendor or own)


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
