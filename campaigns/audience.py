"""Who a campaign is sent to: frozen when added, passed through the health gate (decisions §3)."""

from collections import Counter
from dataclasses import dataclass, field

from apikeys.models import Workspace
from campaigns.models import Campaign, Enrollment
from leads.models import Lead
from leads.queries import health_of
from outbound.api.errors import Invalid
from outbound.bulk import insert_rows
from outbound.ids import uuid7

CHUNK = 5000
E = Enrollment.Status


@dataclass
class Audience:
    """enrolled counts active and paused together; blocked and excluded say why in `reasons`."""

    active: int = 0
    paused: int = 0
    blocked: int = 0
    excluded: int = 0
    reasons: Counter = field(default_factory=Counter)
    sample: list = field(default_factory=list)

    @property
    def enrolled(self) -> int:
        return self.active + self.paused


def enroll(
    campaign: Campaign, leads, *, now, include_active_elsewhere: bool = False, dry_run: bool = False
) -> Audience:
    """Enroll a queryset of leads: green active, yellow paused, red not at all; who walks elsewhere stays out.

    Call inside the transaction that creates the campaign. Invalid (400) when nobody is left.
    """
    return enroll_in(
        campaign.workspace, campaign, leads, now=now, include_active_elsewhere=include_active_elsewhere, dry_run=dry_run
    )


def enroll_in(
    workspace: Workspace, campaign: Campaign | None, leads, *, now, include_active_elsewhere, dry_run
) -> Audience:
    audience = Audience()
    for chunk in _chunks(leads):
        busy = set() if include_active_elsewhere else _walking_elsewhere(chunk, campaign)
        rows = [row for lead in chunk if (row := _judge(lead, lead.id in busy, audience)) is not None]
        if not dry_run:
            _write(campaign, rows, now)
    if not audience.enrolled:
        raise _nobody(audience)
    return audience


def _nobody(audience: Audience) -> Invalid:
    why = "; ".join(f"{count} × {reason}" for reason, count in audience.reasons.most_common())
    sentence = f"Nobody is left to write to: {why}" if why else "There is no lead to write to."
    return Invalid(sentence, details={"leads": [sentence]})


def _chunks(leads):
    last = None
    rows = leads.order_by("id")
    while chunk := list((rows.filter(id__gt=last) if last else rows)[:CHUNK]):
        yield chunk
        last = chunk[-1].id


def _walking_elsewhere(chunk: list[Lead], campaign: Campaign | None) -> set:
    walking = Enrollment.objects.filter(
        lead__in=chunk, status__in=[E.ACTIVE, E.HELD, E.PAUSED], campaign__status__in=["active", "paused"]
    ).exclude(campaign=campaign)
    return set(walking.values_list("lead_id", flat=True))


def _judge(lead: Lead, busy: bool, audience: Audience) -> tuple[Lead, str, str] | None:
    """(lead, status, reason) to enroll, or None; either way it is counted."""
    health, reasons = health_of(lead)
    if health == "red":
        audience.blocked += 1
        audience.reasons[reasons[0]] += 1
        return None
    if busy:
        audience.excluded += 1
        audience.reasons["Active in another run."] += 1
        return None
    if len(audience.sample) < 3:
        audience.sample.append(lead)
    if health == "yellow":
        audience.paused += 1
        return lead, E.PAUSED, reasons[0]
    audience.active += 1
    return lead, E.ACTIVE, ""


def _write(campaign: Campaign, rows: list[tuple[Lead, str, str]], now) -> None:
    insert_rows(
        Enrollment,
        [
            {
                "id": uuid7(),
                "campaign_id": campaign.id,
                "lead_id": lead.id,
                "status": status,
                "reason": reason,
                "position": 0,
                "due_at": now,
                "created_at": now,
            }
            for lead, status, reason in rows
        ],
    )
    held = [lead.id for lead, _, _ in rows if lead.status == Lead.Status.HELD]
    Lead.objects.filter(id__in=held, status=Lead.Status.HELD).update(status=Lead.Status.ACTIVE)
