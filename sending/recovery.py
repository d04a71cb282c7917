"""What time brings to a mailbox or a domain (decisions §4): cooled down, checked, recovered, or stable for a week.

The moves themselves: healing.py. What its mailboxes say about a domain: domain_health.py.
"""

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from apikeys.models import Workspace
from sending import blame, dns_watch, domain_health, healing, limits
from sending.healing import Phase, Subject
from sending.models import Domain, Mailbox

logger = logging.getLogger(__name__)

CHECK_AGAIN, CHECKS_NEEDED, CHECKS_FAILED_AT_MOST, SPREAD = timedelta(hours=1), 2, 5, 0.2
STABLE_FOR, STABLE_POINTS = 7 * healing.DAY, 5
DOMAINS_AT_ONCE = 200  # asked for in one round; the next one goes on


def heal_due(*, now: datetime, workspace: Workspace | None = None) -> int:
    """Move every mailbox and domain whose time has come, one step each. Returns how many were moved.

    `now` is real time; each workspace's own clock is added. One row's surprise keeps no other from healing, and moves
    nothing: what fails stays where it is.
    """
    found = Workspace.objects.all() if workspace is None else Workspace.objects.filter(pk=workspace.pk)
    return sum(_heal_workspace(each, now + each.clock_offset) for each in found)


def _heal_workspace(workspace: Workspace, now: datetime) -> int:
    checked = _look_at_the_dns(workspace, now)
    moved = 0
    for domain in list(Domain.objects.for_workspace(workspace).order_by("name")):
        moved += _safely(_heal, Domain, domain.pk, checked, now)
        moved += _safely(domain_health.judge, domain.pk, now)
        moved += _safely(domain_health.stop_its_mailboxes, domain.pk, now)
    for pk in _due(Mailbox.objects.for_workspace(workspace).filter(retired_at=None), now, "email"):
        moved += _safely(_heal, Mailbox, pk, checked, now)
    return moved


def _due(rows, now: datetime, order: str) -> list:
    stable = Q(phase=Phase.HEALTHY, phase_since__isnull=False, resilience_score__lt=100)
    due = rows.filter(Q(phase_until__lte=now) | Q(phase__in=healing.STAYS) | stable | ~Q(held_providers={}))
    return list(due.order_by(order).values_list("pk", flat=True))


def _safely(work, *args) -> int:
    try:
        return int(work(*args))
    except Exception:  # noqa: BLE001  fails closed: it stays in its phase
        logger.exception("%s%s failed", work.__name__, args)
        return 0


def _look_at_the_dns(workspace: Workspace, now: datetime) -> dict:
    """{domain id: (holds, sentence)} of those that were due, before any row is locked: name servers may be slow."""
    due = Q(dns_due_at=None) | Q(dns_due_at__lte=now) | Q(phase=Phase.QUARANTINE, phase_until__lte=now)
    waiting = Mailbox.objects.filter(phase=Phase.QUARANTINE, phase_until__lte=now, retired_at=None).values("domain")
    in_use = Mailbox.objects.filter(retired_at=None).values("domain")
    domains = Domain.objects.for_workspace(workspace).filter(due | Q(pk__in=waiting), pk__in=in_use)
    rows = list(domains.select_related("workspace").order_by("dns_due_at", "name")[:DOMAINS_AT_ONCE])
    checked: dict = {}
    for pk, findings in dns_watch.ask(rows).items():
        _safely(_note, pk, findings, now, checked)
    return checked


def _note(pk, findings, now: datetime, checked: dict) -> bool:
    checked[pk] = dns_watch.verdict(dns_watch.note(pk, findings, now=now))
    return False


def _heal(model, pk, checked: dict, now: datetime) -> bool:
    """One step of one row, whatever it is; `checked` as _look_at_the_dns gives it."""
    with transaction.atomic():
        subject = healing.locked(pk) if model is Mailbox else healing.locked_domain(pk)
        if model is Mailbox:
            blame.release_providers(subject, now=now)
            if subject.domain.phase in healing.STOPPED and subject.phase in healing.STOPPED:
                return False  # its domain comes first
        return _STEPS[subject.phase](subject, checked, now)


def _is_over(subject: Subject, now: datetime) -> bool:
    return subject.phase_until is not None and subject.phase_until <= now


def _end_cooldown(subject: Subject, checked: dict, now: datetime) -> bool:
    if not _is_over(subject, now):
        return False
    reason = "Cooled down; SPF, DKIM, DMARC and blocklists are checked."
    healing.move(subject, Phase.QUARANTINE, reason=reason, until=now, now=now)
    return True


def _check(subject: Subject, checked: dict, now: datetime) -> bool:
    """Twice in a row, an hour apart, lets it go on; five failures leave it to a person."""
    domain_id = subject.domain_id if isinstance(subject, Mailbox) else subject.pk
    if domain_id not in checked or not _is_over(subject, now):
        return False
    holds, said = checked[domain_id]
    if holds and subject.checks_passed + 1 >= CHECKS_NEEDED:
        healing.move(subject, Phase.RESTRICTED_SEND, reason=said, now=now)
        return True
    subject.checks_passed = subject.checks_passed + 1 if holds else 0
    subject.checks_failed += not holds
    gives_up = subject.checks_failed >= CHECKS_FAILED_AT_MOST
    subject.phase_until = None if gives_up else now + _until_the_next_check(subject, holds)
    if not holds:
        setattr(subject, subject.REASON, (said + (" A person must look." if gives_up else ""))[:300])
    subject.save(update_fields=["checks_passed", "checks_failed", "phase_until", subject.REASON])
    return True


def _until_the_next_check(subject: Subject, holds: bool) -> timedelta:
    """Passes are at least an hour apart; failures spread, so that a hundred mailboxes do not ask at once."""
    return CHECK_AGAIN if holds else limits.jittered(CHECK_AGAIN, f"{subject}{subject.checks_failed}", spread=SPREAD)


def _end_stay(subject: Subject, checked: dict, now: datetime) -> bool:
    sends, time = healing.needs(subject)
    if now - subject.phase_since < time:
        return False
    (sent, bounced), to = _spell_of(subject), healing.STAYS[subject.phase].next
    if sent - bounced < sends or (to == Phase.HEALTHY and bounced > healing.WARM_RATE * sent):
        return False
    if to == Phase.HEALTHY:
        healing.score(subject, healing.AFTER_GRADUATION)
        subject.relapses = 0
    reason = f"{sent} mails and {(now - subject.phase_since).days} days went well."
    healing.move(subject, to, reason=reason, now=now)
    return True


def _spell_of(subject: Subject) -> tuple[int, int]:
    """(sent, bounced) since its phase began."""
    if isinstance(subject, Mailbox):
        return subject.spell_sent, subject.spell_bounced
    return domain_health.sent_and_bounced(subject)


def _end_warning(subject: Subject, checked: dict, now: datetime) -> bool:
    if isinstance(subject, Domain) or not _is_over(subject, now):
        return False  # a domain's warning ends as its mailboxes stand
    healing.move(subject, Phase.HEALTHY, reason="No bounce for 7 days.", now=now, since=now)
    Mailbox.objects.filter(pk=subject.pk).update(spell_sent=0, spell_bounced=0)
    return True


def _reward(subject: Subject, checked: dict, now: datetime) -> bool:
    """5 points for every 7 days without a warning; `phase_until` remembers the next reward."""
    since = subject.phase_until or subject.phase_since and subject.phase_since + STABLE_FOR
    if since is None or since > now or subject.resilience_score >= 100:
        return False
    weeks = 1 + (now - since) // STABLE_FOR
    healing.score(subject, STABLE_POINTS * weeks)
    subject.phase_until = since + STABLE_FOR * weeks
    subject.save(update_fields=["resilience_score", "phase_until"])
    return False  # no move


_STEPS = {
    Phase.HEALTHY: _reward,
    Phase.WARNING: _end_warning,
    Phase.PAUSED: _end_cooldown,
    Phase.QUARANTINE: _check,
    Phase.RESTRICTED_SEND: _end_stay,
    Phase.WARM_RECOVERY: _end_stay,
}
