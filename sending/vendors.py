"""A mailbox at a vendor: its rules, confirmed by a person, and the address where the vendor tells of the mail."""

import re
from datetime import datetime

from apikeys.inbound import create_connection
from apikeys.models import IngestConnection, Workspace
from outbound.api.errors import Invalid
from sending.models import Mailbox

# Whom it concerns → what must be confirmed. https://resend.com/legal/acceptable-use
POLICIES = {
    "resend": "Resend forbids unsolicited bulk mail and closes accounts for it "
    "(https://resend.com/legal/acceptable-use). Send confirm_policy: true to confirm that you have read its policy and "
    "keep to it."
}
NOT_OF_A_CONNECTION = ("warmup", "confirm_policy", "webhook_secret")
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{8,200}")
NOT_A_SECRET = "Give the signing secret as the vendor shows it: it begins with whsec_."  # noqa: S105


def at_vendor(
    *, workspace: Workspace, provider: str, key: str, confirm_policy: bool, confirmed_by: str, webhook_secret: str,
    now: datetime,
) -> dict:  # fmt: skip
    """The columns that a new mailbox at a vendor needs; none where nobody else's rules apply.

    Invalid (400) with the vendor's rule in a sentence until a person has confirmed it.
    """
    if provider not in POLICIES or not workspace.livemode:
        return {}
    refuse_unconfirmed(workspace, provider, confirm_policy)
    if not key:
        raise Invalid.field("api_key", "Give the vendor's API key.")
    address = _address_of(workspace, provider, key) or create_connection(
        workspace=workspace, source=provider, name=provider, now=now
    )
    if webhook_secret:
        keep_secret(address, webhook_secret)
    return {"policy_confirmed_at": now, "policy_confirmed_by": confirmed_by[:120], "events_at": address}


def refuse_unconfirmed(workspace: Workspace, provider: str, confirmed: bool | None) -> None:
    """Before the vendor is even asked. A test workspace calls no vendor."""
    if provider in POLICIES and workspace.livemode and not confirmed:
        raise Invalid.field("confirm_policy", POLICIES[provider])


def _address_of(workspace: Workspace, provider: str, key: str) -> IngestConnection | None:
    """One for all mailboxes of an account: a vendor tells everything to each address it is given."""
    there = Mailbox.objects.for_workspace(workspace).filter(provider=provider, events_at__isnull=False)
    same = (mailbox for mailbox in there.select_related("events_at").order_by("created_at") if mailbox.password == key)
    return next((mailbox.events_at for mailbox in same), None)


def keep_secret(address: IngestConnection, secret: str) -> None:
    if not SECRET.fullmatch(secret):
        raise Invalid.field("webhook_secret", NOT_A_SECRET)
    address.secret = secret
    address.save(update_fields=["secret"])


def change_secret(mailbox: Mailbox, secret: str) -> None:
    if mailbox.events_at is None:
        raise Invalid.field("webhook_secret", "This mailbox has no vendor that tells us anything.")
    keep_secret(mailbox.events_at, secret)


def events_path(mailbox: Mailbox) -> str | None:
    """Where the vendor posts, under this server's address."""
    return f"/api/ingest/{mailbox.provider}/{mailbox.events_at_id}" if mailbox.events_at_id else None
