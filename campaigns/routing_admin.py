"""Routing rules in the admin, and what they did."""

from django.contrib import admin

from apikeys.services import now_for
from campaigns import routing_rules
from campaigns.models import RoutingRule
from leads.models import Arrival
from outbound.admin_base import LogAdmin, OwnedAdmin, WorkspaceFilter
from outbound.admin_display import AMBER, GREEN, badge_column, when


@admin.register(RoutingRule)
class RoutingRuleAdmin(OwnedAdmin):
    list_display = ["priority", "persona_shown", "min_score", "campaign", "enabled", "workspace"]
    list_filter = [WorkspaceFilter, "enabled"]
    list_select_related = ["workspace", "campaign"]
    search_fields = ["persona", "campaign__name"]
    autocomplete_fields = ["campaign"]
    fields = ["campaign", "persona", "min_score", "priority", "enabled"]

    @admin.display(description="Persona", ordering="persona")
    def persona_shown(self, obj):
        return obj.persona or "everybody"

    def create(self, request, obj, form):
        now = now_for(form.cleaned_data["campaign"].workspace)
        return routing_rules.create_rule(now=now, **form.cleaned_data)

    def update(self, request, obj, form):
        return routing_rules.update_rule(rule=obj, **{name: form.cleaned_data[name] for name in form.changed_data})

    def delete_model(self, request, obj):
        routing_rules.delete_rule(rule=obj)


@admin.register(Arrival)
class ArrivalAdmin(LogAdmin):
    list_display = ["lead", "source", "state_badge", "reason", "workspace", when("created_at", "Came in")]
    list_filter = [WorkspaceFilter, "state"]
    list_select_related = ["lead", "workspace"]
    search_fields = ["lead__email"]
    fields = ["workspace", "lead", "source", "wanted", "state", "campaign_id", "reason"]
    state_badge = staticmethod(badge_column("state", {"enrolled": GREEN, "refused": AMBER}, "State"))
