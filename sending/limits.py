"""Caps and the gap: how many a day, how far apart. Slots are reserved inside the commit, so nobody can overshoot."""

import hashlib
import zoneinfo
from datetime import date, datetime, time, timedelta

from django.db.models import F

from sending.models import Lane, Mailbox, SendCounter

JITTER = 0.15
# Phases in which mail leaves; the last two under a cap of their own (decisions §4).
RECOVERING = ("restricted_send", "warm_recovery")
MAY_SEND = ("healthy", "warning", *RECOVERING)
RAMP_FROM, RAMP_DAYS = 5, 14
RESTRICTED_CAP, WARM_CAP, WARM_STEP, WARM_CAP_AT_MOST = 10, 25, 5, 50


def cap_of(mailbox: Mailbox, now: datetime) -> int:
    """Mails a day: the mailbox's limit, less while it ramps up or recovers. `now` is business time."""
    caps = [mailbox.daily_limit, ramp_cap(mailbox, now)]
    days = (now - mailbox.phase_since).days if mailbox.phase_since else 0
    if mailbox.phase == "restricted_send":
        caps.append(RESTRICTED_CAP)
    if mailbox.phase == "warm_recovery":
        caps.append(min(WARM_CAP_AT_MOST, WARM_CAP + WARM_STEP * max(0, days)))
    return min(caps)


def ramp_cap(mailbox: Mailbox, now: datetime) -> int:
    """5 on the first day, growing evenly to the limit over 14 days."""
    share = ramp_share(mailbox, now)
    return max(min(RAMP_FROM, mailbox.daily_limit), int(RAMP_FROM + (mailbox.daily_limit - RAMP_FROM) * share))


def ramp_share(mailbox: Mailbox, now: datetime) -> float:
    """How much of the ramp is behind it, 0 to 1; 1 when it has none."""
    if mailbox.warmup_started_at is None:
        return 1.0
    return min(1.0, max(0, (now - mailbox.warmup_started_at).days) / RAMP_DAYS)


def gap_of(mailbox: Mailbox, lane: Lane | None) -> timedelta:
    """The gap is per mailbox across campaigns: the larger of both."""
    return timedelta(seconds=max(mailbox.send_gap_seconds, lane.send_gap_seconds if lane else 0))


def jittered(gap: timedelta, seed: str) -> timedelta:
    """Within 15 % of the gap, the same for the same seed."""
    share = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 2**32
    return gap * (1 - JITTER + 2 * JITTER * share)


def local_day(timezone: str, moment: datetime) -> date:
    return moment.astimezone(zoneinfo.ZoneInfo(timezone)).date()


def next_day_starts(timezone: str, moment: datetime) -> datetime:
    zone = zoneinfo.ZoneInfo(timezone)
    tomorrow = moment.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(0), zone).astimezone(zoneinfo.ZoneInfo("UTC"))


def counter_id(kind: str, owner_id, day: date) -> str:
    return f"{kind}:{owner_id}:{day.isoformat()}"


def used(kind: str, owner_id, day: date) -> int:
    row = SendCounter.objects.filter(pk=counter_id(kind, owner_id, day)).values_list("used", flat=True).first()
    return row or 0


def take_slot(kind: str, owner, day: date, limit: int) -> str | None:
    """Reserve one slot of a day's cap: the counter's id, or None when the day is full. The row stays locked."""
    pk = counter_id(kind, owner.pk, day)
    if _add_one(pk, limit):
        return pk
    first = SendCounter(id=pk, workspace_id=owner.workspace_id, day=day)
    SendCounter.objects.bulk_create([first], ignore_conflicts=True)  # the day's first mail, or the day is full
    return pk if _add_one(pk, limit) else None


def _add_one(pk: str, limit: int) -> bool:
    return bool(SendCounter.objects.filter(pk=pk, used__lt=limit).update(used=F("used") + 1))


def give_back(counter_ids) -> None:
    SendCounter.objects.filter(pk__in=list(counter_ids), used__gt=0).update(used=F("used") - 1)
