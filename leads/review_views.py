"""REST of values in review: see them with their evidence, approve, edit, have them written anew."""

from rest_framework.response import Response

from apikeys.permissions import MissingScope
from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from leads import review_serializers as s
from leads import reviewing
from leads.models import Lead, Variable, VariableValue
from leads.tasks import generate_due
from outbound.api.openapi import documented
from outbound.api.pagination import page_of
from outbound.doorbell import ring


class ValueViewSet(WorkspaceViewSet):
    scopes = {"list": "leads:read", "partial_update": "leads:write", "approve": "leads:write"}

    def named(self, name: str) -> Variable:
        return self.mine(Variable.objects.all()).filter(name=name).first() or self.one(Variable.objects.all(), name)

    @documented("list_variable_values", s.ReviewValueOutput, many=True, query=s.ValueListInput, tag="variables")
    def list(self, request, name):
        """Values of a variable with what each rests on, newest first"""
        query = self.validated_query(s.ValueListInput)
        rows = values_of(self.named(name), state=query.pop("state", ""))
        return Response(page_of(rows, **query, show=show_values))

    @documented("review_variable_value", s.ReviewValueOutput, body=s.ValuePatch, tag="variables")
    def partial_update(self, request, name, lead_id):
        """Edit, approve or retry the value of one lead"""
        variable, lead = self.named(name), self.one(Lead.objects.all(), lead_id)
        data = self.validated(s.ValuePatch)
        if data.get("action") == "retry" and not request.auth.may("variables:generate"):
            raise MissingScope("variables:generate")
        return Response(review(variable, lead, **data))

    @documented("approve_variable_values", s.ApproveOutput, body=s.ApproveInput, tag="variables")
    def approve(self, request, name):
        """Let values in review go out: of some leads, or all"""
        return Response(approve(self.named(name), **self.validated(s.ApproveInput)))


def values_of(variable: Variable, *, state: str = ""):
    """What both doors list."""
    return reviewing.values_of(variable, state=state)


def show_values(rows) -> list[dict]:
    return s.ReviewValueOutput(rows, many=True).data


def review(variable: Variable, lead: Lead, *, action: str = "", **data) -> dict:
    """What both doors do with one value."""
    now = now_for(variable.workspace)
    if action == "approve":
        row = reviewing.approve_one(variable=variable, lead=lead, now=now)
    elif action == "retry":
        row = reviewing.retry(variable=variable, lead=lead, now=now)
        ring(generate_due)
    else:
        row = reviewing.edit(variable=variable, lead=lead, value=data["value"], now=now)
    return show_values([row])[0]


def approve(variable: Variable, *, all: bool = False, lead_ids=None) -> dict:
    """What both doors do with many."""
    approved = reviewing.approve(variable=variable, leads=lead_ids, now=now_for(variable.workspace))
    left = variable.values.filter(state=VariableValue.State.REVIEW).count()
    return {"variable": variable.name, "approved": approved, "in_review": left}
