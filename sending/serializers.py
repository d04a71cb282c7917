"""What senders look like from outside; REST and MCP use the same classes."""

from rest_framework import serializers

from outbound.api.serializers import Output, Text


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
