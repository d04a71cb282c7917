"""What time brings to a mailbox or a domain (decisions §4): cooled down, checked, recovered, or stable for a week.

The thresholds and the moves themselves: sending/healing.py.
"""

import logging
import random
from datetime import datetime, timedelta

from django.db import transaction

from apikeys.models import Workspace
from sending import dns_health, healing, limits
from sending.models import Domain, Health, Mailbox

logger = logging.getLogger(__name__)
Phase = Health.Phase

CHECK_AGAIN, CHECKS_NEEDED, CHECKS_FAILED_AT_MOST = timedelta(hours=1), 2, 5
STABLE_FOR, STABLE_POINTS = 7 * healing.DAY, 5
WEAK_UP_TO, STRONG_ABOVE = 30, 70


def heal_due(*, now: datetime, workspace: Workspace | None = None) -> int:
    """Move every mailbox and domain whose time has come, one step each. Returns how many were moved.

    `now` is real time; each workspace's own clock is added. One row's surprise keeps no other from healing, and moves
    nothing: what fails stays where it is.
    """
    found = Workspace.objects.all() if workspace is None else Workspace.objects.filter(pk=workspace.pk)
    return sum(_heal_workspace(each, now + each.clock_offset) for each in found)


def _heal_workspace(workspace: Workspace, now: datetime) -> int:
    due = Mailbox.objects.for_workspace(workspace).filter(phase_until__lte=now, retired_at=None)
    staying = Mailbox.objects.for_workspace(workspace).filter(phase__in=healing.STAYS, retired_at=None)
    stable = Mailbox.objects.for_workspace(workspace).filter(
        phase=Phase.HEALTHY, phase_since__isnull=False, resilience_score__lt=100, retired_at=None
    )
    ids = dict.fromkeys(
        pk for rows in (due, staying, stable) for pk in rows.order_by("id").values_list("pk", flat=True)
    )
    moved = sum(_safely(_heal, pk, workspace, now) for pk in ids)
    domains = Domain.objects.for_workspace(workspace).order_by("id").values_list("pk", flat=True)
    return moved + sum(_safely(_judge_domain, pk, workspace, now) for pk in domains)


def _safely(work, pk, workspace: Workspace, now: datetime) -> bool:
    try:
        return work(pk, workspace, now)
    except Exception:  # noqa: BLE001  fails closed: it stays in its phase
        logger.exception("%s could not be healed", pk)
        return False


def _heal(pk, workspace: Workspace, now: datetime) -> bool:
    """One mailbox, one step. The DNS is asked before the row is locked: a slow name server must not hold up mail."""
    seen = Mailbox.objects.select_related("domain").get(pk=pk)
    is_due = seen.phase_until is not None and seen.phase_until <= now
    records = ask_dns(seen.domain, workspace, now) if seen.phase == Phase.QUARANTINE and is_due else None
    with transaction.atomic():
        mailbox = healing.locked(pk)
        if (mailbox.phase, mailbox.phase_since, mailbox.phase_until) != (
            seen.phase,
            seen.phase_since,
            seen.phase_until,
        ):
            return False  # somebody moved it meanwhile
        if records is not None:
            return _check(mailbox, records, now)
        return _STEPS[mailbox.phase](mailbox, now)


def ask_dns(domain: Domain, workspace: Workspace, now: datetime) -> dns_health.Records:
    """Look up and write down what the DNS says. A test workspace asks nobody."""
    records = dns_health.look_up(domain.name) if workspace.livemode else dns_health.sandbox_records(domain.name)
    Domain.objects.filter(pk=domain.pk).update(
        spf_ok=records.spf, dkim_ok=records.dkim, dmarc_ok=records.dmarc, dns_detail=records.detail[:400],
        dns_checked_at=now,
    )  # fmt: skip
    return records


def _end_cooldown(mailbox: Mailbox, now: datetime) -> bool:
    if mailbox.phase_until is None or mailbox.phase_until > now:
        return False
    healing.move(mailbox, Phase.QUARANTINE, reason="Cooled down; SPF, DKIM and DMARC are checked.", until=now, now=now)
    return True


def _check(mailbox: Mailbox, records: dns_health.Records, now: datetime) -> bool:
    """Twice in a row, an hour apart, lets it go on; five failures leave it to a person."""
    if records.hold and mailbox.checks_passed + 1 >= CHECKS_NEEDED:
        healing.move(mailbox, Phase.RESTRICTED_SEND, reason="SPF, DKIM and DMARC hold.", now=now)
        return True
    mailbox.checks_passed = mailbox.checks_passed + 1 if records.hold else 0
    mailbox.checks_failed += not records.hold
    # Passes are at least an hour apart; failures spread by 20 %, so that a hundred mailboxes do not ask at once.
    spread = 1.0 if records.hold else 0.8 + 0.4 * random.random()  # noqa: S311
    gives_up = mailbox.checks_failed >= CHECKS_FAILED_AT_MOST
    mailbox.phase_until = None if gives_up else now + CHECK_AGAIN * spread
    if not records.hold:
        mailbox.paused_reason = (records.detail + (" A person must look." if gives_up else ""))[:300]
    mailbox.save(update_fields=["checks_passed", "checks_failed", "phase_until", "paused_reason"])
    return True


def _end_stay(mailbox: Mailbox, now: datetime) -> bool:
    stay, again = healing.STAYS[mailbox.phase], mailbox.relapses > 0 or mailbox.pauses > 1
    weak, strong = mailbox.resilience_score <= WEAK_UP_TO, mailbox.resilience_score > STRONG_ABOVE
    sends = (stay.repeat_sends if again else stay.sends) * (2 if weak else 1)
    time = (stay.repeat_days if again else stay.days) * healing.DAY * (1.5 if weak else 0.75 if strong else 1)
    if mailbox.spell_sent < sends or now - mailbox.phase_since < time:
        return False
    if stay.next == Phase.HEALTHY:
        if mailbox.spell_bounced > healing.WARM_RATE * mailbox.spell_sent:
            return False
        healing.score(mailbox, healing.AFTER_GRADUATION)
        mailbox.relapses = 0
    reason = f"{mailbox.spell_sent} mails and {(now - mailbox.phase_since).days} days went well."
    healing.move(mailbox, stay.next, reason=reason, now=now)
    return True


def _end_warning(mailbox: Mailbox, now: datetime) -> bool:
    if mailbox.phase_until is None or mailbox.phase_until > now:
        return False
    healing.move(mailbox, Phase.HEALTHY, reason="No bounce for 7 days.", now=now, since=now)
    Mailbox.objects.filter(pk=mailbox.pk).update(spell_sent=0, spell_bounced=0)
    return True


def _reward(mailbox: Mailbox, now: datetime) -> bool:
    """5 points for every 7 days without a warning; `phase_until` remembers the next reward."""
    since = mailbox.phase_until or mailbox.phase_since + STABLE_FOR
    if since > now:
        return False
    weeks = 1 + (now - since) // STABLE_FOR
    healing.score(mailbox, STABLE_POINTS * weeks)
    mailbox.phase_until = since + STABLE_FOR * weeks
    mailbox.save(update_fields=["resilience_score", "phase_until"])
    return False  # no move


_STEPS = {
    Phase.HEALTHY: _reward,
    Phase.WARNING: _end_warning,
    Phase.PAUSED: _end_cooldown,
    Phase.QUARANTINE: lambda mailbox, now: False,
    Phase.RESTRICTED_SEND: _end_stay,
    Phase.WARM_RECOVERY: _end_stay,
}


# --- Domains ----------------------------------------------------------------------------------------------------------

WARN_SHARE, PAUSE_SHARE, FEW_MAILBOXES, PAUSE_FEW = 0.3, 0.5, 3, 2


def _judge_domain(pk, workspace: Workspace, now: datetime) -> bool:
    """As its mailboxes stand: 30 % stopped is a warning, half of them (of fewer than 3: two) stop them all."""
    with transaction.atomic():
        domain = Domain.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace").get(pk=pk)
        to, reason = _verdict(domain)
        if to == domain.phase or (domain.phase == Phase.PAUSED and to == Phase.WARNING):
            return False
        domain.warning_count += to == Phase.WARNING
        if to == Phase.PAUSED:
            healing.score(domain, healing.AFTER_PAUSE)
        elif domain.phase == Phase.PAUSED:
            healing.score(domain, healing.AFTER_GRADUATION)
        healing.move_domain(domain, to, reason=reason, now=now)
        if to == Phase.PAUSED:
            _stop_all(domain, now)
    return True


def _verdict(domain: Domain) -> tuple[str, str]:
    boxes = list(domain.mailboxes.filter(retired_at=None).only("phase", "phase_until", "relapses"))
    stopped = sum(_is_stopped(box) for box in boxes)
    said = f"{stopped} of {len(boxes)} mailboxes were stopped."
    share = stopped / max(len(boxes), 1)
    if stopped >= PAUSE_FEW if len(boxes) < FEW_MAILBOXES else share >= PAUSE_SHARE:
        return Phase.PAUSED, said
    return (Phase.WARNING, said) if share >= WARN_SHARE else (Phase.HEALTHY, said)


def _is_stopped(mailbox: Mailbox) -> bool:
    """By the machine: what a person paused says nothing about the domain."""
    by_machine = mailbox.phase_until is not None or mailbox.relapses >= len(healing.RELAPSES)
    return mailbox.phase == Phase.QUARANTINE or (mailbox.phase == Phase.PAUSED and by_machine)


def _stop_all(domain: Domain, now: datetime) -> None:
    """The rest of them cool down for the shortest while; it is not their fault, so no score is taken."""
    sending = domain.mailboxes.filter(phase__in=limits.MAY_SEND, retired_at=None).order_by("id")
    for pk in list(sending.values_list("pk", flat=True)):
        mailbox = healing.locked(pk)
        if mailbox.phase in limits.MAY_SEND:
            until = now + healing.COOLDOWNS[0]
            healing.move(mailbox, Phase.PAUSED, reason="Its domain was stopped.", until=until, now=now)
