"""Caps and the gap: how many a day, how far apart. Slots are reserved inside the commit, so nobody can overshoot."""

import hashlib
import zoneinfo
from datetime import date, datetime, time, timedelta

from django.db.models import F

from sending.models import Lane, Mailbox, SendCounter

JITTER = 0.15


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
