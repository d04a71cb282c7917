"""Access, continued: where we tell what happens, and who may tell us. Secrets are shown once, when they are made."""

from django import forms
from django.contrib import admin
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from apikeys import inbound, webhooks
from apikeys.events import EVENT_KINDS
from apikeys.models import IngestConnection, IngestedMessage, WebhookDelivery, WebhookEndpoint
from apikeys.services import now_for
from outbound.admin_base import KEEPERS, LogAdmin, SecretAdmin, Verb, WorkspaceFilter
from outbound.admin_display import AMBER, BLUE, GREEN, RED, badge, badge_column, when
from outbound.http import UrlRefused, check_url

DELIVERY_COLORS = {"pending": BLUE, "sending": BLUE, "delivered": GREEN, "dead": RED}
INGEST_COLORS = {"queued": BLUE, "working": BLUE, "done": GREEN, "failed": RED}


class EndpointForm(forms.ModelForm):
    url_problem = ""
    kinds = forms.MultipleChoiceField(
        choices=[("*", "everything"), *((kind, f"{kind}: {what}") for kind, what in EVENT_KINDS.items())],
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
    )

    class Meta:
        model = WebhookEndpoint
        fields = ["workspace", "url", "description", "kinds", "enabled"]

    def clean_url(self):
        if self.url_problem:
            raise forms.ValidationError(self.url_problem)
        return self.cleaned_data["url"].strip()


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(SecretAdmin):
    form = EndpointForm
    list_display = ["url", "workspace", "state", "what", "dead_in_a_row", when("created_at", "Since")]
    list_filter = [WorkspaceFilter, "enabled"]
    list_select_related = ["workspace"]
    search_fields = ["url", "description"]
    autocomplete_fields = ["workspace"]
    verbs = (
        Verb("test", "Send a test"),
        Verb(
            "rotate", "New secret", "Make a new signing secret? It is shown once; for 24 hours both sign.", danger=True
        ),
    )

    def get_fields(self, request, obj=None):
        return ["workspace", "url", "description", "kinds", *(["enabled", "disabled_reason"] if obj else [])]

    def get_readonly_fields(self, request, obj=None):
        return ["workspace", "disabled_reason"] if obj else []

    def has_delete_permission(self, request, obj=None):
        return self.may_act(request, obj)

    def changeform_view(self, request, object_id=None, form_url="", extra_context=None):
        if request.method == "POST":
            request._url_problem = _problem(request.POST.get("url", ""))
        return super().changeform_view(request, object_id, form_url, extra_context)

    def get_form(self, request, obj=None, change=False, **kwargs):
        form = super().get_form(request, obj, change=change, **kwargs)
        form.url_problem = getattr(request, "_url_problem", "")
        return form

    def make(self, request, obj, form):
        data = {name: form.cleaned_data[name] for name in ("workspace", "url", "description", "kinds")}
        made = webhooks.create_endpoint(**data, now=now_for(obj.workspace))
        return made, made.secret

    def update(self, request, obj, form):
        stored = WebhookEndpoint.objects.select_related("workspace").get(pk=obj.pk)
        fields = {name: form.cleaned_data[name] for name in form.changed_data}
        return webhooks.update_endpoint(endpoint=stored, now=now_for(stored.workspace), **fields) if fields else stored

    def delete_model(self, request, obj):
        webhooks.delete_endpoint(endpoint=obj)

    def do_test(self, request, obj):
        webhooks.send_test(endpoint=obj, now=now_for(obj.workspace))
        return f"A test is on its way to {obj.url}."

    def do_rotate(self, request, obj):
        rotated = webhooks.rotate_secret(endpoint=obj, now=now_for(obj.workspace))
        return self.show_once(request, obj, rotated.secret)

    @admin.display(description="State", ordering="enabled")
    def state(self, obj):
        return badge("on", GREEN) if obj.enabled else badge("off", AMBER)

    @admin.display(description="Told of")
    def what(self, obj):
        return "everything" if "*" in obj.kinds else f"{len(obj.kinds)} kinds"


def _problem(url: str) -> str:
    """Asks the DNS: before the form's transaction begins, which must not wait for it."""
    try:
        check_url(url.strip())
    except UrlRefused as error:
        return str(error)
    return ""


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(LogAdmin):
    writers = KEEPERS
    list_display = ["kind", "endpoint", "state_badge", "status_code", "tries", "error", when("due_at", "Due")]
    list_filter = [WorkspaceFilter, "state"]
    list_select_related = ["endpoint", "workspace"]
    search_fields = ["kind", "endpoint__url"]
    fields = [
        "workspace",
        "endpoint",
        "kind",
        "state",
        "due_at",
        "tries",
        "status_code",
        "error",
        "body",
        "response_body",
    ]
    verbs = (Verb("replay", "Send again", bulk=True),)
    state_badge = staticmethod(badge_column("state", DELIVERY_COLORS, "State"))

    def do_replay(self, request, obj):
        webhooks.replay(delivery=obj, now=now_for(obj.workspace))
        return f"{obj.kind} is sent again."


class ConnectionForm(forms.ModelForm):
    class Meta:
        model = IngestConnection
        fields = ["workspace", "source", "name"]

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if "workspace" in self.fields:
            self.fields["workspace"].required = True
            # The deployment's billing address belongs to no workspace and is made by its command.
            self.fields["source"].choices = [
                choice for choice in self.fields["source"].choices if choice[0] != "billing"
            ]


@admin.register(IngestConnection)
class IngestConnectionAdmin(SecretAdmin):
    form = ConnectionForm
    list_display = [
        "name",
        "source",
        "workspace",
        when("last_received_at", "Last message"),
        when("created_at", "Since"),
    ]
    list_filter = [WorkspaceFilter, "source"]
    list_select_related = ["workspace"]
    search_fields = ["name", "source"]
    autocomplete_fields = ["workspace"]
    fields = ["workspace", "source", "name"]

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return self.may_act(request, obj)

    def make(self, request, obj, form):
        made = inbound.create_connection(**form.cleaned_data, now=now_for(obj.workspace))
        return made, made.secret


@admin.register(IngestedMessage)
class IngestedMessageAdmin(LogAdmin):
    workspace_path = "connection__workspace_id"
    list_display = [
        "connection",
        "state_badge",
        "tries",
        when("created_at", "Came in", workspace="connection__workspace"),
    ]
    list_filter = [WorkspaceFilter, "state"]
    list_select_related = ["connection__workspace"]
    search_fields = ["connection__name"]
    fields = ["connection", "state", "tries", "outcome", "created_at", "finished_at"]
    state_badge = staticmethod(badge_column("state", INGEST_COLORS, "State"))

    def get_queryset(self, request):
        return super().get_queryset(request).defer("body")
