"""Who must never be written to, and why. Looked up by a keyed hash, so that an erased address is still refused."""

import hashlib
import hmac
import re
from dataclasses import dataclass
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Q

from apikeys.events import record_event, record_events
from apikeys.models import Workspace
from leads.cells import restore
from leads.checks import normalise_email
from leads.models import Lead, Suppression
from outbound.acknowledging import nothing_more_to
from outbound.api.errors import Invalid
from outbound.bulk import insert_rows
from outbound.ids import uuid7

CHUNK = 5000  # values in one IN(…): SQLite takes 32,766 parameters


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


def read_value(text: str) -> str:
    """What may be suppressed, in the one spelling that leads have too. ValueError with a sentence for anything else."""
    text = restore(text.strip())
    try:
        if text.startswith("@"):
            return normalise_email(f"x{text}")[1:]
        return normalise_email(text)
    except ValueError:
        raise ValueError("Give an address, or a whole domain as @acme.com.") from None


@dataclass(frozen=True)
class Unwanted:
    """Somebody who must not be written to: an address or an @domain, why, and in whose words."""

    value: str
    kind: str = Suppression.Kind.MANUAL
    reason: str = ""


def suppress(*, workspace: Workspace, value: str, kind: str, now, reason: str = "") -> Suppression:
    """Never write to this address, or (`@acme.com`) to this whole domain. Holds from the moment it is committed."""
    value = value.strip().lower()
    if "@" not in value or len(value) > 255:
        raise Invalid.field("value", "Give an address, or a domain as @acme.com.")
    [(row_id, _)] = suppress_all(workspace=workspace, unwanted=[Unwanted(value, kind, reason)], now=now)
    return Suppression.objects.get(pk=row_id)


@transaction.atomic
def suppress_all(*, workspace: Workspace, unwanted: list[Unwanted], now) -> list[tuple[UUID, bool]]:
    """Suppress many at once: (id of the suppression, whether it is new) of each, in order.

    The leads it concerns are locked first: a send that is about to be committed waits, and then sees it.
    """
    lock_addresses(workspace, [each.value for each in unwanted])
    leads = Lead.objects.for_workspace(workspace).filter(_concerned([each.value for each in unwanted]))
    locked = list(leads.select_for_update(no_key=True).order_by("id").values_list("id", "email"))
    rows = [_row(workspace, each, now) for each in unwanted]
    new = set(insert_rows(Suppression, rows))
    there = Suppression.objects.for_workspace(workspace).filter(digest__in=[row["digest"] for row in rows])
    ids = {(kind, each): row_id for kind, each, row_id in there.values_list("kind", "digest", "id")}
    leads.update(status=Lead.Status.BLOCKED, updated_at=now)
    opted_out = {row["value"] for row in rows if row["id"] in new and row["kind"] == Suppression.Kind.UNSUBSCRIBED}
    _say_who_opted_out(workspace, opted_out, locked, now)
    nothing_more_to(workspace.pk, [row["value"] for row in rows])
    return [(ids[row["kind"], row["digest"]], row["id"] in new) for row in rows]


def _concerned(values: list[str]) -> Q:
    domains = [value[1:] for value in values if value.startswith("@")]
    return Q(email__in=[value for value in values if not value.startswith("@")]) | Q(email_domain__in=domains)


def _row(workspace: Workspace, each: Unwanted, now) -> dict:
    return {
        "id": uuid7(), "workspace_id": workspace.id, "created_at": now, "kind": each.kind, "value": each.value,
        "digest": digest(workspace, each.value), "reason": each.reason[:300], "collected": False,
    }  # fmt: skip


def _say_who_opted_out(workspace: Workspace, values: set[str], leads: list[tuple], now) -> None:
    record_events(
        [
            {"workspace": workspace, "kind": "lead.unsubscribed", "summary": f"{value} opted out", "now": now,
             "lead_id": lead_id}
            for lead_id, email in leads
            for value in values & {email, "@" + email.rpartition("@")[2]}
        ]
    )  # fmt: skip


@transaction.atomic
def lift(*, suppression: Suppression, reason: str, now) -> None:
    """Allow writing again, for this reason and by whoever answers for it: the log keeps both.

    Its leads are held again unless something else forbids them; what was ended for it stays ended.
    """
    workspace, row = suppression.workspace, suppression
    leads = _locked_for(row)
    if not Suppression.objects.filter(pk=row.pk).delete()[0]:
        return  # lifted a moment ago
    for start in range(0, len(leads), CHUNK):
        _hold_again(workspace, leads[start : start + CHUNK], now)
    shown = row.value or "An erased address"
    record_event(
        workspace=workspace, kind="suppression.removed", summary=f"{shown} may be written to again: {reason}", now=now,
        suppression_id=str(row.id), value=row.value or None, suppressed_as=row.kind, suppressed_because=row.reason,
        reason=reason,
    )  # fmt: skip


def _locked_for(row: Suppression) -> list[Lead]:
    """The leads that a suppression blocks, before it goes; of an erased address, those that have come back since."""
    workspace = row.workspace
    blocked = Lead.objects.for_workspace(workspace).filter(status=Lead.Status.BLOCKED).order_by("id")
    if row.value:
        lock_address(workspace, row.value)
        blocked = blocked.filter(_concerned([row.value]))
    else:
        emails = blocked.values_list("email", flat=True).iterator(chunk_size=CHUNK)
        blocked = blocked.filter(email__in=[email for email in emails if digest(workspace, email) == row.digest])
    return list(blocked.select_for_update(no_key=True).only("id", "email"))


def _hold_again(workspace: Workspace, leads: list[Lead], now) -> None:
    forbidden = suppressed_among(workspace, [lead.email for lead in leads])
    free = [lead.id for lead in leads if lead.email not in forbidden]
    Lead.objects.filter(id__in=free).update(status=Lead.Status.HELD, updated_at=now)


def erase(workspace: Workspace, email: str) -> None:
    """Forget the address of a lead that is gone, in our words and in those of the servers; it stays refused."""
    for row in Suppression.objects.for_workspace(workspace).filter(value=email):
        row.value = ""
        row.reason = re.sub(re.escape(email), "(erased)", row.reason, flags=re.IGNORECASE)[:300]
        row.save(update_fields=["value", "reason"])


LOCKS = 1024  # of a workspace: so that a list of any length fits into the server's table of locks


def lock_address(workspace: Workspace, value: str) -> None:
    """A row that is not there cannot be locked: an advisory lock on (workspace, domain) stands for it.

    Every send takes it too, just before its commit. SQLite has one writer and needs none.
    """
    lock_addresses(workspace, [value])


def lock_addresses(workspace: Workspace, values: list[str]) -> None:
    """The locks of many addresses, in one order for everybody. Domains share them: that costs a wait, no mistake."""
    if connection.vendor == "postgresql":
        keys = sorted({_lock_key(workspace, value) for value in values})
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(key) FROM unnest(%s::bigint[]) AS key", [keys])


def _lock_key(workspace: Workspace, value: str) -> int:
    share = int.from_bytes(hashlib.sha256(value.rpartition("@")[2].encode()).digest()[:4], "big") % LOCKS
    key = hashlib.sha256(f"{workspace.pk}{share}".encode()).digest()[:8]
    return int.from_bytes(key, "big", signed=True)
