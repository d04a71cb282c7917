"""What its mailboxes say about a domain: 30 % of them stopped is a warning, half of them stop it (decisions §4)."""

from datetime import datetime

from django.db import transaction

from sending import healing, limits
from sending.healing import Phase
from sending.models import Domain, Mailbox, Message

WARN_SHARE, PAUSE_SHARE = 0.3, 0.5
FEW_MAILBOXES, PAUSE_FEW = 3, 2  # of fewer than three, two


@transaction.atomic
def judge(domain_id, now: datetime) -> bool:
    """A domain that sends moves as its mailboxes stand; one that is recovering relapses."""
    domain = healing.locked_domain(domain_id)
    if domain.phase in healing.STOPPED:
        return False
    to, reason = _verdict(domain)
    if to == Phase.PAUSED:
        healing.stop(domain, reason=reason, now=now)
    elif domain.phase in healing.STAYS or to == domain.phase:
        return False
    else:
        _warn_or_not(domain, to, reason, now)
    return True


def _warn_or_not(domain: Domain, to: str, reason: str, now: datetime) -> None:
    if to == Phase.WARNING:
        domain.warning_count += 1
        domain.save(update_fields=["warning_count"])
    healing.move(domain, to, reason=reason, now=now, since=domain.phase_since)


def _verdict(domain: Domain) -> tuple[str, str]:
    boxes = list(domain.mailboxes.filter(retired_at=None))
    stopped = sum(_counts(box, domain) for box in boxes)
    said = f"{stopped} of {len(boxes)} mailboxes were stopped."
    share = stopped / max(len(boxes), 1)
    if stopped >= PAUSE_FEW if len(boxes) < FEW_MAILBOXES else share >= PAUSE_SHARE:
        return Phase.PAUSED, said
    return (Phase.WARNING, said) if share >= WARN_SHARE else (Phase.HEALTHY, said)


def _counts(mailbox: Mailbox, domain: Domain) -> bool:
    """What was stopped before the domain's spell began is what it recovers from, or recovered from."""
    if not healing.stopped_by_the_machine(mailbox):
        return False
    return not domain.phase_since or not mailbox.stopped_at or mailbox.stopped_at >= domain.phase_since


def stop_its_mailboxes(domain_id, now: datetime) -> int:
    """Those that still send though their domain is stopped, each in a transaction of its own."""
    domain = Domain.objects.get(pk=domain_id)
    if domain.phase not in healing.STOPPED:
        return 0
    sending = domain.mailboxes.filter(phase__in=limits.MAY_SEND, retired_at=None).order_by("email")
    return sum(_stop_one(pk, domain, now) for pk in list(sending.values_list("pk", flat=True)))


@transaction.atomic
def _stop_one(mailbox_id, domain: Domain, now: datetime) -> bool:
    mailbox = healing.locked(mailbox_id)
    if mailbox.phase not in limits.MAY_SEND:
        return False
    healing.pause_with_its_domain(mailbox, domain, now=now)
    return True


def sent_and_bounced(domain: Domain) -> tuple[int, int]:
    """What its mailboxes sent since its phase began, and how many of these mails came back."""
    ours = Message.objects.filter(mailbox__domain=domain, settled_at__gte=domain.phase_since)
    return ours.filter(state=Message.State.SENT).count(), ours.filter(hard_bounced_at__isnull=False).count()
