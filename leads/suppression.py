"""Who must never be written to, and why. Looked up by a keyed hash, so that an erased address is still refused."""

import hashlib
import hmac

from django.db import connection, transaction

from apikeys.events import record_events
from apikeys.models import Workspace
from leads.models import Lead, Suppression
from outbound.api.errors import Invalid


def digest(workspace: Workspace, value: str) -> str:
    return hmac.new(workspace.opt_out_key.encode(), value.encode(), hashlib.sha256).hexdigest()


def digests_of(workspace: Workspace, email: str) -> tuple[str, str]:
    """Of the address and of its whole domain."""
    return digest(workspace, email), digest(workspace, "@" + email.rpartition("@")[2])


def is_suppressed(workspace: Workspace, email: str) -> Suppression | None:
    """Why the address must not be written to; of several reasons not "said no", which a person may override."""
    rows = Suppression.objects.filter(workspace=workspace, digest__in=digests_of(workspace, email))
    return min(rows, key=lambda row: (row.kind == Suppression.Kind.REPLIED_NO, row.id), default=None)


def suppressed_among(workspace: Workspace, emails) -> set[str]:
    """Which of the addresses must not be written to: one statement for all."""
    owners: dict[str, set[str]] = {}
    for email in emails:
        for each in digests_of(workspace, email):
            owners.setdefault(each, set()).add(email)
    found = Suppression.objects.filter(workspace=workspace, digest__in=list(owners)).values_list("digest", flat=True)
    return set().union(*(owners[each] for each in found))


@transaction.atomic
def suppress(*, workspace: Workspace, value: str, kind: str, now, reason: str = "") -> Suppression:
    """Never write to this address, or (`@acme.com`) to this whole domain. Holds from the moment it is committed.

    The leads it concerns are locked first: a send that is about to be committed waits, and then sees it.
    """
    value = value.strip().lower()
    if "@" not in value or len(value) > 255:
        raise Invalid.field("value", "Give an address, or a domain as @acme.com.")
    lock_address(workspace, value)
    leads = Lead.objects.for_workspace(workspace).filter(
        **{"email_domain": value[1:]} if value.startswith("@") else {"email": value}
    )
    locked = list(leads.select_for_update(no_key=True).order_by("id").values_list("id", flat=True))
    row, new = Suppression.objects.get_or_create(
        workspace=workspace,
        kind=kind,
        digest=digest(workspace, value),
        defaults={"value": value, "reason": reason[:300], "created_at": now},
    )
    leads.update(status=Lead.Status.BLOCKED, updated_at=now)
    if new and kind == Suppression.Kind.UNSUBSCRIBED:
        record_events(
            [
                {
                    "workspace": workspace,
                    "kind": "lead.unsubscribed",
                    "summary": f"{value} opted out",
                    "now": now,
                    "lead_id": lead_id,
                }
                for lead_id in locked
            ]
        )
    return row


def lock_address(workspace: Workspace, value: str) -> None:
    """A row that is not there cannot be locked: an advisory lock on (workspace, domain) stands for it.

    Every send takes it too, just before its commit. SQLite has one writer and needs none.
    """
    if connection.vendor == "postgresql":
        key = hashlib.sha256(f"{workspace.pk}{value.rpartition('@')[2]}".encode()).digest()[:8]
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int.from_bytes(key, "big", signed=True)])
