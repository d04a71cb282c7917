"""GET and PATCH /account. It counts rows of every floor, so it stands on the roof."""

from rest_framework import serializers
from rest_framework.response import Response

from apikeys.models import Workspace
from apikeys.serializers import WorkspaceInput, WorkspaceOutput
from apikeys.services import now_for, update_workspace
from apikeys.tiers import NEAR_PERCENT, RESOURCES, limit_of
from apikeys.viewsets import WorkspaceViewSet
from leads.models import Lead, ValidationCredits
from outbound.api.openapi import documented
from outbound.api.pagination import EXACT_TOTAL_UP_TO
from outbound.api.serializers import Output
from sending.limits import month_left
from sending.models import Domain, Mailbox

COUNTED = {
    "leads": Lead.objects.all(),
    "domains": Domain.objects.all(),
    "mailboxes": Mailbox.objects.filter(retired_at=None),
}


class UsageOutput(Output):
    leads = serializers.IntegerField(help_text="Counted up to 100,000, or to the limit where that is higher.")
    domains = serializers.IntegerField()
    mailboxes = serializers.IntegerField()


class LimitsOutput(Output):
    leads = serializers.IntegerField(allow_null=True, help_text="Null is unlimited, here and below.")
    domains = serializers.IntegerField(allow_null=True)
    mailboxes = serializers.IntegerField(allow_null=True)
    monthly_sends = serializers.IntegerField(allow_null=True)
    validation_credits = serializers.IntegerField(allow_null=True)


class AccountOutput(WorkspaceOutput):
    usage = UsageOutput()
    limits = LimitsOutput()


class AccountViewSet(WorkspaceViewSet):
    scopes = {"retrieve": "account:read", "partial_update": "account:write"}

    @documented("get_account", AccountOutput, tag="account")
    def retrieve(self, request):
        """The workspace, what it uses and what it may use"""
        return Response(shown(self.workspace))

    @documented("update_account", AccountOutput, body=WorkspaceInput, tag="account")
    def partial_update(self, request):
        """Change settings of the workspace"""
        return Response(shown(update_workspace(workspace=self.workspace, **self.validated(WorkspaceInput))))


def shown(workspace: Workspace) -> dict:
    limits = {name: limit_of(workspace, name) for name in RESOURCES}
    usage = {name: _count(rows, workspace, limits[name] or 0) for name, rows in COUNTED.items()}
    return {**WorkspaceOutput(workspace).data, "usage": UsageOutput(usage).data, "limits": LimitsOutput(limits).data}


def near_limits(workspace: Workspace) -> list[str]:
    """A sentence for each resource of which the tier's limit is near or reached."""
    found = []
    for resource, words in RESOURCES.items():
        limit = limit_of(workspace, resource)
        used = _used(workspace, resource, limit) if limit is not None else 0
        if limit is not None and used * 100 >= limit * NEAR_PERCENT:
            found.append(f"{used:,} of {limit:,} {words} are used.")
    return found


def _used(workspace: Workspace, resource: str, limit: int) -> int:
    now = now_for(workspace)
    if resource == "monthly_sends":
        return limit - month_left(workspace, now)
    if resource == "validation_credits":
        month = now.date().replace(day=1)
        row = ValidationCredits.objects.filter(workspace=workspace, month=month).first()
        return row.spent if row else 0
    return _count(COUNTED[resource], workspace, limit)


def _count(rows, workspace: Workspace, limit: int) -> int:
    """No further than anybody needs to know: a full count of millions takes longer than everything else here."""
    return rows.for_workspace(workspace).order_by()[: max(EXACT_TOTAL_UP_TO, limit + 1)].count()
