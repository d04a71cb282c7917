"""The one place that moves a mailbox or a domain from phase to phase (decisions §4).

healthy ⇄ warning → paused → quarantine → restricted_send → warm_recovery → healthy. Every move is made under the row's
lock and leaves a StateTransition and an event. `now` is business time. What cannot be known moves nothing.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from apikeys.events import record_event
from sending.models import Domain, Health, Mailbox, Message, StateTransition

Phase = Health.Phase
DAY = timedelta(days=1)
MACHINE = "healing"

WARN_BOUNCES, FEW_SENDS = 3, 60
PAUSE_RATE = 0.03  # once there were FEW_SENDS
PAUSE_BOUNCES, LAST_SENDS = 5, 100
WARNING_LASTS = 7 * DAY
COOLDOWNS = (1 * DAY, 3 * DAY, 7 * DAY)  # of the first, second and every later pause
WARM_RATE, WARM_SENDS_AT_LEAST = 0.02, 50
AFTER_PAUSE, AFTER_RELAPSE, AFTER_GRADUATION = -15, -25, 10
RELAPSES = ((Phase.QUARANTINE, 2 * DAY), (Phase.PAUSED, 3 * DAY), (Phase.PAUSED, None))  # None: a person must look


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


def locked(mailbox_id) -> Mailbox:
    """The row as it stands, locked as every commit locks it. Call it in a transaction."""
    found = Mailbox.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace")
    return found.get(pk=mailbox_id)


# --- What happens to a mailbox ----------------------------------------------------------------------------------------


@transaction.atomic
def note_bounce(message: Message, *, now: datetime) -> None:
    """A hard bounce of a mail of ours, counted once per mail; of one sent before the phase began it moves nothing."""
    first = Message.objects.filter(pk=message.pk, hard_bounced_at=None).update(hard_bounced_at=now)
    if not first:
        return
    mailbox = locked(message.mailbox_id)
    mailbox.hard_bounce_count += 1
    ours = mailbox.phase_since is None or (message.settled_at or now) >= mailbox.phase_since
    mailbox.spell_bounced += 1 if ours else 0
    mailbox.save(update_fields=["hard_bounce_count", "spell_bounced"])
    if ours:
        _judge(mailbox, now)


def _judge(mailbox: Mailbox, now: datetime) -> None:
    sent, bounced = mailbox.spell_sent, mailbox.spell_bounced
    said = f"{bounced} of {max(sent, bounced)} mails bounced."
    if mailbox.phase in (Phase.HEALTHY, Phase.WARNING):
        if sent >= FEW_SENDS and bounced / sent >= PAUSE_RATE or _bounced_lately(mailbox) >= PAUSE_BOUNCES:
            pause(mailbox, reason=said, now=now)
        elif bounced >= WARN_BOUNCES:
            _warn(mailbox, said, now)
    elif (
        mailbox.phase == Phase.RESTRICTED_SEND
        or mailbox.phase == Phase.WARM_RECOVERY
        and bounced > WARM_RATE * max(sent, WARM_SENDS_AT_LEAST)
    ):
        _relapse(mailbox, said, now)


def _bounced_lately(mailbox: Mailbox) -> int:
    """Hard bounces among the last 100 mails of the spell."""
    tried = Message.objects.filter(Q(state=Message.State.SENT) | Q(hard_bounced_at__isnull=False), mailbox=mailbox)
    if mailbox.phase_since:
        tried = tried.filter(settled_at__gte=mailbox.phase_since)
    lately = tried.order_by("-settled_at").values_list("hard_bounced_at", flat=True)[:LAST_SENDS]
    return sum(bounced is not None for bounced in lately)


def _warn(mailbox: Mailbox, reason: str, now: datetime) -> None:
    """The spell goes on: a warning does not forget what was counted."""
    if mailbox.phase == Phase.WARNING:
        Mailbox.objects.filter(pk=mailbox.pk).update(phase_until=now + WARNING_LASTS)
        return
    since = mailbox.phase_since
    move(mailbox, Phase.WARNING, reason=reason, until=now + WARNING_LASTS, now=now, since=since)


def note_block(message: Message, *, reason: str, now: datetime) -> None:
    """A receiver's policy is against the sender: it stops, the leads are kept."""
    with transaction.atomic():
        mailbox = locked(message.mailbox_id)
        if mailbox.phase in (Phase.HEALTHY, Phase.WARNING):
            pause(mailbox, reason=reason, now=now, message_id=message.pk)
        elif mailbox.phase in STAYS:
            _relapse(mailbox, reason, now)


def pause(mailbox: Mailbox, *, reason: str, now: datetime, **links) -> None:
    """The machine's pause, of a locked row: it cools down, longer each time, and then heals step by step."""
    wait = COOLDOWNS[min(mailbox.pauses, len(COOLDOWNS) - 1)]
    mailbox.pauses += 1
    score(mailbox, AFTER_PAUSE)
    move(mailbox, Phase.PAUSED, reason=reason, until=now + wait, now=now, **links)


def _relapse(mailbox: Mailbox, reason: str, now: datetime) -> None:
    to, wait = RELAPSES[min(mailbox.relapses, len(RELAPSES) - 1)]
    mailbox.relapses += 1
    score(mailbox, AFTER_RELAPSE)
    until = now + wait if wait else None
    reason = f"A relapse: {reason}" if wait else f"The third relapse, a person must look: {reason}"
    move(mailbox, to, reason=reason, until=until, now=now)


def score(subject, change: int) -> None:
    subject.resilience_score = min(100, max(0, subject.resilience_score + change))


# --- The move itself --------------------------------------------------------------------------------------------------

SPELL = {"spell_sent": 0, "spell_bounced": 0, "checks_passed": 0, "checks_failed": 0}
_EVENTS = {Phase.PAUSED: "mailbox.paused", Phase.HEALTHY: "mailbox.resumed"}


def move(
    mailbox: Mailbox, to: str, *, reason: str, now: datetime, until=None, since=None, actor=MACHINE, **links
) -> None:
    """A locked mailbox to another phase. A new spell begins, except for a warning (`since`: when its spell began)."""
    before, keeps = mailbox.phase, to == Phase.WARNING or (mailbox.phase == Phase.WARNING and to == Phase.HEALTHY)
    fields = {} if keeps else dict(SPELL)
    fields |= {
        "phase": to, "phase_since": since if keeps else now, "phase_until": until, "pauses": mailbox.pauses,
        "relapses": mailbox.relapses, "resilience_score": mailbox.resilience_score,
        "paused_reason": "" if to == Phase.HEALTHY else reason[:300],
    }  # fmt: skip
    for name, value in fields.items():
        setattr(mailbox, name, value)
    mailbox.save(update_fields=list(fields))
    _record(mailbox, StateTransition.Kind.MAILBOX, mailbox.email, before, reason, actor, now)
    kind = _EVENTS.get(to) if not (before == Phase.WARNING and to == Phase.HEALTHY) else None
    said = {Phase.PAUSED: "was paused.", Phase.HEALTHY: "sends again."}.get(to, f"went from {before} to {to}.")
    record_event(
        workspace=mailbox.workspace, kind=kind or "mailbox.phase_changed", summary=f"{mailbox.email} {said} {reason}",
        now=now, mailbox_id=str(mailbox.pk), from_phase=before, to_phase=to, **links,
    )  # fmt: skip


def _record(subject, kind: str, name: str, before: str, reason: str, actor: str, now: datetime) -> None:
    StateTransition.objects.create(
        workspace=subject.workspace, created_at=now, kind=kind, subject_id=subject.pk, name=name, from_phase=before,
        to_phase=subject.phase, reason=reason[:300], actor=actor[:40],
    )  # fmt: skip


def move_domain(domain: Domain, to: str, *, reason: str, now: datetime, until=None, actor=MACHINE) -> None:
    """A locked domain to another phase."""
    before = domain.phase
    domain.phase, domain.phase_since, domain.phase_until = to, now, until
    domain.phase_reason = "" if to == Phase.HEALTHY else reason[:300]
    domain.save(
        update_fields=["phase", "phase_since", "phase_until", "phase_reason", "resilience_score", "warning_count"]
    )
    _record(domain, StateTransition.Kind.DOMAIN, domain.name, before, reason, actor, now)
    record_event(
        workspace=domain.workspace, kind="domain.phase_changed", summary=f"{domain.name}: {before} → {to}. {reason}",
        now=now, domain_id=str(domain.pk), from_phase=before, to_phase=to,
    )  # fmt: skip
