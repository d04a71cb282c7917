"""What a bounce or a block says, and about whom: the mailbox, its domain, or one receiver (decisions §4).

The thresholds are here; the moves are healing.py's.
"""

from collections import Counter
from datetime import datetime

from django.db import transaction
from django.db.models import Count, Q

from apikeys.events import record_event
from leads.queries import mail_providers
from sending import healing
from sending.models import Mailbox, Message

Phase, DAY = healing.Phase, healing.DAY

WARN_BOUNCES, FEW_SENDS = 3, 60
PAUSE_RATE = 0.03  # once there were FEW_SENDS
# Vendors that close accounts sooner: (bounces, complaints) of what was sent (Resend's own limits: 4 % and 0.08 %,
# https://resend.com/legal/acceptable-use). One complaint is 0.05 % of 2,000 mails: below that the first one stops it.
STRICTER = {"resend": (0.02, 0.0005)}
PAUSE_BOUNCES, LAST_SENDS = 5, 100
WARNING_LASTS = 7 * DAY
# Before a mailbox is paused, the last 24 hours are looked at.
SIBLINGS_AT_LEAST, SIBLINGS_SHARE = 2, 0.5
PROVIDER_BOUNCES, PROVIDER_SHARE = 3, 0.8


@transaction.atomic
def note_bounce(message: Message, *, now: datetime) -> None:
    """A hard bounce of a mail of ours, counted once per mail; of one sent before the phase began it moves nothing."""
    first = Message.objects.filter(pk=message.pk, hard_bounced_at=None).update(hard_bounced_at=now)
    if not first:
        return
    mailbox = healing.locked(message.mailbox_id)
    mailbox.hard_bounce_count += 1
    ours = mailbox.phase_since is None or (message.settled_at or now) >= mailbox.phase_since
    mailbox.spell_bounced += 1 if ours else 0
    mailbox.save(update_fields=["hard_bounce_count", "spell_bounced"])
    if ours:
        _judge(mailbox, now)


@transaction.atomic
def note_block(message: Message, *, reason: str, now: datetime) -> None:
    """A receiver's policy is against the sender: it stops, the leads are kept."""
    _halt(healing.locked(message.mailbox_id), reason, now, message_id=message.pk)


def _halt(mailbox: Mailbox, reason: str, now: datetime, **links) -> None:
    if mailbox.phase in (Phase.HEALTHY, Phase.WARNING):
        _stop(mailbox, reason, now, **links)
    else:
        healing.stop(mailbox, reason=reason, now=now)


@transaction.atomic
def note_complaint(message: Message, *, now: datetime) -> None:
    """Somebody called a mail of ours spam: where the vendor closes accounts for it, the mailbox stops in time."""
    mailbox = healing.locked(message.mailbox_id)
    _, rate = STRICTER.get(mailbox.provider, (None, None))
    if rate is None:
        return
    came = Message.objects.filter(mailbox=mailbox, direction="in", kind=Message.Kind.COMPLAINT)
    if mailbox.phase_since:
        came = came.filter(settled_at__gte=mailbox.phase_since)
    count = came.count()
    if count >= rate * mailbox.spell_sent:
        said = f"{count} of {max(mailbox.spell_sent, count)} mails were called spam; its vendor closes accounts for it."
        _halt(mailbox, said, now, message_id=message.pk)


def _judge(mailbox: Mailbox, now: datetime) -> None:
    sent, bounced = mailbox.spell_sent, mailbox.spell_bounced
    said = f"{bounced} of {max(sent, bounced)} mails bounced."
    if mailbox.phase in (Phase.HEALTHY, Phase.WARNING):
        rate, _ = STRICTER.get(mailbox.provider, (PAUSE_RATE, None))
        if sent >= FEW_SENDS and bounced / sent >= rate or _bounced_lately(mailbox) >= PAUSE_BOUNCES:
            _stop(mailbox, said, now)
        elif bounced >= WARN_BOUNCES:
            _warn(mailbox, said, now)
    elif (
        mailbox.phase == Phase.RESTRICTED_SEND
        or mailbox.phase == Phase.WARM_RECOVERY
        and bounced > healing.WARM_RATE * max(sent, healing.WARM_SENDS_AT_LEAST)
    ):
        healing.relapse(mailbox, reason=said, now=now)


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
    healing.move(mailbox, Phase.WARNING, reason=reason, until=now + WARNING_LASTS, now=now, since=since)


# --- Whose trouble is it? ---------------------------------------------------------------------------------------------


def _stop(mailbox: Mailbox, reason: str, now: datetime, **links) -> None:
    """The domain, when its other mailboxes fail too; one receiver, when it is all of them; else the mailbox."""
    if _siblings_fail(mailbox, now):
        domain = healing.locked_domain(mailbox.domain_id)
        healing.stop(domain, reason=f"{mailbox.email} and half of its other mailboxes fail. {reason}", now=now)
        healing.pause_with_its_domain(mailbox, domain, now=now)  # the others: recovery.py, each in a transaction
    elif provider := _the_one_provider(mailbox, now):
        hold_provider(mailbox, provider, now=now)
    else:
        healing.pause(mailbox, reason=reason, now=now, **links)


def _siblings_fail(mailbox: Mailbox, now: datetime) -> bool:
    """Half of at least two: stopped by the machine in the last 24 hours, or with as many bounces as are a warning."""
    siblings = list(Mailbox.objects.filter(domain=mailbox.domain_id, retired_at=None).exclude(pk=mailbox.pk))
    if len(siblings) < SIBLINGS_AT_LEAST:
        return False
    lately = Message.objects.filter(mailbox__in=siblings, hard_bounced_at__gt=now - DAY)
    counts = dict(lately.order_by().values_list("mailbox").annotate(count=Count("id")))
    failing = sum(counts.get(each.pk, 0) >= WARN_BOUNCES or _stopped_lately(each, now) for each in siblings)
    return failing >= SIBLINGS_SHARE * len(siblings)


def _stopped_lately(mailbox: Mailbox, now: datetime) -> bool:
    lately = mailbox.stopped_at is not None and mailbox.stopped_at > now - DAY
    return lately and healing.stopped_by_the_machine(mailbox)


def _the_one_provider(mailbox: Mailbox, now: datetime) -> str:
    """The receiver of at least 80 % of the last 24 hours' bounces, if there were three and we know it; else ""."""
    lately = Message.objects.filter(mailbox=mailbox, hard_bounced_at__gt=now - DAY)
    addresses = list(lately.values_list("to_email", flat=True))
    if len(addresses) < PROVIDER_BOUNCES:
        return ""
    known = mail_providers(mailbox.workspace, addresses)
    name, count = Counter(known[address] for address in addresses).most_common(1)[0]
    return name if count >= PROVIDER_SHARE * len(addresses) else ""


def hold_provider(mailbox: Mailbox, provider: str, *, now: datetime) -> None:
    """A locked mailbox writes to that receiver no more for a while, longer each time; to others it does."""
    if _held_until(mailbox, provider, now):
        return
    times = mailbox.held_providers.get(provider, {}).get("times", 0)
    until = now + healing.COOLDOWNS[min(times, len(healing.COOLDOWNS) - 1)]
    held = {"since": now.isoformat(), "until": until.isoformat(), "times": times + 1}
    mailbox.held_providers[provider] = held
    mailbox.save(update_fields=["held_providers"])
    record_event(
        workspace=mailbox.workspace, kind="mailbox.provider_held", now=now, mailbox_id=str(mailbox.pk),
        provider=provider, summary=f"{mailbox.email} writes to {provider} no more for now: its bounces are from there.",
    )  # fmt: skip


def release_providers(mailbox: Mailbox, *, now: datetime) -> None:
    """Those of a locked mailbox whose time is over; how often it was is remembered."""
    over = [provider for provider in mailbox.held_providers if _held_until(mailbox, provider, now) is None]
    released = [provider for provider in over if mailbox.held_providers[provider]["until"]]
    for provider in released:
        mailbox.held_providers[provider]["until"] = None
        record_event(
            workspace=mailbox.workspace, kind="mailbox.provider_released", now=now, mailbox_id=str(mailbox.pk),
            provider=provider, summary=f"{mailbox.email} writes to {provider} again.",
        )  # fmt: skip
    if released:
        mailbox.save(update_fields=["held_providers"])


def _held_until(mailbox: Mailbox, provider: str, now: datetime) -> datetime | None:
    until = mailbox.held_providers.get(provider, {}).get("until")
    moment = datetime.fromisoformat(until) if until else None
    return moment if moment and moment > now else None
