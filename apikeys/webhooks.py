"""Endpoints that are told what happens: made, changed, rotated, tested, replayed. Delivering: webhook_delivery.py."""

import base64
import secrets
from datetime import datetime, timedelta

from django.db import transaction

from apikeys.events import record_event
from apikeys.models import WebhookDelivery, WebhookEndpoint, Workspace
from apikeys.webhook_outbox import body_of, ring_deliverer
from outbound.api.errors import Conflict, Invalid

OVERLAP = timedelta(hours=24)
MAX_ENDPOINTS = 50
TEST_KIND = "webhook.test"
BY_HAND = "Switched off by hand."


class TooMany(Invalid):
    code = "too_many"
    message = f"A workspace has at most {MAX_ENDPOINTS} webhook endpoints. Delete one that is not needed."


class EndpointDisabled(Conflict):
    code = "webhook_disabled"
    message = "This endpoint is switched off. Switch it on first: PATCH with enabled true."


def new_secret() -> str:
    """whsec_ and 32 random bytes in base64, as Standard Webhooks has it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


@transaction.atomic
def create_endpoint(
    *, workspace: Workspace, url: str, kinds: list[str], description: str = "", now: datetime
) -> WebhookEndpoint:
    """A new endpoint; its `secret` is to be shown this once. The caller has checked the URL, outside a transaction."""
    # The row's lock makes the count right for two who create at once.
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    if WebhookEndpoint.objects.for_workspace(workspace).count() >= MAX_ENDPOINTS:
        raise TooMany()
    Workspace.objects.filter(pk=workspace.pk).update(has_webhooks=True)
    workspace.has_webhooks = True
    return WebhookEndpoint.objects.create(
        workspace=workspace, url=url, kinds=kinds, description=description, secret=new_secret(), created_at=now
    )


def update_endpoint(*, endpoint: WebhookEndpoint, now: datetime, **fields) -> WebhookEndpoint:
    """Set url, kinds, description or enabled. Switched on again, it gets what was held; failures are forgotten."""
    if fields.get("enabled") is True:
        fields |= {"disabled_reason": "", "disabled_at": None, "dead_in_a_row": 0}
    elif fields.get("enabled") is False and endpoint.enabled:
        fields |= {"disabled_reason": BY_HAND, "disabled_at": now}
    if fields:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(**fields)
    endpoint.refresh_from_db()
    if endpoint.enabled:
        ring_deliverer()
    return endpoint


def delete_endpoint(*, endpoint: WebhookEndpoint) -> None:
    """Gone with its log; what was on its way is not sent any more."""
    endpoint.delete()


def rotate_secret(*, endpoint: WebhookEndpoint, now: datetime) -> WebhookEndpoint:
    """A new secret, to be shown this once. For 24 hours both sign, so that receivers can change theirs at leisure."""
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        endpoint.old_secret, endpoint.old_secret_until = endpoint.secret, now + OVERLAP
        endpoint.secret = new_secret()
        endpoint.save(update_fields=["secret", "old_secret", "old_secret_until"])
    return endpoint


def disable_endpoint(*, endpoint: WebhookEndpoint, reason: str, now: datetime) -> None:
    """Switch an endpoint off for a reason of ours, and say so in the log. What is open waits."""
    changed = WebhookEndpoint.objects.filter(pk=endpoint.pk, enabled=True).update(
        enabled=False, disabled_reason=reason[:300], disabled_at=now
    )
    if changed:
        record_event(
            workspace=endpoint.workspace,
            kind="webhook.disabled",
            summary=f"{endpoint.url[:200]} was switched off: {reason}",
            now=now,
            webhook_id=str(endpoint.pk),
            reason=reason,
        )


def send_test(*, endpoint: WebhookEndpoint, now: datetime) -> WebhookDelivery:
    """Queue a test event: tried once, and neither its success nor its failure counts for the endpoint."""
    _refuse_disabled(endpoint)
    data = {"webhook_id": str(endpoint.pk), "livemode": endpoint.workspace.livemode, "summary": "This is a test."}
    delivery = WebhookDelivery.objects.create(
        workspace=endpoint.workspace,
        endpoint=endpoint,
        kind=TEST_KIND,
        body=body_of(TEST_KIND, at=now, data=data),
        due_at=now,
        created_at=now,
    )
    ring_deliverer()
    return delivery


def replay(*, delivery: WebhookDelivery, now: datetime) -> WebhookDelivery:
    """Send it again, from the start of the schedule: the same webhook-id and body. One in hand is left as it is."""
    _refuse_disabled(delivery.endpoint)
    WebhookDelivery.objects.filter(pk=delivery.pk).exclude(state=WebhookDelivery.State.SENDING).update(
        state=WebhookDelivery.State.PENDING, due_at=now, tries=0, finished_at=None
    )
    delivery.refresh_from_db()
    ring_deliverer()
    return delivery


def _refuse_disabled(endpoint: WebhookEndpoint) -> None:
    if not endpoint.enabled:
        raise EndpointDisabled()
