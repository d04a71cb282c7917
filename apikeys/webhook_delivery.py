"""Deliveries leave: claimed under a lease, posted without a transaction open, settled under the claim's token.

What is due is a query by the workspace's clock; leases are real time, so a worker's death costs its lease and no event.
A receiver may get one twice and knows it by its webhook-id; none is lost.
"""

import logging
import random
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Min, Q

from apikeys.models import WebhookDelivery, WebhookEndpoint
from apikeys.services import now_for
from apikeys.webhook_signing import headers_for
from apikeys.webhooks import TEST_KIND, disable_endpoint
from outbound import http
from outbound.api.serializers import moment
from outbound.clock import real_now

logger = logging.getLogger(__name__)
State = WebhookDelivery.State

# After the first try (decisions §2), each ± 10 % so that those who failed together do not come back together.
RETRIES = (
    timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(hours=1), timedelta(hours=6),
    timedelta(hours=24),
)  # fmt: skip
JITTER = 0.1
DEAD_IN_A_ROW = 5
GONE = 410
KEPT_BODY = 4096
KEPT_TRIES = 50
KEPT_FOR = timedelta(days=30)
TIMEOUT_SECONDS = 15
LEASE = timedelta(seconds=60)
# All workers together, and one endpoint's share: one that hangs must not keep the others waiting.
IN_HAND = 32
IN_HAND_OF_ONE = 4
RUN_SECONDS = 20  # then the worker is free again; the next tick goes on

WORDS = {
    "refused": "The address is not allowed: https on a public host only.",
    "timeout": f"No answer within {TIMEOUT_SECONDS} seconds.",
    "tls": "The certificate or the TLS handshake was not accepted.",
    "connect": "Could not connect, or the connection broke.",
    "protocol": "The answer was not HTTP.",
}


def deliver_due(*, stop=lambda: False) -> int:
    """Deliver what is due, in rounds, for about 20 seconds at most. How many tries were made."""
    began, tried = time.monotonic(), 0
    while not stop() and time.monotonic() - began < RUN_SECONDS:
        batch = _claim()
        if not batch:
            break
        _send(batch)
        tried += len(batch)
    return tried


def forget_old_deliveries(*, now: datetime) -> int:
    """The log goes back 30 days; what is still open stays."""
    old = WebhookDelivery.objects.exclude(state__in=WebhookDelivery.OPEN).filter(finished_at__lt=now - KEPT_FOR)
    return old.delete()[0]


def _claim() -> list[WebhookDelivery]:
    now = real_now()
    endpoints = _with_something_due(now)
    if not endpoints:
        return []
    batch: list[WebhookDelivery] = []
    with transaction.atomic():
        in_hand = _in_hand(now)
        room = IN_HAND - in_hand.total()
        for endpoint_id, business_now in endpoints:
            share = min(room - len(batch), IN_HAND_OF_ONE - in_hand[endpoint_id])
            if share > 0:
                batch += _take(endpoint_id, business_now, now, share)
    return batch


def _free(now: datetime) -> Q:
    return Q(state=State.PENDING) | Q(state=State.SENDING, lease_until__lt=now)


def _with_something_due(now: datetime) -> list[tuple[uuid.UUID, datetime]]:
    """(endpoint, now by its workspace's clock), the longest waiting first."""
    rows = (
        WebhookDelivery.objects.filter(_free(now), endpoint__enabled=True)
        .filter(Q(due_at__lte=now) | Q(workspace__clock_offset__gt=timedelta(0)))
        .values("endpoint_id", offset=F("workspace__clock_offset"))
        .annotate(oldest=Min("due_at"))
        .order_by("oldest", "endpoint_id")
    )
    return [(row["endpoint_id"], now + row["offset"]) for row in rows if row["oldest"] <= now + row["offset"]][:IN_HAND]


def _in_hand(now: datetime) -> Counter:
    held = WebhookDelivery.objects.filter(state=State.SENDING, lease_until__gte=now)
    return Counter(held.values_list("endpoint_id", flat=True))


def _take(endpoint_id, business_now: datetime, now: datetime, share: int) -> list[WebhookDelivery]:
    rows = list(
        WebhookDelivery.objects.filter(
            _free(now), endpoint_id=endpoint_id, endpoint__enabled=True, due_at__lte=business_now
        )
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("endpoint", "workspace")
        .order_by("due_at", "id")[:share]
    )
    token = uuid.uuid4()
    WebhookDelivery.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=State.SENDING, token=token, lease_until=now + LEASE
    )
    for row in rows:
        row.token = token
    return rows


def _send(batch: list[WebhookDelivery]) -> None:
    with ThreadPoolExecutor(max_workers=len(batch)) as pool:
        futures = {pool.submit(_post, row, now_for(row.workspace)): row for row in batch}
        for future in as_completed(futures):
            _settle(futures[future], future.result())


def _post(row: WebhookDelivery, now: datetime) -> http.Answer:
    """No database here: this runs in a thread of the pool."""
    body = row.body.encode()
    signed = headers_for(
        secrets_of(row.endpoint, now), message_id=message_id(row), timestamp=int(real_now().timestamp()), body=body
    )
    headers = {"content-type": "application/json", **signed}
    return http.request(
        "POST", row.endpoint.url, content=body, headers=headers, timeout=TIMEOUT_SECONDS, max_bytes=KEPT_BODY
    )


def message_id(row: WebhookDelivery) -> str:
    """The event's id, the same at every try, replay and endpoint; a test event has none but its delivery's."""
    return str(row.event_id or row.pk)


def secrets_of(endpoint: WebhookEndpoint, now: datetime) -> list[str]:
    overlaps = endpoint.old_secret and endpoint.old_secret_until and now < endpoint.old_secret_until
    return [endpoint.secret, *([endpoint.old_secret] if overlaps else [])]


@transaction.atomic
def _settle(row: WebhookDelivery, answer: http.Answer) -> None:
    """Record the try and decide. Only under our token: what was taken over or deleted meanwhile stays as it is."""
    endpoint = WebhookEndpoint.objects.select_for_update(no_key=True).filter(pk=row.endpoint_id).first()
    if endpoint is None:
        return
    now = now_for(row.workspace)
    fields = _tried(row, answer, now)
    kept = WebhookDelivery.objects.filter(pk=row.pk, token=row.token, state=State.SENDING).update(**fields)
    if kept and row.kind != TEST_KIND:
        _count(endpoint, fields["state"], answer, now)


def _tried(row: WebhookDelivery, answer: http.Answer, now: datetime) -> dict:
    error = error_of(answer)
    state, due_at = _what_next(row, answer, now)
    code = answer.status or None
    entry = {"at": moment(now), "status_code": code, "error": error, "milliseconds": answer.milliseconds}
    return {
        "state": state,
        "due_at": due_at,
        "tries": row.tries + 1,
        "token": None,
        "lease_until": None,
        "status_code": code,
        "error": error,
        "response_body": _text(answer.body),
        "history": [*row.history, entry][-KEPT_TRIES:],
        "finished_at": None if state == State.PENDING else now,
    }


def _what_next(row: WebhookDelivery, answer: http.Answer, now: datetime) -> tuple[str, datetime]:
    if answer.ok:
        return State.DELIVERED, row.due_at
    last = row.kind == TEST_KIND or row.tries >= len(RETRIES)
    if last or answer.status == GONE:
        return State.DEAD, row.due_at
    return State.PENDING, now + delay_before(row.pk, row.tries)


def delay_before(delivery_id: uuid.UUID, retry: int) -> timedelta:
    """How long until retry number `retry` (from 0): drawn from the delivery's id, the same when asked twice."""
    drawn = random.Random(f"{delivery_id}:{retry}").uniform(1 - JITTER, 1 + JITTER)  # noqa: S311  no secret
    return RETRIES[retry] * drawn


def error_of(answer: http.Answer) -> str:
    """One sentence for the log; empty when it was delivered."""
    if answer.ok:
        return ""
    if answer.status:
        moved = " Redirects are not followed." if 300 <= answer.status < 400 else ""
        return f"Answered {answer.status}.{moved}"
    return WORDS[answer.error]


def _text(body: bytes) -> str:
    """The first 4 KB as text that a database takes."""
    text = body[:KEPT_BODY].decode("utf-8", "replace").replace("\0", "�")
    return text.encode()[:KEPT_BODY].decode("utf-8", "ignore")


def _count(endpoint: WebhookEndpoint, state: str, answer: http.Answer, now: datetime) -> None:
    """Dead letters in a row. The endpoint's row is locked, so the fifth is the fifth."""
    if state == State.DELIVERED and endpoint.dead_in_a_row:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(dead_in_a_row=0)
    if state != State.DEAD:
        return
    dead = endpoint.dead_in_a_row + 1
    WebhookEndpoint.objects.filter(pk=endpoint.pk).update(dead_in_a_row=dead)
    if answer.status == GONE:
        disable_endpoint(endpoint=endpoint, reason="It answered 410 Gone.", now=now)
    elif dead >= DEAD_IN_A_ROW:
        disable_endpoint(endpoint=endpoint, reason=f"{dead} deliveries in a row could not be delivered.", now=now)
