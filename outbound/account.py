"""GET and PATCH /account. It counts rows of every floor, so it stands on the roof."""

from django.conf import settings
from rest_framework import serializers
from rest_framework.response import Response

from apikeys.models import Workspace
from apikeys.serializers import WorkspaceInput, WorkspaceOutput
from apikeys.services import update_workspace
from apikeys.viewsets import WorkspaceViewSet
from leads.models import Lead
from outbound.api.openapi import documented
from outbound.api.pagination import EXACT_TOTAL_UP_TO
from outbound.api.serializers import Output
from sending.models import Domain, Mailbox

COUNTED = {"leads": Lead, "domains": Domain, "mailboxes": Mailbox}
LIMITED = (*COUNTED, "monthly_sends", "validation_credits")


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
    given = settings.TIER_LIMITS.get(workspace.tier, {})
    limits = {name: given.get(name) for name in LIMITED}
    usage = {name: _count(model, workspace, limits[name] or 0) for name, model in COUNTED.items()}
    return {**WorkspaceOutput(workspace).data, "usage": UsageOutput(usage).data, "limits": LimitsOutput(limits).data}


def _count(model, workspace: Workspace, limit: int) -> int:
    """No further than anybody needs to know: a full count of millions takes longer than everything else here."""
    return model.objects.for_workspace(workspace).order_by()[: max(EXACT_TOTAL_UP_TO, limit + 1)].count()
