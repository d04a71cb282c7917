"""The transports by name. A new one is one file and one line here."""

from functools import cache

from django.utils.module_loading import import_string

from sending.providers.base import Handoff, NotAccepted, Parcel, SendResult, Session, Transport

__all__ = [
    "PROVIDERS",
    "WITH_A_KEY",
    "Handoff",
    "NotAccepted",
    "Parcel",
    "SendResult",
    "Session",
    "Transport",
    "transport_for",
]

# Dotted paths, resolved on first use: a vendor's package is only imported where a mailbox uses it.
PROVIDERS = {
    "smtp": "sending.providers.smtp.Smtp",
    "resend": "sending.providers.resend.Resend",
    "sandbox": "sending.providers.sandbox.Sandbox",
}

# Those that take an idempotency key: asked again under the same one, they send no second mail.
WITH_A_KEY = ("resend",)


@cache
def transport_for(name: str) -> Transport:
    """The transport of that name. Raises KeyError for a name that is not in PROVIDERS."""
    return import_string(PROVIDERS[name])()
