"""Caps and the gap: how many a day, how far apart. Slots are reserved inside the commit, so nobody can overshoot."""

import hashlib
import zoneinfo
from datetime import date, datetime, time, timedelta

from django.db.models import F

from apikeys.tiers import limit_of
from leads.queries import mail_providers
from sending.models import Lane, Mailbox, Message, SendCounter

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


def provider_hold(mailbox: Mailbox, email: str, now: datetime) -> tuple[datetime, str] | None:
    """(until when, why) when it does not write to the receiver of this address for now (decisions §4)."""
    held = {each["provider"]: each["until"] for each in held_providers(mailbox, now)}
    name = mail_providers(mailbox.workspace, [email])[email] if held else ""  # nobody is asked for nothing
    return (held[name], f"Mail to {name} waits: too much of this mailbox's bounced there.") if name in held else None


def held_providers(mailbox: Mailbox, now: datetime) -> list[dict]:
    """[{provider, since, until}] of the receivers it does not write to now."""
    read = datetime.fromisoformat
    rows = [
        {"provider": name, "since": read(each["since"]), "until": read(each["until"])}
        for name, each in sorted(mailbox.held_providers.items())
        if each["until"]
    ]
    return [row for row in rows if row["until"] > now]


def gap_of(mailbox: Mailbox, lane: Lane | None) -> timedelta:
    """The gap is per mailbox across campaigns: the larger of both."""
    return timedelta(seconds=max(mailbox.send_gap_seconds, lane.send_gap_seconds if lane else 0))


def jittered(gap: timedelta, seed: str, *, spread: float = JITTER) -> timedelta:
    """Within 15 % of the gap (or another spread), the same for the same seed."""
    share = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4], "big") / 2**32
    return gap * (1 - spread + 2 * spread * share)


def local_day(timezone: str, moment: datetime) -> date:
    return moment.astimezone(zoneinfo.ZoneInfo(timezone)).date()


def next_day_starts(timezone: str, moment: datetime) -> datetime:
    zone = zoneinfo.ZoneInfo(timezone)
    tomorrow = moment.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time(0), zone).astimezone(zoneinfo.ZoneInfo("UTC"))


def counter_id(kind: str, owner_id, day: date) -> str:
    return f"{kind}:{owner_id}:{day.isoformat()}"


MONTH = "month"


def month_starts(timezone: str, moment: datetime) -> datetime:
    zone = zoneinfo.ZoneInfo(timezone)
    return datetime.combine(local_day(timezone, moment).replace(day=1), time(0), zone)


def month_left(workspace, now: datetime) -> int | None:
    """How many mails the workspace's tier still allows this month; None without a limit."""
    limit = limit_of(workspace, "monthly_sends")
    if limit is None:
        return None
    month = month_starts(workspace.timezone, now)
    row = SendCounter.objects.filter(pk=counter_id(MONTH, workspace.pk, month.date())).first()
    return max(0, limit - (row.used if row else sent_since(workspace, month)))


def sent_since(workspace, moment: datetime) -> int:
    """Mails that left, or may have."""
    rows = Message.objects.filter(workspace=workspace.pk, direction=Message.Direction.OUT, departed_at__gte=moment)
    return rows.filter(state__in=[Message.State.SENT, Message.State.COMMITTED, Message.State.UNKNOWN]).count()


def used(kind: str, owner_id, day: date) -> int:
    row = SendCounter.objects.filter(pk=counter_id(kind, owner_id, day)).values_list("used", flat=True).first()
    return row or 0


def used_of(counter_ids) -> dict[str, int]:
    """{counter id: slots used}, in one statement; a day's first mail is not counted yet and has none."""
    return dict(SendCounter.objects.filter(pk__in=list(counter_ids)).values_list("pk", "used"))


def take_slot(kind: str, owner, day: date, limit: int, *, used_before=lambda: 0) -> str | None:
    """Reserve one slot of a day's cap: the counter's id, or None when the day is full. The row stays locked.

    `used_before()`: what was used before anybody counted; asked once, when the counter is made.
    """
    pk = counter_id(kind, owner.pk, day)
    if _add_one(pk, limit):
        return pk
    if SendCounter.objects.filter(pk=pk).exists():
        return None
    first = SendCounter(id=pk, workspace_id=owner.workspace_id, day=day, used=used_before())
    SendCounter.objects.bulk_create([first], ignore_conflicts=True)  # the day's first mail, or the day is full
    return pk if _add_one(pk, limit) else None


def _add_one(pk: str, limit: int) -> bool:
    return bool(SendCounter.objects.filter(pk=pk, used__lt=limit).update(used=F("used") + 1))


def give_back(counter_ids) -> None:
    """Slots that were not used after all. Locked by id, as commits lock them. Call it in a transaction."""
    held = SendCounter.objects.filter(pk__in=list(counter_ids)).select_for_update(no_key=True).order_by("id")
    list(held.values_list("pk"))
    SendCounter.objects.filter(pk__in=list(counter_ids), used__gt=0).update(used=F("used") - 1)
