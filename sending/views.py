"""REST of senders and of answers by hand."""

from rest_framework.response import Response

from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from outbound.api.openapi import documented
from outbound.doorbell import ring
from sending import replies, tasks
from sending.models import Message
from sending.queries import senders
from sending.serializers import ReplyInput, ReplyOutput, SenderOutput


class SenderViewSet(WorkspaceViewSet):
    scopes = {"list": "mailboxes:read"}

    @documented("list_senders", SenderOutput, many=True, tag="senders")
    def list(self, request):
        """Everything that can be put in `sender_email`"""
        return Response(SenderOutput(senders(self.workspace), many=True).data)


class ReplyViewSet(WorkspaceViewSet):
    scopes = {"create": "replies:send"}

    @documented("send_reply", ReplyOutput, body=ReplyInput, tag="replies")
    def create(self, request):
        """Answer on a thread through its mailbox; waits up to 20 s for the server's word"""
        data = self.validated(ReplyInput)
        message = replies.queue_reply(thread=data.pop("thread_id"), now=now_for(self.workspace), **data)
        ring(tasks.drain, mailbox_id=str(message.mailbox_id))
        self.after_commit(lambda: show_reply(message, replies.wait_for(message.pk)))
        return Response(show_reply(message, "queued"))

    def on_replay(self, data):
        return {**data, "status": replies.status_of(data["message_id"])}


def show_reply(message: Message, status: str) -> dict:
    return {
        "message_id": str(message.pk),
        "thread_id": str(message.thread_id),
        "from": message.from_email,
        "to": message.to_email,
        "status": status,
    }
