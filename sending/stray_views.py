"""REST of the mail that is on no thread: translate in, one call, translate out."""

from rest_framework.response import Response

from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from outbound.api.openapi import documented
from outbound.api.pagination import page_of
from sending import stray_serializers as s
from sending import strays
from sending.models import StrayMail

ROWS = StrayMail.objects.select_related("mailbox__workspace")


class StrayMailViewSet(WorkspaceViewSet):
    scopes = {
        "list": "replies:read", "retrieve": "replies:read", "assign": "campaigns:write", "retry": "campaigns:write",
        "destroy": "campaigns:write",
    }  # fmt: skip

    @documented("list_stray_mail", s.StrayMailOutput, many=True, query=s.StrayListInput, tag="stray mail")
    def list(self, request):
        """Mail that came in and fits no thread, or could not be read; kept for 30 days"""
        query = self.validated_query(s.StrayListInput)
        why = {"why": query.pop("why")} if "why" in query else {}
        rows = self.mine(ROWS.filter(**why).defer("raw"))
        return Response(page_of(rows, **query, show=lambda found: s.StrayMailOutput(found, many=True).data))

    @documented("get_stray_mail", s.StrayMailOutput, tag="stray mail")
    def retrieve(self, request, pk):
        """One such mail"""
        return Response(s.StrayMailOutput(self.one(ROWS.defer("raw"), pk)).data)

    @documented("assign_stray_mail", s.AssignedOutput, body=s.AssignInput, tag="stray mail")
    def assign(self, request, pk):
        """Put it on a thread: it counts as an answer to the last mail there, and stops what an answer stops"""
        stray, thread = self.one(ROWS, pk), self.validated(s.AssignInput)["thread_id"]
        message = strays.assign(stray=stray, thread=thread, now=now_for(self.workspace))
        return Response(s.AssignedOutput(message).data)

    @documented("retry_stray_mail", s.AssignedOutput, tag="stray mail")
    def retry(self, request, pk):
        """Take it in once more, as it came; 409 when it still fits nothing"""
        message = strays.retry(stray=self.one(ROWS, pk), now=now_for(self.workspace))
        return Response(s.AssignedOutput(message).data)

    @documented("dismiss_stray_mail", status=204, tag="stray mail")
    def destroy(self, request, pk):
        """Take it off the list; it stays in the mailbox"""
        strays.dismiss(stray=self.one(ROWS, pk))
        return Response(status=204)
