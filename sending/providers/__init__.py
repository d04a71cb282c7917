"""The transports by name. A new one is one file and one line here."""

from functools import cache

from django.utils.module_loading import import_string

from sending.providers.base import Handoff, NotAccepted, Parcel, SendResult, Session, Transport

__all__ = ["PROVIDERS", "Handoff", "NotAccepted", "Parcel", "SendResult", "Session", "Transport", "transport_for"]

# Dotted paths, resolved on first use: a vendor's package is only imported where a mailbox uses it.
PROVIDERS = {
    "smtp": "sending.providers.smtp.Smtp",
    "resend": "sending.providers.resend.Resend",
    "sandbox": "sending.providers.sandbox.Sandbox",
}


@cache
def transport_for(name: str) -> Transport:
    """The transport of that name. Raises KeyError for a name that is not in PROVIDERS."""
    return import_string(PROVIDERS[name])()
