"""What senders look like from outside; REST and MCP use the same classes."""

from rest_framework import serializers

from outbound.api.serializers import Input, Output, OwnedField, Text
from sending.models import Thread

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
    confirm = serializers.BooleanField(default=False, help_text="Answer even somebody who said no.")


class ReplyOutput(Output):
    message_id = serializers.CharField()
    thread_id = serializers.CharField()
    vars()["from"] = serializers.CharField(source="from_email")
    to = serializers.CharField(source="to_email")
    status = serializers.ChoiceField(choices=["sent", "queued", "refused", "unknown"])
