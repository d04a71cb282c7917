"""Signed tokens in the links of a mail. No database: the token itself says which message, and that we wrote it."""

import base64
import hmac
import re
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

_UNSUBSCRIBE = "sending.tracking.unsubscribe"
_OPEN = "sending.tracking.open"
_CLICK = "sending.tracking.click"
_TOKEN_BYTES = 30  # 40 characters with no bit to spare, so every character counts
_TOKEN = re.compile(r"[A-Za-z0-9_-]{40}")
MAX_LINKS = 256  # as many as one byte of a token can name


def unsubscribe_token(message_id: UUID) -> str:
    """40 URL-safe characters that name a message for ever: an unsubscribe link may not expire (RFC 8058)."""
    return _signed(_UNSUBSCRIBE, message_id.bytes)


def read_token(token: str) -> UUID | None:
    """The message an unsubscribe token names, or None for anything we did not sign.

    Old keys in SECRET_KEY_FALLBACKS still count, so that changing the key does not break links already sent.
    """
    found = _read(_UNSUBSCRIBE, token, size=16)
    return UUID(bytes=found) if found else None


def open_token(message_id: UUID) -> str:
    """Names the image of a message; good for nothing else."""
    return _signed(_OPEN, message_id.bytes)


def read_open_token(token: str) -> UUID | None:
    found = _read(_OPEN, token, size=16)
    return UUID(bytes=found) if found else None


def click_token(message_id: UUID, link: int) -> str:
    """Names one of the links that are stored with a message, by its place (below MAX_LINKS)."""
    return _signed(_CLICK, message_id.bytes + bytes([link]))


def read_click_token(token: str) -> tuple[UUID, int] | None:
    """(message, place of the link), or None for anything we did not sign."""
    found = _read(_CLICK, token, size=17)
    return (UUID(bytes=found[:16]), found[16]) if found else None


def _signed(purpose: str, what: bytes) -> str:
    return base64.urlsafe_b64encode(what + _tag(purpose, what, settings.SECRET_KEY)).decode()


def _read(purpose: str, token: str, *, size: int) -> bytes | None:
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        return None
    raw = base64.urlsafe_b64decode(token)
    what, tag = raw[:size], raw[size:]
    # All keys are tried, without stopping at the first, so the time tells nothing.
    matches = [hmac.compare_digest(tag, _tag(purpose, what, key)) for key in _keys()]
    return what if any(matches) else None


def _keys() -> list[str]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _tag(purpose: str, what: bytes, key: str) -> bytes:
    return salted_hmac(purpose, what, secret=key, algorithm="sha256").digest()[: _TOKEN_BYTES - len(what)]
