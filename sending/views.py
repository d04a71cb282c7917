"""REST of senders, of parked mails and of answers by hand."""

from rest_framework.response import Response

from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from outbound.api.answers import Answer
from outbound.api.openapi import documented
from outbound.api.pagination import PageInput, page_of
from outbound.doorbell import ring
from sending import judging, parked, replies, tasks
from sending.models import Message
from sending.queries import senders
from sending.serializers import (
    DecisionInput,
    ParkedOutput,
    ReplyClassInput,
    ReplyClassOutput,
    ReplyInput,
    ReplyOutput,
    SenderOutput,
)


class SenderViewSet(WorkspaceViewSet):
    scopes = {"list": "mailboxes:read"}

    @documented("list_senders", SenderOutput, many=True, tag="senders")
    def list(self, request):
        """Everything that can be put in `sender_email`"""
        return Response(SenderOutput(senders(self.workspace), many=True).data)


class ParkedViewSet(WorkspaceViewSet):
    scopes = {"list": "campaigns:read", "retrieve": "campaigns:read", "decide": "campaigns:write"}

    @documented("list_parked_sends", ParkedOutput, many=True, query=PageInput, tag="parked sends")
    def list(self, request):
        """Mails of which nobody knows whether they arrived, with the evidence"""
        return Response(
            page_of(parked.parked_mails(self.workspace), **self.validated_query(PageInput), show=show_parked)
        )

    @documented("get_parked_send", ParkedOutput, tag="parked sends")
    def retrieve(self, request, pk):
        """One parked mail, or what became of it"""
        return Response(show_parked([self.one(OUTGOING, pk)])[0])

    @documented("decide_parked_send", ParkedOutput, body=DecisionInput, tag="parked sends")
    def decide(self, request, pk):
        """Send it again, assume that it was sent, or drop it; the same decision again changes nothing"""
        return Response(decide(self.one(OUTGOING, pk), **self.validated(DecisionInput)))


# Settled ones too: who decides too late is told what became of it.
OUTGOING = Message.objects.filter(direction=Message.Direction.OUT).select_related("lane", "workspace")


def show_parked(rows: list[Message]) -> list[dict]:
    return ParkedOutput(rows, many=True, context={"evidence": parked.evidence_for(rows)}).data


def decide(message: Message, *, decision: str, attempt: int) -> dict:
    """ParkedOutput, as it is after the decision."""
    now = now_for(message.workspace)
    message = parked.decide_unknown(message=message, decision=decision, attempt=attempt, now=now)
    ring(tasks.drain, mailbox_id=str(message.mailbox_id))
    return show_parked([message])[0]


class ReplyViewSet(WorkspaceViewSet):
    scopes = {"create": "replies:send", "partial_update": "replies:send"}

    @documented("send_reply", ReplyOutput, body=ReplyInput, tag="replies")
    def create(self, request):
        """Answer on a thread through its mailbox; waits up to 20 s for the server's word"""
        return self.answered(send_reply(self.workspace, **self.validated(ReplyInput)))

    @documented("correct_reply_class", ReplyClassOutput, body=ReplyClassInput, tag="replies")
    def partial_update(self, request, pk):
        """Say what a reply means; no rule and no model changes it again"""
        message = self.one(Message.objects.filter(kind=Message.Kind.REPLY), pk)
        now = now_for(self.workspace)
        message = judging.correct_class(message=message, now=now, **self.validated(ReplyClassInput))
        return Response(ReplyClassOutput(message).data)

    def on_replay(self, data):
        return reply_now(data) if "status" in data else data


def send_reply(workspace, *, thread_id, **data) -> Answer:
    """ReplyOutput. The mail leaves after the commit, so the server's word is waited for then, 20 s at most."""
    message = replies.queue_reply(thread=thread_id, now=now_for(workspace), **data)
    ring(tasks.drain, mailbox_id=str(message.mailbox_id))
    return Answer(show_reply(message, "queued"), lambda: show_reply(message, replies.wait_for(message.pk)))


def reply_now(shown: dict) -> dict:
    """A stored answer with the message's present status."""
    return {**shown, "status": replies.status_of(shown["message_id"])}


def show_reply(message: Message, status: str) -> dict:
    return {
        "message_id": str(message.pk),
        "thread_id": str(message.thread_id),
        "from": message.from_email,
        "to": message.to_email,
        "status": status,
    }
