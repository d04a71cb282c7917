"""Signatures of Standard Webhooks (standardwebhooks.com), ours and those that come in. Pure.

Signatures are compared as text: base64 has several spellings of the same bytes, and only one of them is right.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

PREFIX = "whsec_"
TOLERANCE_SECONDS = 300


def sign(secret: str, *, message_id: str, timestamp: int | str, body: bytes) -> str:
    """`v1,<base64>` over id.timestamp.body. `timestamp`: unix seconds, or as it was written (0123 and 123 differ)."""
    signed = f"{message_id}.{timestamp}.".encode("utf-8", "surrogateescape") + body
    return "v1," + base64.b64encode(hmac.new(key_of(secret), signed, hashlib.sha256).digest()).decode()


def headers_for(secrets: Iterable[str], *, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers; more than one secret while they overlap, each with its signature."""
    signatures = [sign(secret, message_id=message_id, timestamp=timestamp, body=body) for secret in secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def is_signed(secret: str, *, message_id: str, timestamp: str, signatures: str, body: bytes, now: float) -> bool:
    """One of the space-separated signatures is right, and the timestamp within 300 s of `now` (unix seconds)."""
    if not message_id or not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 12:
        return False
    if abs(int(timestamp) - now) > TOLERANCE_SECONDS:
        return False
    expected = sign(secret, message_id=message_id, timestamp=timestamp, body=body)
    return any(same(given, expected) for given in signatures.split(" ")[:10])


def hmac_hex(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of the raw body under the secret as text, in hex: for senders that know no Standard Webhooks."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def same(given: str, expected: str) -> bool:
    """Compared in constant time, whatever the header holds."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), expected.encode())


def key_of(secret: str) -> bytes:
    """The bytes behind whsec_…; a secret of another form is its own bytes."""
    if secret.startswith(PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(PREFIX) + "==")
        except binascii.Error:
            pass
    return secret.encode()
