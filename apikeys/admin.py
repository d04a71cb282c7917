"""Access and log: workspaces, people, keys, and what happened."""

from django import forms
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import Group as PermissionGroup
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin, TabularInline
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from apikeys import services, webhook_admin  # noqa: F401  registers its pages
from apikeys.events import EVENT_KINDS
from apikeys.models import ApiKey, Event, Membership, Notice, StoredResponse, Workspace
from apikeys.scopes import SCOPES
from outbound.admin_base import KEEPERS, LogAdmin, OwnedAdmin, SecretAdmin, Verb, WorkspaceFilter
from outbound.admin_display import AMBER, BLUE, GREEN, GREY, RED, badge, when

User = get_user_model()
# Rights follow from a person's role in a workspace, not from Django's groups of permissions.
admin.site.unregister([User, PermissionGroup])


def mode_badge(workspace) -> str:
    return badge("live", GREEN) if workspace.livemode else badge("test", AMBER)


class MembershipInline(TabularInline):
    model = Membership
    extra = 0
    fields = ["workspace", "user", "role"]
    autocomplete_fields = ["workspace", "user"]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("workspace", "user")

    def has_view_permission(self, request, obj=None):
        return True

    def has_add_permission(self, request, obj=None):
        return request.user.is_superuser

    has_change_permission = has_delete_permission = has_add_permission


@admin.register(Workspace)
class WorkspaceAdmin(OwnedAdmin):
    workspace_path = "id"
    writers = KEEPERS
    list_display = ["name", "mode", "timezone", "status", "created_at"]
    list_filter = ["livemode"]
    search_fields = ["name", "slug"]
    inlines = [MembershipInline]
    readonly_fields = ["slug", "livemode", "clock_offset", "status", "created_at"]
    fieldsets = [
        (None, {"fields": ["name", "slug", "livemode", "timezone", "status", "created_at"]}),
        ("On every mail", {"fields": ["postal_address", "public_url", "tracking_url"]}),
        ("Care", {"fields": ["require_validation", "confirm_launch_above", "clock_offset", "sandbox_seed"]}),
        ("Money", {"fields": ["ai_monthly_limit"]}),
    ]
    add_fieldsets = [(None, {"fields": ["name", "livemode", "timezone", "postal_address", "public_url"]})]

    def get_readonly_fields(self, request, obj=None):
        return self.readonly_fields if obj else []

    def get_fieldsets(self, request, obj=None):
        return self.fieldsets if obj else self.add_fieldsets

    def has_add_permission(self, request, obj=None):
        return request.user.is_superuser

    def has_delete_permission(self, request, obj=None):
        return False

    def formfield_for_dbfield(self, db_field, request, **kwargs):
        if db_field.name in ("public_url", "tracking_url"):
            kwargs["assume_scheme"] = "https"
        return super().formfield_for_dbfield(db_field, request, **kwargs)

    @admin.display(description="Mode", ordering="livemode")
    def mode(self, obj):
        return mode_badge(obj)

    def create(self, request, obj, form):
        made = services.create_workspace(**{name: value for name, value in form.cleaned_data.items() if value != ""})
        services.add_member(workspace=made, user=request.user, role=Membership.Role.OWNER)
        return made


@admin.register(Membership)
class MembershipAdmin(OwnedAdmin):
    list_display = ["user", "workspace", "role", when("created_at", "Since")]
    list_filter = [WorkspaceFilter, "role"]
    list_select_related = ["user", "workspace"]
    search_fields = ["user__username", "user__email", "workspace__name"]
    autocomplete_fields = ["workspace", "user"]
    fields = ["workspace", "user", "role", "notices"]

    def may_act(self, request, obj=None):
        """Everybody may say whether they want notices, and nothing else."""
        return request.user.is_superuser or (isinstance(obj, Membership) and obj.user_id == request.user.pk)

    def get_readonly_fields(self, request, obj=None):
        return [] if request.user.is_superuser else ["workspace", "user", "role"]

    def has_delete_permission(self, request, obj=None):
        return request.user.is_superuser


@admin.register(Notice)
class NoticeAdmin(LogAdmin):
    workspace_path = "member__workspace_id"
    ordering = ("-created_at", "id")
    list_display = ["summary", "kind", "member", "state", "detail", "created_at", "sent_at"]
    list_filter = [WorkspaceFilter, "kind", "state"]
    list_select_related = ["member__user", "member__workspace"]
    search_fields = ["summary"]
    fields = ["member", "kind", "summary", "state", "detail", "tries", "due_at", "sent_at", "created_at"]


@admin.register(User)
class PersonAdmin(UserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ["username", "email", "is_superuser", "is_staff", "is_active", "last_login"]
    list_filter = ["is_superuser", "is_staff", "is_active"]
    inlines = [MembershipInline]
    readonly_fields = ["last_login", "date_joined"]
    filter_horizontal = []
    fieldsets = [
        (None, {"fields": ["username", "password", "email", "first_name", "last_name"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "is_superuser"]}),
        ("Dates", {"fields": ["last_login", "date_joined"]}),
    ]
    add_fieldsets = [
        (None, {"classes": ["wide"], "fields": ["username", "email", "password1", "password2", "is_staff"]})
    ]

    def has_module_permission(self, request):
        return request.user.is_superuser

    def has_view_permission(self, request, obj=None):
        return request.user.is_superuser

    has_add_permission = has_module_permission
    has_change_permission = has_delete_permission = has_view_permission


class KeyForm(forms.ModelForm):
    scopes = forms.MultipleChoiceField(
        choices=[(name, f"{name}: {meaning}") for name, meaning in SCOPES.items()],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="Tick what it needs and nothing more.",
    )

    class Meta:
        model = ApiKey
        fields = ["workspace", "name", "scopes", "expires_at", "ai_monthly_limit"]

    def clean_expires_at(self):
        moment = self.cleaned_data["expires_at"]
        if moment and moment <= timezone.now():
            raise forms.ValidationError("This moment has passed. Choose a later one, or leave it blank.")
        return moment


@admin.register(ApiKey)
class ApiKeyAdmin(SecretAdmin):
    form = KeyForm
    list_display = ["name", "shown_prefix", "workspace", "state", "last_used_at", "expires_at", "scope_count"]
    list_filter = [WorkspaceFilter, ("revoked_at", admin.EmptyFieldListFilter)]
    list_select_related = ["workspace"]
    search_fields = ["name", "prefix"]
    autocomplete_fields = ["workspace"]
    verbs = (
        Verb(
            "revoke",
            "Revoke",
            "Revoke for good? Whoever uses it is refused from this moment on.",
            danger=True,
            bulk=True,
        ),
    )
    shown = [
        "workspace",
        "name",
        "shown_prefix",
        "state",
        "meanings",
        "created_at",
        "last_used_at",
        "expires_at",
        "ai_monthly_limit",
        "revoked_at",
    ]

    def get_fields(self, request, obj=None):
        return self.shown if obj else ["workspace", "name", "scopes", "expires_at", "ai_monthly_limit"]

    def get_readonly_fields(self, request, obj=None):
        return [name for name in self.shown if name != "name"] if obj else []

    def get_form(self, request, obj=None, change=False, **kwargs):
        if obj:
            kwargs["form"] = forms.ModelForm
        return super().get_form(request, obj, change=change, **kwargs)

    def make(self, request, obj, form):
        return services.create_key(**form.cleaned_data)

    def verbs_now(self, obj):
        return [] if obj.revoked_at else list(self.verbs)

    def do_revoke(self, request, obj):
        services.revoke_key(obj, now=timezone.now())
        return f"{obj.name} was revoked."

    @admin.display(description="Key", ordering="prefix")
    def shown_prefix(self, obj):
        return format_html("<code>{}…</code>", obj.prefix)

    @admin.display(description="State")
    def state(self, obj):
        if obj.revoked_at:
            return badge("revoked", RED)
        expired = obj.expires_at and obj.expires_at <= timezone.now()
        return badge("expired", AMBER) if expired else badge("active", GREEN)

    @admin.display(description="Scopes")
    def scope_count(self, obj):
        return f"{len(obj.scopes)} of {len(SCOPES)}"

    @admin.display(description="May")
    def meanings(self, obj):
        return format_html_join(
            "", "<div><code>{}</code> {}</div>", [(name, SCOPES.get(name, "")) for name in obj.scopes]
        )


@admin.register(StoredResponse)
class StoredResponseAdmin(LogAdmin):
    # What was answered is not shown: the answer to POST /keys holds a key.
    workspace_path = None
    list_display = ["key", "method", "path", "status", "created_at"]
    search_fields = ["key", "path"]
    fields = ["caller", "key", "method", "path", "status", "created_at"]


def color_of(kind: str) -> str:
    for word, color in [
        ("fail", RED), ("bounced", RED), ("refused", RED), ("complained", RED), ("unknown", AMBER), ("paused", AMBER),
        ("held", AMBER), ("stopped", AMBER), ("unsubscribed", AMBER), ("repl", GREEN), ("sent", BLUE),
    ]:  # fmt: skip
        if word in kind:
            return color
    return GREY


class KindFilter(admin.SimpleListFilter):
    title, parameter_name = "kind", "kind"

    def lookups(self, request, model_admin):
        return list(EVENT_KINDS.items())

    def queryset(self, request, queryset):
        return queryset.filter(kind=self.value()) if self.value() else queryset


@admin.register(Event)
class EventAdmin(LogAdmin):
    list_display = ["summary", "kind_badge", "workspace", when("created_at", "When")]
    list_filter = [WorkspaceFilter, KindFilter, "created_at"]
    list_select_related = ["workspace"]
    search_fields = ["summary"]
    fields = ["workspace", "kind", "summary", "data", "campaign_id", "lead_id", "message_id", "created_at"]

    @admin.display(description="Kind", ordering="kind")
    def kind_badge(self, obj):
        return badge(obj.kind, color_of(obj.kind))
