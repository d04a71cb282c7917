"""Suppressions in the admin: who must not be written to, and the one way back."""

from django.contrib import admin

from apikeys.services import now_for
from leads import services
from leads.forms import SuppressionForm
from leads.models import Suppression
from outbound.admin_base import LogAdmin, OwnedAdmin, Verb, WorkspaceFilter
from outbound.admin_display import AMBER, RED, badge_column, when


@admin.register(Suppression)
class SuppressionAdmin(OwnedAdmin):
    form = SuppressionForm
    paginator = LogAdmin.paginator
    list_display = ["shown_value", "kind_badge", "reason", "workspace", when("created_at", "Since")]
    list_filter = [WorkspaceFilter, "kind"]
    list_select_related = ["workspace"]
    search_fields = ["value", "reason"]
    autocomplete_fields = ["workspace"]
    fields = ["workspace", "value", "kind", "reason"]
    kind_badge = staticmethod(badge_column("kind", {"unsubscribed": AMBER, "bounced": RED, "complained": RED}, "Kind"))
    verbs = (
        Verb(
            "lift", "Allow writing again", "Allow writing to them again? What was ended for it stays ended.",
            asks="Reason, kept in the log", danger=True,
        ),
    )  # fmt: skip

    def has_change_permission(self, request, obj=None):
        return False

    has_delete_permission = has_change_permission

    @admin.display(description="Address", ordering="value")
    def shown_value(self, obj):
        return obj.value or "(address erased)"

    def do_lift(self, request, obj):
        reason = f"{request.POST['answer'].strip()} (by {request.user})"
        services.lift(suppression=obj, reason=reason, now=now_for(obj.workspace))
        return f"{self.shown_value(obj)} may be written to again."

    def create(self, request, obj, form):
        return services.suppress(**form.cleaned_data, now=now_for(obj.workspace))
