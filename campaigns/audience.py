"""Who a campaign is sent to: frozen when added, passed through the health gate (decisions §3)."""

from collections import Counter
from dataclasses import dataclass, field

from apikeys.events import record_events
from apikeys.models import Workspace
from campaigns.models import Campaign, Enrollment
from leads.models import Lead
from leads.queries import NOT_VALIDATED, awaits_validation, health_of
from outbound.api.errors import Invalid
from outbound.bulk import insert_rows
from outbound.ids import uuid7

CHUNK = 5000
E = Enrollment.Status
OPEN = [E.ACTIVE, E.HELD, E.PAUSED]
BLOCKED, EXCLUDED, ALREADY = "blocked", "excluded", "already"
ELSEWHERE = "Active in another run."


@dataclass(frozen=True)
class Fate:
    """What becomes of one lead: enrolled (`outcome` active, paused or held), or blocked, excluded, already there."""

    lead: Lead
    outcome: str
    reason: str = ""

    @property
    def is_enrolled(self) -> bool:
        return self.outcome in OPEN


@dataclass
class Audience:
    """enrolled counts active, paused and held together; blocked and excluded say why in `reasons`."""

    active: int = 0
    paused: int = 0
    held: int = 0
    blocked: int = 0
    excluded: int = 0
    already: int = 0
    reasons: Counter = field(default_factory=Counter)
    sample: list = field(default_factory=list)

    @property
    def enrolled(self) -> int:
        return self.active + self.paused + self.held

    def count(self, fates: list[Fate]) -> None:
        for fate in fates:
            setattr(self, fate.outcome, getattr(self, fate.outcome) + 1)
            if fate.outcome in (BLOCKED, EXCLUDED):
                self.reasons[fate.reason] += 1
            elif fate.is_enrolled and len(self.sample) < 3:
                self.sample.append(fate.lead)


def enroll(
    campaign: Campaign, leads, *, now, include_active_elsewhere: bool = False, dry_run: bool = False
) -> Audience:
    """Enroll a queryset of leads: green active, yellow paused, red not at all; who walks elsewhere stays out.

    Call inside the transaction that creates or locks the campaign. Invalid (400) when nobody is left.
    """
    return enroll_in(
        campaign.workspace, campaign, leads, now=now, include_active_elsewhere=include_active_elsewhere, dry_run=dry_run
    )


def enroll_in(
    workspace: Workspace, campaign: Campaign | None, leads, *, now, include_active_elsewhere, dry_run
) -> Audience:
    audience = Audience()
    for chunk in _chunks(leads):
        fates = fates_of(workspace, campaign, chunk, include_active_elsewhere=include_active_elsewhere)
        audience.count(fates)
        if not dry_run:
            write(campaign, fates, now=now)
    if not audience.enrolled and not audience.already:
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


def fates_of(
    workspace: Workspace, campaign: Campaign | None, leads: list[Lead], *, include_active_elsewhere: bool = False
) -> list[Fate]:
    """What the gate says of each, two statements for all of them; nothing is written."""
    enrolled = Enrollment.objects.filter(lead__in=leads)
    here = set(enrolled.filter(campaign=campaign).values_list("lead_id", flat=True)) if campaign else set()
    walking = enrolled.filter(status__in=OPEN, campaign__status__in=["active", "paused"]).exclude(campaign=campaign)
    busy = set() if include_active_elsewhere else set(walking.values_list("lead_id", flat=True))
    return [_fate(workspace, lead, lead.id in here, lead.id in busy) for lead in leads]


def _fate(workspace: Workspace, lead: Lead, is_here: bool, is_busy: bool) -> Fate:
    health, reasons = health_of(lead)
    if is_here:
        return Fate(lead, ALREADY, "Enrolled in this campaign before.")
    if health == "red":
        return Fate(lead, BLOCKED, reasons[0])
    if is_busy:
        return Fate(lead, EXCLUDED, ELSEWHERE)
    if health == "yellow":
        return Fate(lead, E.PAUSED, reasons[0])
    if awaits_validation(lead, workspace):
        return Fate(lead, E.HELD, NOT_VALIDATED)
    return Fate(lead, E.ACTIVE)


def write(campaign: Campaign, fates: list[Fate], *, now) -> None:
    """Enroll those whom the gate let in; a held lead of theirs is an active one from now on (decisions C7)."""
    enrolled = [fate for fate in fates if fate.is_enrolled]
    insert_rows(Enrollment, [_row(campaign, fate, now) for fate in enrolled])
    held = [fate.lead.id for fate in enrolled if fate.lead.status == Lead.Status.HELD]
    Lead.objects.filter(id__in=held, status=Lead.Status.HELD).update(status=Lead.Status.ACTIVE)
    record_events([_wait(campaign, fate, now) for fate in enrolled if fate.outcome == E.HELD])


def _row(campaign: Campaign, fate: Fate, now) -> dict:
    return {
        "id": uuid7(), "campaign_id": campaign.id, "lead_id": fate.lead.id, "status": fate.outcome,
        "reason": fate.reason, "position": 0, "due_at": now, "created_at": now,
    }  # fmt: skip


def _wait(campaign: Campaign, fate: Fate, now) -> dict:
    return {
        "workspace": campaign.workspace, "kind": "enrollment.held", "now": now, "campaign_id": campaign.id,
        "lead_id": fate.lead.id, "summary": f"{fate.lead.email} waits: {fate.reason}",
    }  # fmt: skip
