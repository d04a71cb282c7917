"""Same key, same body: one effect and the stored answer (Superkabe §8, decisions §2)."""

import hashlib
from collections.abc import Callable
from contextlib import contextmanager
from datetime import timedelta

from django.db import IntegrityError, OperationalError, connection, transaction
from django.utils import timezone

from apikeys.models import StoredResponse
from outbound.api.errors import ApiError, Invalid

KEPT_FOR = timedelta(hours=24)
MAX_KEY_LENGTH = MAX_PATH_LENGTH = 255


class KeyReused(ApiError):
    status, code = 422, "idempotency_key_reused"
    message = "This Idempotency-Key was used with another body. Use a new key for a new request."


class StillRunning(ApiError):
    status, code = 409, "idempotency_in_progress"
    message = "The first request with this Idempotency-Key is still running. Try again in a second."

    def __init__(self):
        super().__init__(headers={"Retry-After": "1"})


def run_once(*, caller: str, key: str, method: str, path: str, body: bytes, effect: Callable[[], tuple[int, object]]):
    """Run `effect() -> (status, data)` once per key; afterwards give its answer again.

    Returns (status, data, replayed). The record commits with the effect, in one transaction; what raises is not stored,
    so a corrected request may use its key again. A simultaneous twin waits on the row for up to 2 s.
    Errors: Invalid (key too long), KeyReused (422), StillRunning (409).
    """
    if len(key) > MAX_KEY_LENGTH:
        raise Invalid.field("Idempotency-Key", f"At most {MAX_KEY_LENGTH} characters.")
    digest = hashlib.sha256(body).hexdigest()
    # A longer path has no row behind it and ends as a 404, so cutting it merges nothing.
    names = {"caller": caller, "key": key, "method": method, "path": path[:MAX_PATH_LENGTH]}
    stored = _stored(names)
    if stored is None:
        try:
            with transaction.atomic():
                row = _take(names, digest)
                row.status, row.data = effect()
                row.save(update_fields=["status", "data"])
            return row.status, row.data, False
        except _Taken:
            stored = _stored(names)
            if stored is None:
                raise StillRunning() from None
    if stored.body_digest != digest:
        raise KeyReused()
    return stored.status, stored.data, True


def forget_old_responses(*, now) -> int:
    return StoredResponse.objects.filter(created_at__lt=now - KEPT_FOR).delete()[0]


class _Taken(Exception):
    """A twin holds or held the key."""


def _stored(names: dict) -> StoredResponse | None:
    fresh = timezone.now() - KEPT_FOR
    StoredResponse.objects.filter(**names, created_at__lt=fresh).delete()
    return StoredResponse.objects.filter(**names).first()


def _take(names: dict, digest: str) -> StoredResponse:
    """Insert the row; on PostgreSQL the unique index makes a twin wait here until we commit."""
    try:
        with transaction.atomic(), _waiting_two_seconds():
            return StoredResponse.objects.create(**names, body_digest=digest)
    except (IntegrityError, OperationalError) as error:
        raise _Taken() from error


@contextmanager
def _waiting_two_seconds():
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        yield
        cursor.execute("SET LOCAL lock_timeout = DEFAULT")
