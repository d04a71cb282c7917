"""The door for what others post: the frame that every source's address is made from, and billing's own.

POST /api/ingest/<source>/<connection id>  →  202, or 401 without a word about why
"""

from collections.abc import Callable

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from apikeys import inbound, tasks
from apikeys.models import IngestConnection
from apikeys.services import now_for
from apikeys.throttling import asks_too_often
from outbound.api.envelope import enveloped
from outbound.api.errors import error_page
from outbound.clock import real_now
from outbound.doorbell import ring

# Senders post for many tenants from few addresses: this only keeps a flood from the database.
PER_MINUTE = 6000


def ingest_view(source: str, *, verify: Callable, task) -> Callable:
    """A view that takes `source`'s messages in when `verify(connection, headers, body)` gives a dedupe key."""

    @csrf_exempt
    def view(request: HttpRequest, connection_id: str) -> JsonResponse:
        if request.method != "POST":
            return error_page(405, "method_not_allowed", "Post here.")
        if asks_too_often(request, group=f"ingest-{source}", per_minute=PER_MINUTE):
            return error_page(429, "rate_limited", "Too many requests. Wait a minute.")
        body = _body(request)
        if body is None:
            return error_page(413, "too_large", "The body is larger than 1 MB. Send it in parts.")
        connection = inbound.connection_at(source, connection_id)
        dedupe_key = verify(connection, request.headers, body) if connection else None
        if connection is None or dedupe_key is None:
            return error_page(401, "not_verified", "Not accepted.")
        now = now_for(connection.workspace) if connection.workspace else real_now()
        if inbound.keep(connection=connection, dedupe_key=dedupe_key, body=body, now=now):
            ring(task)
        return JsonResponse(enveloped({"accepted": True}), status=202)

    return view


def _body(request: HttpRequest) -> bytes | None:
    """The raw bytes, None when there are more than 1 MB: the length header alone is enough to know."""
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or int(length) > inbound.MAX_BODY_BYTES:
        return None
    body = request.read(inbound.MAX_BODY_BYTES + 1)
    return body if len(body) <= inbound.MAX_BODY_BYTES else None


billing_ingest = ingest_view(
    IngestConnection.Source.BILLING, verify=inbound.by_standard_webhook, task=tasks.read_billing
)
