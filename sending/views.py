"""REST of senders."""

from rest_framework.response import Response

from apikeys.viewsets import WorkspaceViewSet
from outbound.api.openapi import documented
from sending.queries import senders
from sending.serializers import SenderOutput


class SenderViewSet(WorkspaceViewSet):
    scopes = {"list": "mailboxes:read"}

    @documented("list_senders", SenderOutput, many=True, tag="senders")
    def list(self, request):
        """Everything that can be put in `sender_email`"""
        return Response(SenderOutput(senders(self.workspace), many=True).data)
