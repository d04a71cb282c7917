"""What others post to us: verified on the raw bytes, kept as a row, answered; the work is done by a task from the row.

Each source has its door (its app's ingest.py) that names its ways of verifying, and a task that
calls work_off() with what to do. This module is what they share.
"""

import hashlib
import json
import logging
import secrets
import string
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Q
from rest_framework.exceptions import ParseError

from apikeys.models import IngestConnection, IngestedMessage, Workspace
from apikeys.webhook_signing import PREFIX, hmac_hex, is_signed, same
from apikeys.webhooks import new_secret
from outbound.api.errors import ApiError, Invalid
from outbound.api.parsers import parse_json
from outbound.api.serializers import as_uuid
from outbound.clock import real_now

logger = logging.getLogger(__name__)
State = IngestedMessage.State

MAX_BODY_BYTES = 1024 * 1024
MAX_CONNECTIONS = 50
SECRET_HEADER = "x-outbound-secret"  # noqa: S105  the header's name
SIGNATURE_HEADER = "x-outbound-signature"
KEPT_FOR = timedelta(days=30)
LEASE = timedelta(seconds=120)
TRIES = 5
BATCH = 50
SEEN_EVERY = timedelta(minutes=1)
_LETTERS = string.ascii_letters + string.digits


class TooMany(Invalid):
    code = "too_many"
    message = f"A workspace has at most {MAX_CONNECTIONS} addresses for senders. Delete one that is not needed."


class Unreadable(Exception):
    """A verified message that can never be worked off; the sentence is kept with it."""


@transaction.atomic
def create_connection(*, workspace: Workspace, source: str, name: str = "", now: datetime) -> IngestConnection:
    """An address for one sender; its `secret` is to be shown this once."""
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    if IngestConnection.objects.for_workspace(workspace).count() >= MAX_CONNECTIONS:
        raise TooMany()
    secret = "".join(secrets.choice(_LETTERS) for _ in range(40))
    return IngestConnection.objects.create(workspace=workspace, source=source, name=name, secret=secret, created_at=now)


def billing_connection() -> tuple[IngestConnection, bool]:
    """The deployment's one billing address, made when there is none: (connection, whether it is new)."""
    found = IngestConnection.objects.filter(source=IngestConnection.Source.BILLING).first()
    if found:
        return found, False
    return IngestConnection.objects.create(workspace=None, source="billing", secret=new_secret()), True


def connection_at(source: str, connection_id: str) -> IngestConnection | None:
    row_id = as_uuid(connection_id)
    found = IngestConnection.objects.select_related("workspace").filter(pk=row_id, source=source) if row_id else None
    return found.first() if found is not None else None


def by_secret_or_signature(connection: IngestConnection, headers: Mapping[str, str], body: bytes) -> str | None:
    """The dedupe key, or None. The secret in a header, or the body's HMAC-SHA256 in hex, `sha256=` before it or not.

    Neither says which message this is, so the body itself does.
    """
    signature = headers.get(SIGNATURE_HEADER, "")
    expected = hmac_hex(connection.secret, body)
    if signature:
        good = same(signature, expected) | same(signature, f"sha256={expected}")
    else:
        good = same(headers.get(SECRET_HEADER, ""), connection.secret)
    return hashlib.sha256(body).hexdigest() if good else None


def by_standard_webhook(connection: IngestConnection, headers: Mapping[str, str], body: bytes) -> str | None:
    """The dedupe key, from the signed id, or None. Standard Webhooks, at most 300 s old."""
    return _signed(connection, headers, body, prefix="webhook")


def by_svix(connection: IngestConnection, headers: Mapping[str, str], body: bytes) -> str | None:
    """The same scheme under its older names (https://docs.svix.com/receiving/verifying-payloads/how-manual)."""
    return _signed(connection, headers, body, prefix="svix")


def _signed(connection: IngestConnection, headers: Mapping[str, str], body: bytes, *, prefix: str) -> str | None:
    message_id = headers.get(f"{prefix}-id", "")
    good = connection.secret.startswith(PREFIX) and is_signed(
        connection.secret,
        message_id=message_id,
        timestamp=headers.get(f"{prefix}-timestamp", ""),
        signatures=headers.get(f"{prefix}-signature", ""),
        body=body,
        now=real_now().timestamp(),
    )
    return hashlib.sha256(message_id.encode("utf-8", "surrogateescape")).hexdigest() if good else None


def keep(*, connection: IngestConnection, dedupe_key: str, body: bytes, now: datetime) -> bool:
    """Take a verified message in; False when it was here before, and then nothing happens."""
    if connection.last_received_at is None or now - connection.last_received_at > SEEN_EVERY:
        IngestConnection.objects.filter(pk=connection.pk).update(last_received_at=now)
    try:
        with transaction.atomic():
            IngestedMessage.objects.create(connection=connection, dedupe_key=dedupe_key, body=body, created_at=now)
    except IntegrityError:
        return False
    return True


def work_off(source: str, handle: Callable[[IngestedMessage, object], dict], *, stop=lambda: False) -> int:
    """Work off what came in from a source; how many messages.

    `handle(message, data)` gets the parsed body and returns what it brought. Its effect commits together with the
    message's new state, or not at all. It raises Unreadable or ApiError for what will not get better by trying again.
    """
    worked = 0
    while not stop():
        batch = _claim(source)
        for message in batch:
            _work(message, handle)
        worked += len(batch)
        if not batch:
            break
    return worked


def forget_old_messages(*, now: datetime) -> int:
    done = IngestedMessage.objects.filter(state__in=[State.DONE, State.FAILED], created_at__lt=now - KEPT_FOR)
    return done.delete()[0]


@transaction.atomic
def _claim(source: str) -> list[IngestedMessage]:
    now = real_now()
    free = Q(state=State.QUEUED) | Q(state=State.WORKING, lease_until__lt=now)
    rows = list(
        IngestedMessage.objects.filter(free, connection__source=source)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("connection__workspace")
        .order_by("created_at", "id")[:BATCH]
    )
    token = uuid.uuid4()
    for row in rows:
        row.token, row.state, row.tries, row.lease_until = token, State.WORKING, row.tries + 1, now + LEASE
    IngestedMessage.objects.bulk_update(rows, ["token", "state", "tries", "lease_until"])
    return rows


def _work(message: IngestedMessage, handle) -> None:
    try:
        with transaction.atomic():
            outcome = handle(message, _read(bytes(message.body)))
            if not _settle(message, State.DONE, outcome):
                transaction.set_rollback(True)  # another worker took it over: its effect stands, not ours
    except (Unreadable, ApiError) as error:
        _settle(message, State.FAILED, {"reason": str(error)[:300]})
    except Exception:
        # One message that trips us up must not keep those behind it waiting; its lease brings it back.
        logger.exception("Message %s could not be worked off.", message.pk)
        if message.tries >= TRIES:
            _settle(message, State.FAILED, {"reason": "Something went wrong on our side."})


def _read(body: bytes):
    try:
        return parse_json(body)
    except ParseError as error:
        raise Unreadable(f"The body is not JSON that we can take: {error}") from None


def _settle(message: IngestedMessage, state: str, outcome: dict) -> int:
    return IngestedMessage.objects.filter(pk=message.pk, token=message.token, state=State.WORKING).update(
        state=state, outcome=json.loads(json.dumps(outcome, default=str)), body=None, token=None, lease_until=None,
        finished_at=real_now(),
    )  # fmt: skip
