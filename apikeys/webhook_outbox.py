"""Events on their way out: a row per endpoint that wants to know, in the transaction of the event itself."""

import json
from collections.abc import Iterable
from datetime import datetime

from celery import current_app
from django.conf import settings

from apikeys.models import Event, WebhookDelivery, WebhookEndpoint
from outbound.api.serializers import moment
from outbound.bulk import insert_rows
from outbound.doorbell import ring
from outbound.ids import uuid7

EVERYTHING = "*"


def queue_deliveries(events: Iterable[Event]) -> int:
    """A delivery for every enabled endpoint that wants the event; how many. Call it where the events are written.

    Asks nothing of the database for workspaces that never had an endpoint; otherwise one question and one insert,
    however many events.
    """
    events = [event for event in events if event.workspace.has_webhooks]
    if not events:
        return 0
    listening = WebhookEndpoint.objects.filter(workspace__in={event.workspace_id for event in events}, enabled=True)
    endpoints = list(listening.only("id", "workspace_id", "kinds"))
    rows = [_delivery(endpoint, event) for event in events for endpoint in endpoints if wants(endpoint, event)]
    if rows:
        insert_rows(WebhookDelivery, rows)
        ring_deliverer()
    return len(rows)


def wants(endpoint: WebhookEndpoint, event: Event) -> bool:
    kinds = endpoint.kinds
    return endpoint.workspace_id == event.workspace_id and (EVERYTHING in kinds or event.kind in kinds)


def _delivery(endpoint: WebhookEndpoint, event: Event) -> dict:
    return {
        "id": uuid7(),
        "workspace_id": event.workspace_id,
        "endpoint_id": endpoint.id,
        "event_id": event.id,
        "kind": event.kind,
        "body": body_of(event.kind, at=event.created_at, data=data_of(event)),
        "state": WebhookDelivery.State.PENDING,
        "due_at": event.created_at,
        "created_at": event.created_at,
        "tries": 0,
        "error": "",
        "response_body": "",
        "history": [],
    }


def data_of(event: Event) -> dict:
    """What a subscriber is told: every key always there, null when it has no value."""
    return {
        "id": str(event.id),
        "workspace_id": str(event.workspace_id),
        "livemode": event.workspace.livemode,
        "summary": event.summary,
        "campaign_id": event.campaign_id and str(event.campaign_id),
        "lead_id": event.lead_id and str(event.lead_id),
        "message_id": event.message_id and str(event.message_id),
        "details": event.data,
    }


def body_of(kind: str, *, at: datetime, data: dict) -> str:
    """The payload of Standard Webhooks. Made once: every try sends and signs the same text."""
    return json.dumps({"type": kind, "timestamp": moment(at), "data": data}, separators=(",", ":"), default=str)


def ring_deliverer() -> None:
    """By name: a service does not import a task."""
    ring(current_app.signature("apikeys.deliver_webhooks", queue=settings.CELERY_TASK_DEFAULT_QUEUE))
