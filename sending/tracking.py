"""Signed tokens in the links of a mail. No database: the token itself says which message, and that we wrote it."""

import base64
import hmac
import re
from uuid import UUID

from django.conf import settings
from django.utils.crypto import salted_hmac

_UNSUBSCRIBE = "sending.tracking.unsubscribe"
_TAG_BYTES = 14  # 16 + 14 bytes are 40 characters with no bit to spare, so every character counts
_TOKEN = re.compile(r"[A-Za-z0-9_-]{40}")


def unsubscribe_token(message_id: UUID) -> str:
    """40 URL-safe characters that name a message for ever: an unsubscribe link may not expire (RFC 8058)."""
    return base64.urlsafe_b64encode(message_id.bytes + _tag(message_id.bytes, settings.SECRET_KEY)).decode()


def read_token(token: str) -> UUID | None:
    """The message an unsubscribe token names, or None for anything we did not sign.

    Old keys in SECRET_KEY_FALLBACKS still count, so that changing the key does not break links already sent.
    """
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        return None
    raw = base64.urlsafe_b64decode(token)
    identifier, tag = raw[:16], raw[16:]
    # All keys are tried, without stopping at the first, so the time tells nothing.
    matches = [hmac.compare_digest(tag, _tag(identifier, key)) for key in _keys()]
    return UUID(bytes=identifier) if any(matches) else None


def _keys() -> list[str]:
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _tag(identifier: bytes, key: str) -> bytes:
    return salted_hmac(_UNSUBSCRIBE, identifier, secret=key, algorithm="sha256").digest()[:_TAG_BYTES]
