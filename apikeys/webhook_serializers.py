"""Webhook endpoints, their deliveries, and senders that may post to us: what may be sent, what is shown."""

from rest_framework import serializers

from apikeys.events import EVENT_KINDS
from apikeys.models import IngestConnection, IngestedMessage, WebhookDelivery
from apikeys.webhook_outbox import EVERYTHING
from outbound.api.pagination import PageInput
from outbound.api.serializers import Flag, Input, Moment, Output, Text, moment
from outbound.http import MAX_URL

KINDS = (EVERYTHING, *EVENT_KINDS)


class WebhookInput(Input):
    url = serializers.CharField(
        max_length=MAX_URL, help_text="An https address on a public host, such as https://example.com/hooks."
    )
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=KINDS),
        default=[EVERYTHING],
        allow_empty=False,
        max_length=len(KINDS),
        help_text="Kinds of events to be told of; * is all of them, also those to come.",
    )
    description = serializers.CharField(max_length=200, required=False, allow_blank=True, help_text="For yourself.")

    def validate_kinds(self, value):
        return list(dict.fromkeys(value))


class WebhookPatch(WebhookInput):
    url = serializers.CharField(max_length=MAX_URL, required=False, help_text="As when it was made.")
    kinds = serializers.ListField(
        child=serializers.ChoiceField(choices=KINDS), required=False, allow_empty=False, max_length=len(KINDS),
        help_text="These instead of those before.",
    )  # fmt: skip
    enabled = Flag(
        required=False, help_text="false: nothing is sent. true: what was held is sent, and failures are forgotten."
    )


class WebhookOutput(Output):
    id = serializers.CharField()
    url = serializers.CharField()
    description = Text()
    kinds = serializers.ListField(child=serializers.CharField())
    enabled = serializers.BooleanField()
    disabled_reason = Text()
    disabled_at = Moment(allow_null=True)
    rotated_until = Moment(
        source="old_secret_until", allow_null=True, help_text="Until then the secret before the last one signs as well."
    )
    created_at = Moment()


class NewWebhookOutput(WebhookOutput):
    secret = serializers.CharField(help_text="whsec_…: verify signatures with it. It is shown this once.")


class TryOutput(Output):
    at = serializers.CharField()
    status_code = serializers.IntegerField(allow_null=True)
    error = Text(help_text="null when it was delivered.")
    milliseconds = serializers.IntegerField()


class DeliveryOutput(Output):
    id = serializers.CharField()
    webhook_id = serializers.CharField(source="endpoint_id")
    event_id = serializers.CharField(allow_null=True)
    message_id = serializers.SerializerMethodField(help_text="The webhook-id header: the same at every try and replay.")
    kind = serializers.CharField()
    state = serializers.ChoiceField(choices=WebhookDelivery.State.choices)
    tries = serializers.IntegerField(help_text="Since it was queued or replayed.")
    next_try_at = serializers.SerializerMethodField()
    status_code = serializers.IntegerField(allow_null=True)
    error = Text()
    response_body = Text(help_text="The last answer, at most 4 KB.")
    body = serializers.CharField(help_text="The very text that is sent and signed.")
    history = TryOutput(many=True)
    created_at = Moment()
    finished_at = Moment(allow_null=True)

    def get_message_id(self, row) -> str:
        return str(row.event_id or row.pk)

    def get_next_try_at(self, row) -> str | None:
        return moment(row.due_at) if row.state in WebhookDelivery.OPEN else None


class DeliveryQuery(PageInput):
    state = serializers.ChoiceField(choices=WebhookDelivery.State.choices, required=False, help_text="Only these.")


class IngestConnectionInput(Input):
    source = serializers.ChoiceField(choices=[IngestConnection.Source.CLAY], help_text="Who posts.")
    name = serializers.CharField(max_length=80, required=False, allow_blank=True, help_text="For yourself.")


class IngestConnectionOutput(Output):
    id = serializers.CharField()
    source = serializers.CharField()
    name = Text()
    path = serializers.SerializerMethodField(help_text="Where to post, under this server's address.")
    last_received_at = Moment(allow_null=True)
    created_at = Moment()

    def get_path(self, row) -> str:
        return f"/api/ingest/{row.source}/{row.pk}"


class NewIngestConnectionOutput(IngestConnectionOutput):
    secret = serializers.CharField(help_text="Send it, or sign with it. It is shown this once.")


class IngestedMessageOutput(Output):
    id = serializers.CharField()
    state = serializers.ChoiceField(choices=IngestedMessage.State.choices)
    outcome = serializers.DictField(help_text="What it brought; when it failed, the reason.")
    created_at = Moment()
    finished_at = Moment(allow_null=True)
