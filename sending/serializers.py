"""What senders look like from outside; REST and MCP use the same classes."""

from rest_framework import serializers

from outbound.api.serializers import Flag, Input, Moment, Output, OwnedField, Text
from sending.models import Message, Thread
from sending.parked import DECISIONS, may_be_decided

MAX_BODY = 200_000


class SenderOutput(Output):
    email = serializers.CharField()
    type = serializers.CharField(help_text="mailbox; a verified domain once a provider of domains is connected.")
    name = Text()
    provider = serializers.CharField(help_text="smtp, sandbox …")
    status = serializers.CharField(help_text="active, paused or auth_failed.")
    reason = Text()
    domain = serializers.CharField()
    daily_limit = serializers.IntegerField()
    sent_today = serializers.IntegerField()


class ReplyInput(Input):
    thread_id = OwnedField(
        Thread.objects.select_related("mailbox__workspace", "workspace"), help_text="The thread to answer on."
    )
    body_html = serializers.CharField(
        max_length=MAX_BODY, required=False, allow_blank=True, default="", help_text="HTML; cleaned before it leaves."
    )
    body_text = serializers.CharField(
        max_length=MAX_BODY,
        required=False,
        allow_blank=True,
        default="",
        help_text="Text; made from the HTML when absent.",
    )
    confirm = Flag(default=False, help_text="Answer even somebody who said no.")


class ParkedOutput(Output):
    """`context["evidence"]`: {message id: sentences}."""

    id = serializers.CharField()
    state = serializers.CharField(help_text="unknown while it is parked.")
    reason = Text(source="state_reason")
    attempt = serializers.IntegerField(help_text="Send it with a decision: it says which attempt was looked at.")
    decisions = serializers.SerializerMethodField(help_text="What can be decided now.")
    evidence = serializers.SerializerMethodField(help_text="What is known of it, oldest first.")
    run_id = serializers.SerializerMethodField()
    lead_id = serializers.CharField(allow_null=True)
    thread_id = serializers.CharField()
    from_email = serializers.CharField()
    to_email = serializers.CharField()
    subject = Text()
    message_id = serializers.CharField(source="rfc_message_id")
    handed_over_at = Moment(source="departed_at", allow_null=True)

    def get_decisions(self, message) -> list[str]:
        return may_be_decided(message)

    def get_evidence(self, message) -> list[str]:
        return self.context["evidence"][message.pk]

    def get_run_id(self, message) -> str | None:
        return message.lane.reference.get("campaign_id") if message.lane else None


class DecisionInput(Input):
    decision = serializers.ChoiceField(
        choices=list(DECISIONS),
        help_text="send_again (they may get it twice), assume_sent (follow-ups go on) or drop (the lead's run ends).",
    )
    attempt = serializers.IntegerField(min_value=0, max_value=32767, help_text="The attempt that was looked at.")


class ReplyOutput(Output):
    message_id = serializers.CharField()
    thread_id = serializers.CharField()
    vars()["from"] = serializers.CharField(source="from_email")
    to = serializers.CharField(source="to_email")
    status = serializers.ChoiceField(choices=["sent", "queued", "refused", "unknown"])


class ReplyClassInput(Input):
    reply_class = serializers.ChoiceField(
        choices=Message.ReplyClass.values,
        help_text="What the reply means. hard_no and angry end the writing to that person; another class lifts that.",
    )


class ReplyClassOutput(Output):
    message_id = serializers.CharField(source="pk")
    thread_id = serializers.CharField()
    reply_class = serializers.CharField()
    class_confidence = serializers.FloatField(help_text="0 to 1.")
    class_by = serializers.CharField(help_text="rules, model or person.")
