"""What we say: building, changing and previewing sequences."""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max

from apikeys.events import record_event
from apikeys.models import Workspace
from campaigns.models import Campaign, Sequence, SequenceVersion, Step, Variant
from campaigns.rendering import Words, lint, unknown_names
from leads.queries import known_names
from outbound.api.errors import Conflict
from outbound.api.names import taken, unique_name
from sending.services import cancel_queued

UNDER_WAY = (Campaign.Status.ACTIVE, Campaign.Status.PAUSED)


@dataclass(frozen=True)
class Wording:
    """One wording of a step: its words, the label it is counted under, its share of the traffic."""

    label: str
    weight: int
    words: Words


@transaction.atomic
def create_sequence(*, workspace: Workspace, name: str, description: str = "", steps: list[dict], now) -> Sequence:
    """A sequence with its first version. `steps`: dicts with the fields of StepInput."""
    _refuse_taken_name(workspace, name)
    with unique_name("sequence", name):
        sequence = Sequence.objects.create(
            workspace=workspace, name=name, description=description, created_at=now, updated_at=now
        )
    _add_version(sequence, steps, now)
    return sequence


@transaction.atomic
def update_sequence(*, sequence: Sequence, now, steps: list[dict] | None = None, **fields) -> Sequence:
    """Rename, describe, or change the steps. Steps of a sequence in use become the next version: leads on their way get
    the new steps from their next position on, and nobody gets a position twice. What is queued is planned anew."""
    if "name" in fields and fields["name"].lower() != sequence.name.lower():
        _refuse_taken_name(sequence.workspace, fields["name"])
    for name, value in fields.items():
        setattr(sequence, name, value)
    sequence.updated_at = now
    with unique_name("sequence", sequence.name):
        sequence.save(update_fields=[*fields, "updated_at"])
    if steps is not None:
        _change_steps(sequence, steps, now)
    return sequence


def _change_steps(sequence: Sequence, steps: list[dict], now) -> None:
    under_way = sequence.campaigns.filter(status__in=UNDER_WAY).select_related("workspace").order_by("id")
    # The planner holds the same lock: it queued the old words before us, and we cancel them, or it reads the new.
    runs = list(under_way.select_for_update(no_key=True, of=("self",)))
    if not sequence.campaigns.exists():
        sequence.versions.all().delete()
    version = _add_version(sequence, steps, now)
    for campaign in runs:
        cancel_queued(campaign.lane_id, reason="The sequence was edited.", now=now)
        record_event(
            workspace=campaign.workspace, kind="campaign.edited", campaign_id=campaign.id, now=now,
            summary=f"{sequence.name} was edited: the next steps follow version {version.number}",
        )  # fmt: skip


def delete_sequence(*, sequence: Sequence) -> None:
    """Gone with its steps; one that a run uses stays, so that the run can say what it sent."""
    runs = sequence.campaigns.count()
    if runs:
        raise Conflict(f"This sequence is used by {runs} run(s) and stays for their record.", details={"runs": runs})
    sequence.delete()


def _refuse_taken_name(workspace: Workspace, name: str) -> None:
    if Sequence.objects.for_workspace(workspace).filter(name__iexact=name).exists():
        raise taken("sequence", name)


def _add_version(sequence: Sequence, steps: list[dict], now) -> SequenceVersion:
    number = (sequence.versions.aggregate(last=Max("number"))["last"] or 0) + 1
    version = SequenceVersion.objects.create(sequence=sequence, number=number, created_at=now)
    rows = Step.objects.bulk_create([_step(version, position, step) for position, step in enumerate(steps, start=1)])
    Variant.objects.bulk_create(
        [
            Variant(
                step=row,
                label=variant.get("label") or chr(ord("A") + index),
                weight=variant.get("weight", 50),
                subject=variant.get("subject", ""),
                body_html=variant.get("body_html", ""),
                body_text=variant.get("body_text", ""),
            )
            for row, step in zip(rows, steps, strict=True)
            for index, variant in enumerate(step.get("variants") or [])
        ]  # fmt: skip
    )
    return version


def _step(version: SequenceVersion, position: int, step: dict) -> Step:
    """The first step goes out at once; a follow-up without any delay waits two days (sending.md, planner rules)."""
    days, hours = step.get("delay_days"), step.get("delay_hours")
    if position == 1:
        days, hours = 0, 0
    elif days is None and hours is None:
        days = 2
    return Step(
        version=version,
        position=position,
        subject=step.get("subject", ""),
        body_html=step.get("body_html", ""),
        body_text=step.get("body_text", ""),
        delay_days=days or 0,
        delay_hours=hours or 0,
    )


def current_steps(sequence: Sequence) -> list[Step]:
    """The steps of the newest version, in order, with their variants."""
    newest = sequence.versions.order_by("-number").values("id")[:1]
    return list(Step.objects.filter(version__in=newest).order_by("position").prefetch_related("variants"))


def wordings(step: Step) -> list[Wording]:
    """Its variants; without any, the step's own words. A variant's blank parts are the step's."""
    variants = sorted(step.variants.all(), key=lambda variant: variant.label)
    own = Words(subject=step.subject, body_html=step.body_html, body_text=step.body_text)
    if not variants:
        return [Wording("", 1, own)]
    return [Wording(variant.label, variant.weight, _filled(variant, own)) for variant in variants]


def _filled(variant: Variant, own: Words) -> Words:
    has_body = bool(variant.body_html.strip() or variant.body_text.strip())
    body = variant if has_body else own
    return Words(subject=variant.subject or own.subject, body_html=body.body_html, body_text=body.body_text)


def warnings_for(sequence: Sequence, steps: list[Step] | None = None) -> list[str]:
    """What looks wrong without being refused: names nothing is known of (they render empty), stray braces (C13)."""
    known = known_names(sequence.workspace)
    found = []
    for step in steps if steps is not None else current_steps(sequence):
        for wording in wordings(step):
            where = f"Step {step.position}" + (f" {wording.label}" if wording.label else "")
            found += [
                f"{where}: {{{{{name}}}}} is not known; it renders empty."
                for name in unknown_names(wording.words, known)
            ]
            found += [f"{where}: {sentence}" for sentence in lint(wording.words)]
    return list(dict.fromkeys(found))
