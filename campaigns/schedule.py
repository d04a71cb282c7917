"""When a campaign may send: next_slot(schedule, after). Pure; the clock is an argument.

A window is read off the wall clock of its zone: start inclusive, end exclusive. When clocks go forward, a start that
does not exist is the first moment that does; when they go back, the repeated hour counts once, the first time it comes.
A schedule of all hours on all days is no window: it never moves anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from campaigns.places import holiday

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY = 24 * 60
_STEP = timedelta(seconds=1)
_LOOK_AHEAD_DAYS = 64  # a week for the days; more for one a zone left out, as Apia did in 2011, and for holidays


@dataclass(frozen=True)
class Schedule:
    """`start_time`, `end_time`: "HH:MM" (an end of "24:00" is midnight) or datetime.time. `day_hours`: other hours of
    single days, {"fri": "09:00-13:00"}. `holidays_of`: the code of a country whose public holidays are left out.

    Raises ValueError with a sentence for an unknown zone or day, no day, or a start that is not before the end."""

    timezone: str = "UTC"
    start_time: str | time = "00:00"
    end_time: str | time = "24:00"
    days: frozenset[str] = frozenset(DAYS)
    day_hours: Mapping[str, str] = field(default_factory=dict, hash=False)
    holidays_of: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", frozenset(self.days))
        _ = self.zone
        _check_days(self.days)
        if self.start >= self.end:
            raise ValueError("start_time must be before end_time.")
        _ = self._own_hours

    @cached_property
    def zone(self) -> ZoneInfo:
        return zone_of(self.timezone)

    @cached_property
    def start(self) -> int:
        """Minutes since midnight."""
        return _minutes("start_time", self.start_time)

    @cached_property
    def end(self) -> int:
        """Minutes since midnight, 1440 for the end of the day."""
        return _minutes("end_time", self.end_time)

    @cached_property
    def _own_hours(self) -> dict[str, tuple[int, int]]:
        return {day: _hours(day, text, self.days) for day, text in self.day_hours.items()}

    @cached_property
    def is_always(self) -> bool:
        return not self.holidays_of and all(self._hours_of(day) == (0, _DAY) for day in DAYS)

    def hours_on(self, day: date) -> tuple[int, int] | None:
        """(start, end) of that day in minutes since midnight; None when nothing is sent on it."""
        return None if holiday(self.holidays_of, day) else self._hours_of(DAYS[day.weekday()])

    def _hours_of(self, weekday: str) -> tuple[int, int] | None:
        return self._own_hours.get(weekday, (self.start, self.end)) if weekday in self.days else None


def next_slot(schedule: Schedule, after: datetime) -> datetime:
    """The first moment at or after `after` (aware) inside the window, in UTC; `after` itself when it is inside."""
    after = _utc(after)
    if schedule.is_always:
        return after
    first_day = after.astimezone(schedule.zone).date()
    for days_on in range(_LOOK_AHEAD_DAYS):
        day = first_day + timedelta(days=days_on)
        hours = schedule.hours_on(day)
        if hours is None:
            continue
        opens, closes = _window(schedule.zone, day, hours)
        slot = _past_repeat(schedule.zone, max(after, opens))
        if slot < closes:
            return slot
    raise ValueError("This schedule has no moment to send in the next two months.")


def window_end(schedule: Schedule, moment: datetime) -> datetime | None:
    """When the window that `moment` (aware, inside it) lies in closes, in UTC; None for a schedule of all hours."""
    if schedule.is_always:
        return None
    day = _utc(moment).astimezone(schedule.zone).date()
    hours = schedule.hours_on(day)
    return _window(schedule.zone, day, hours)[1] if hours else _utc(moment)


def in_window(schedule: Schedule, moment: datetime) -> bool:
    """Whether a mail may leave at `moment` (aware)."""
    return next_slot(schedule, moment) == moment


def zone_of(name: str) -> ZoneInfo:
    """The zone, or ValueError with a sentence."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError, TypeError):
        raise ValueError(f"{str(name)[:64]} is not an IANA timezone, such as Europe/Madrid.") from None


# --- Wall clock to instant --------------------------------------------------------------------------------------------


def _window(zone: ZoneInfo, day: date, hours: tuple[int, int]) -> tuple[datetime, datetime]:
    start, end = (datetime.combine(day, time()) + timedelta(minutes=each) for each in hours)
    return _instant(start, zone), _instant(end, zone)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The moment a wall clock shows `wall`: the first when it does twice, the next valid one when it never does."""
    before = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    after = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if before <= after:  # shown once, or twice
        return before
    # In a gap fold 0 reads with the offset from before it, fold 1 with the one from after, so the jump lies between.
    offset = before.astimezone(zone).utcoffset()
    return _first(after, before, lambda moment: moment.astimezone(zone).utcoffset() == offset)


def _past_repeat(zone: ZoneInfo, moment: datetime) -> datetime:
    """`moment`, or the end of the repeated stretch when the wall clock shows its time for the second time."""
    local = moment.astimezone(zone)
    if local.fold == 0:
        return moment
    length = moment - local.replace(fold=0).astimezone(UTC)  # since the wall clock showed it the first time
    return _first(moment, moment + length, lambda later: later.astimezone(zone).fold == 0)


def _first(low: datetime, high: datetime, holds: Callable[[datetime], bool]) -> datetime:
    """The first whole second in (low, high] where `holds`; it must hold at `high`. Zones change on whole seconds."""
    low = low.replace(microsecond=0)
    while high - low > _STEP:
        middle = low + (high - low) // (2 * _STEP) * _STEP
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


# --- Reading ----------------------------------------------------------------------------------------------------------


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("A moment must carry its timezone.")
    return moment.astimezone(UTC)


def _minutes(field: str, value: str | time) -> int:
    if isinstance(value, time):
        return value.hour * 60 + value.minute
    hour, colon, minute = str(value).partition(":")
    is_number = len(hour) == len(minute) == 2 and (hour + minute).isascii() and (hour + minute).isdigit()
    minutes = int(hour) * 60 + int(minute) if colon and is_number else _DAY + 1
    if minutes > _DAY or int(minute) > 59 or (minutes == _DAY and field != "end_time"):
        raise ValueError(f"{field} must be a time of day as HH:MM, such as 09:00.")
    return minutes


def _hours(day: str, text: str, days: frozenset[str]) -> tuple[int, int]:
    start, _, end = str(text).partition("-")
    if day not in days:
        raise ValueError(f"day_hours names {str(day)[:20]}, which is not among days.")
    try:
        hours = _minutes("start_time", start), _minutes("end_time", end)
    except ValueError:
        hours = (0, 0)
    if hours[0] >= hours[1]:
        raise ValueError(f"day_hours of {day} must be two times of day, such as 09:00-13:00.")
    return hours


def _check_days(days: frozenset[str]) -> None:
    if not days:
        raise ValueError("days must name at least one day.")
    unknown = sorted(str(day) for day in days if day not in DAYS)
    if unknown:
        raise ValueError(f"days must be among {', '.join(DAYS)}, not {', '.join(unknown)[:64]}.")
