"""The one place that moves a mailbox or a domain from phase to phase (decisions §4).

healthy ⇄ warning → paused → quarantine → restricted_send → warm_recovery → healthy. Every move is made under the row's
lock and leaves a StateTransition and an event. `now` is business time. What cannot be known moves nothing.

Locks: a mailbox before its domain, and no second mailbox in the same transaction.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from apikeys.events import record_event
from sending.models import Domain, Health, Mailbox, StateTransition

Phase = Health.Phase
Subject = Mailbox | Domain
DAY = timedelta(days=1)
MACHINE = "healing"

COOLDOWNS = (1 * DAY, 3 * DAY, 7 * DAY)  # of the first, second and every later pause
WARM_RATE, WARM_SENDS_AT_LEAST = 0.02, 50
AFTER_PAUSE, AFTER_RELAPSE, AFTER_GRADUATION = -15, -25, 10
RELAPSES = ((Phase.QUARANTINE, 2 * DAY), (Phase.PAUSED, 3 * DAY), (Phase.PAUSED, None))  # None: a person must look
STOPPED = (Phase.PAUSED, Phase.QUARANTINE)


@dataclass(frozen=True)
class Stay:
    """What ends a recovery phase: that many sends and that long, more of both when it is not the first time."""

    sends: int
    days: int
    repeat_sends: int
    repeat_days: int
    next: str


STAYS = {
    Phase.RESTRICTED_SEND: Stay(15, 3, 25, 7, Phase.WARM_RECOVERY),
    Phase.WARM_RECOVERY: Stay(50, 7, 50, 14, Phase.HEALTHY),
}


WEAK_UP_TO, STRONG_ABOVE = 30, 70  # resilience: twice the mails and half as long again, or three quarters of the time


def needs(subject: Subject) -> tuple[int, timedelta]:
    """(mails without a bounce, time) that end the recovery phase it is in."""
    stay, again = STAYS[subject.phase], subject.relapses > 0 or subject.pauses > 1
    weak, strong = subject.resilience_score <= WEAK_UP_TO, subject.resilience_score > STRONG_ABOVE
    sends = (stay.repeat_sends if again else stay.sends) * (2 if weak else 1)
    return sends, (stay.repeat_days if again else stay.days) * DAY * (1.5 if weak else 0.75 if strong else 1)


def locked(mailbox_id) -> Mailbox:
    """The row as it stands, locked as every commit locks it. Call it in a transaction."""
    found = Mailbox.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace", "domain")
    return found.get(pk=mailbox_id)


def locked_domain(domain_id) -> Domain:
    found = Domain.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace")
    return found.get(pk=domain_id)


def stopped_by_the_machine(mailbox: Mailbox) -> bool:
    """What a person paused says nothing about its domain."""
    by_machine = mailbox.phase_until is not None or mailbox.relapses >= len(RELAPSES)
    return mailbox.phase == Phase.QUARANTINE or (mailbox.phase == Phase.PAUSED and by_machine)


# --- Down, of a locked row --------------------------------------------------------------------------------------------


def stop(subject: Subject, *, reason: str, now: datetime, **links) -> None:
    """What sent stops: a pause, or a relapse of what was recovering. What stands still already is left alone."""
    if subject.phase in STAYS:
        relapse(subject, reason=reason, now=now)
    elif subject.phase not in STOPPED:
        pause(subject, reason=reason, now=now, **links)


def pause(subject: Subject, *, reason: str, now: datetime, **links) -> None:
    """The machine's pause: it cools down, longer each time, and then heals step by step."""
    wait = COOLDOWNS[min(subject.pauses, len(COOLDOWNS) - 1)]
    subject.pauses += 1
    score(subject, AFTER_PAUSE)
    move(subject, Phase.PAUSED, reason=reason, until=now + wait, now=now, **links)


def pause_with_its_domain(mailbox: Mailbox, domain: Domain, *, now: datetime) -> None:
    """It is not this mailbox's fault, so no score is taken."""
    reason = f"{domain.name} was stopped: {domain.phase_reason}"
    move(mailbox, Phase.PAUSED, reason=reason, until=domain.phase_until or now + COOLDOWNS[0], now=now)


def relapse(subject: Subject, *, reason: str, now: datetime) -> None:
    to, wait = RELAPSES[min(subject.relapses, len(RELAPSES) - 1)]
    subject.relapses += 1
    score(subject, AFTER_RELAPSE)
    until = now + wait if wait else None
    reason = f"A relapse: {reason}" if wait else f"The third relapse, a person must look: {reason}"
    move(subject, to, reason=reason, until=until, now=now)


def score(subject: Subject, change: int) -> None:
    subject.resilience_score = min(100, max(0, subject.resilience_score + change))


# --- The move itself --------------------------------------------------------------------------------------------------

_COUNTED = ("pauses", "relapses", "resilience_score")
_MAILBOX_EVENTS = {
    Phase.PAUSED: ("mailbox.paused", "was paused."),
    Phase.QUARANTINE: ("mailbox.entered_quarantine", "is in quarantine."),
    Phase.RESTRICTED_SEND: ("mailbox.entered_restricted_send", "sends a few mails a day."),
    Phase.WARM_RECOVERY: ("mailbox.entered_warm_recovery", "warms up again."),
    Phase.HEALTHY: ("mailbox.resumed", "sends again."),
}


def move(
    subject: Subject, to: str, *, reason: str, now: datetime, until=None, since=None, actor=MACHINE, **links
) -> None:
    """A locked row to another phase. A new spell begins, but between healthy and warning (`since`: when it began)."""
    before = subject.phase
    keeps = {before, to} <= {Phase.HEALTHY, Phase.WARNING}
    fields = {} if keeps else dict(subject.NEW_SPELL)
    fields |= {name: getattr(subject, name) for name in _COUNTED}
    fields |= {"phase": to, "phase_since": since if keeps else now, "phase_until": until}
    fields[subject.REASON] = "" if to == Phase.HEALTHY else reason[:300]
    if isinstance(subject, Mailbox) and to in STOPPED and before not in STOPPED:
        fields["stopped_at"] = now
    for name, value in fields.items():
        setattr(subject, name, value)
    subject.save(update_fields=list(fields))
    _record(subject, before, reason, actor, now)
    _tell(subject, before, reason, now, **links)


def _record(subject: Subject, before: str, reason: str, actor: str, now: datetime) -> None:
    kinds = StateTransition.Kind
    StateTransition.objects.create(
        workspace=subject.workspace, created_at=now, subject_id=subject.pk, name=str(subject), from_phase=before,
        kind=kinds.MAILBOX if isinstance(subject, Mailbox) else kinds.DOMAIN, to_phase=subject.phase,
        reason=reason[:300], actor=actor[:40],
    )  # fmt: skip


def _tell(subject: Subject, before: str, reason: str, now: datetime, **links) -> None:
    is_mailbox = isinstance(subject, Mailbox)
    name = "mailbox" if is_mailbox else "domain"
    kind, said = f"{name}.phase_changed", f"went from {before} to {subject.phase}."
    if is_mailbox and not {before, subject.phase} <= {Phase.HEALTHY, Phase.WARNING}:
        kind, said = _MAILBOX_EVENTS[subject.phase]
    if kind == "mailbox.resumed" and before == Phase.WARM_RECOVERY:
        kind, said = "mailbox.healed", "is healthy again."
    record_event(
        workspace=subject.workspace, kind=kind, summary=f"{subject} {said} {reason}", now=now,
        **{f"{name}_id": str(subject.pk)}, from_phase=before, to_phase=subject.phase, **links,
    )  # fmt: skip
