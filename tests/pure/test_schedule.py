from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import holidays
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from campaigns.schedule import DAYS, Schedule, in_window, next_slot
from sending.limits import local_day

WORKDAYS = frozenset(DAYS[:5])
ZONES = ["Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"]


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slot(zone, start, end, after, days=DAYS):
    schedule = Schedule(zone, start, end, frozenset(days))
    return next_slot(schedule, at(after)).replace(tzinfo=None).isoformat(sep=" ")


class TestWindow:
    def test_a_moment_inside_stays(self):
        assert slot("UTC", "09:00", "17:00", "2026-03-04 10:30:01.5", WORKDAYS) == "2026-03-04 10:30:01.500000"

    def test_the_start_is_inside(self):
        assert slot("UTC", "09:00", "17:00", "2026-03-04 09:00") == "2026-03-04 09:00:00"

    def test_the_end_is_outside(self):
        assert slot("UTC", "09:00", "17:00", "2026-03-04 17:00") == "2026-03-05 09:00:00"

    def test_before_the_start_waits_for_it(self):
        assert slot("Europe/Madrid", "09:00", "17:00", "2026-03-04 05:00") == "2026-03-04 08:00:00"

    def test_a_weekend_is_stepped_over(self):
        assert slot("UTC", "09:00", "17:00", "2026-03-06 17:30", WORKDAYS) == "2026-03-09 09:00:00"

    def test_the_day_is_the_zones_day(self):
        # Friday 23:00 UTC is Saturday in Kathmandu.
        assert slot("Asia/Kathmandu", "09:00", "17:00", "2026-03-06 23:00", WORKDAYS) == "2026-03-09 03:15:00"

    def test_one_day_a_week_is_found_a_week_later(self):
        assert slot("UTC", "09:00", "17:00", "2026-03-04 17:00", ["wed"]) == "2026-03-11 09:00:00"

    def test_24_00_is_the_end_of_the_day(self):
        assert slot("UTC", "09:00", "24:00", "2026-03-04 23:59:59") == "2026-03-04 23:59:59"
        assert slot("UTC", "09:00", "24:00", "2026-03-05 00:00") == "2026-03-05 09:00:00"

    def test_leap_day_is_a_day(self):
        assert slot("UTC", "09:00", "17:00", "2028-02-28 18:00") == "2028-02-29 09:00:00"

    def test_all_hours_move_nothing_not_even_in_a_repeated_hour(self):
        schedule = Schedule("America/New_York")
        for minute in range(0, 600, 7):
            moment = at("2026-11-01 00:00") + timedelta(minutes=minute)
            assert next_slot(schedule, moment) == moment

    def test_any_zone_of_the_argument_will_do(self):
        moment = datetime(2026, 3, 4, 20, 0, tzinfo=ZoneInfo("Asia/Kathmandu"))
        assert next_slot(Schedule("UTC", "09:00", "17:00"), moment) == at("2026-03-04 14:15")

    def test_times_may_be_time_objects(self):
        assert Schedule("UTC", time(9), time(17, 30)).end == 17 * 60 + 30


class TestClocksGoForward:
    def test_a_start_that_does_not_exist_is_the_next_valid_time(self):
        # New York, 8 March 2026: 02:00 EST becomes 03:00 EDT at 07:00 UTC.
        assert slot("America/New_York", "02:30", "05:00", "2026-03-08 05:00") == "2026-03-08 07:00:00"

    def test_a_window_that_does_not_exist_is_left_out(self):
        assert slot("America/New_York", "02:10", "02:50", "2026-03-08 05:00") == "2026-03-09 06:10:00"

    def test_an_end_that_does_not_exist_is_the_jump(self):
        assert slot("Europe/Madrid", "01:00", "02:30", "2026-03-29 00:59:59") == "2026-03-29 00:59:59"
        assert slot("Europe/Madrid", "01:00", "02:30", "2026-03-29 01:00") == "2026-03-29 23:00:00"

    def test_half_an_hour_forward(self):
        # Lord Howe, 4 October 2026: 02:00 (+10:30) becomes 02:30 (+11) at 15:30 UTC the day before.
        assert slot("Australia/Lord_Howe", "02:10", "05:00", "2026-10-03 14:00") == "2026-10-03 15:30:00"

    def test_a_day_a_zone_left_out_has_no_window(self):
        # Apia went from 29 to 31 December 2011; the 30th was a Friday.
        assert slot("Pacific/Apia", "09:00", "17:00", "2011-12-30 03:00") == "2011-12-30 19:00:00"
        assert slot("Pacific/Apia", "09:00", "17:00", "2011-12-30 03:00", ["fri"]) == "2012-01-05 19:00:00"


class TestClocksGoBack:
    def test_a_start_that_comes_twice_is_the_first(self):
        # New York, 1 November 2026: 02:00 EDT becomes 01:00 EST at 06:00 UTC.
        assert slot("America/New_York", "01:30", "05:00", "2026-11-01 04:00") == "2026-11-01 05:30:00"

    def test_the_repeated_hour_counts_once(self):
        assert slot("America/New_York", "00:30", "05:00", "2026-11-01 05:59:59") == "2026-11-01 05:59:59"
        assert slot("America/New_York", "00:30", "05:00", "2026-11-01 06:00") == "2026-11-01 07:00:00"
        assert slot("America/New_York", "00:30", "05:00", "2026-11-01 06:40:00.25") == "2026-11-01 07:00:00"

    def test_an_end_that_comes_twice_is_the_first(self):
        assert slot("America/New_York", "00:30", "01:30", "2026-11-01 05:29:59") == "2026-11-01 05:29:59"
        assert slot("America/New_York", "00:30", "01:30", "2026-11-01 05:30") == "2026-11-02 05:30:00"

    def test_half_an_hour_back(self):
        # Lord Howe, 5 April 2026: 02:00 (+11) becomes 01:30 (+10:30) at 15:00 UTC the day before.
        assert slot("Australia/Lord_Howe", "01:00", "05:00", "2026-04-04 15:10") == "2026-04-04 15:30:00"


def as_time(minutes):
    return f"{minutes // 60:02}:{minutes % 60:02}"


hours = st.tuples(st.integers(0, 1440), st.integers(0, 1440)).filter(lambda pair: pair[0] != pair[1]).map(sorted)


@st.composite
def any_schedule(draw):
    start, end = draw(hours)
    days = draw(st.frozensets(st.sampled_from(DAYS), min_size=1))
    own = draw(st.just({}) | st.dictionaries(st.sampled_from(sorted(days)), hours, max_size=2))
    texts = {day: f"{as_time(start)}-{as_time(end)}" for day, (start, end) in own.items()}
    country = draw(st.sampled_from(["", "", "ES", "US", "JP"]))
    return Schedule(draw(st.sampled_from(ZONES)), as_time(start), as_time(end), days, texts, country)


schedules = any_schedule()
ten_years = st.integers(0, 10 * 366 * 86_400).map(lambda seconds: at("2024-01-01") + timedelta(seconds=seconds))
# Most moments are far from a change of clocks, so half of them are drawn around one.
near_changes = st.builds(
    lambda text, minutes: at(text) + timedelta(minutes=minutes),
    st.sampled_from(
        ["2026-03-29 01:00", "2026-10-25 01:00", "2026-03-08 07:00", "2026-11-01 06:00", "2026-04-04 15:00"]
        + ["2026-10-03 15:30", "2011-12-30 10:00", "2011-04-02 14:00", "2020-09-26 14:00", "2021-04-03 14:00"]
    ),
    st.integers(-1500, 1500),
)
moments = ten_years | near_changes


@cache
def days_kept(country, year):
    return set(holidays.country_holidays(country, years=year)) if country else set()


def wall_says_open(schedule, moment):
    """The rule read off the wall clock, without any of the arithmetic under test."""
    local = moment.astimezone(schedule.zone)
    day = DAYS[local.weekday()]
    start, _, end = schedule.day_hours.get(day, f"{schedule.start_time}-{schedule.end_time}").partition("-")
    is_open = day in schedule.days and start <= f"{local:%H:%M}" < end
    kept = local.date() in days_kept(schedule.holidays_of, local.year)
    return schedule.is_always or (is_open and not kept and local.fold == 0)


def first_open_minute(schedule, moment, last):
    """Minute by minute: the first at or after `moment` at which the wall clock says open; None by `last`."""
    minute = moment.replace(second=0, microsecond=0) + (timedelta(minutes=1) if moment.second else timedelta())
    while minute <= last and not wall_says_open(schedule, minute):
        minute += timedelta(minutes=1)
    return minute if minute <= last else None


class TestOverTenYears:
    """Row F25 of the failure matrix: clocks that are turned in Madrid, New York, Lord Howe, Kathmandu and Apia."""

    @given(schedules, near_changes)
    @settings(max_examples=60, deadline=None)
    @example(Schedule("America/New_York", "01:30", "05:00"), at("2026-11-01 05:00"))
    @example(Schedule("America/New_York", "00:30", "05:00"), at("2026-11-01 06:20"))
    @example(Schedule("Europe/Madrid", "01:00", "05:00"), at("2026-10-25 01:20"))
    @example(Schedule("America/New_York", "02:30", "05:00"), at("2026-03-08 06:00"))
    @example(Schedule("Australia/Lord_Howe", "01:40", "01:50"), at("2026-04-04 14:00"))
    @example(Schedule("Asia/Kathmandu", "00:00", "00:01"), at("2028-02-28 18:00"))
    @example(Schedule("Pacific/Apia", "09:00", "17:00", frozenset({"fri", "sat"})), at("2011-12-29 20:00"))
    def test_F25_somebody_who_looks_at_the_wall_clock_every_minute_finds_the_same_slot(self, schedule, moment):
        expected = first_open_minute(schedule, moment, moment + timedelta(hours=30))
        found = next_slot(schedule, moment)
        if expected is None:
            assert found > moment + timedelta(hours=30)
        elif not wall_says_open(schedule, moment):
            assert found == expected

    @given(schedules, moments, st.integers(0, 3 * 86_400))
    @settings(max_examples=300)
    def test_F25_who_asks_later_is_never_told_earlier(self, schedule, moment, seconds):
        assert next_slot(schedule, moment) <= next_slot(schedule, moment + timedelta(seconds=seconds))

    @given(schedules, moments)
    @settings(max_examples=300)
    def test_the_slot_is_inside_and_not_before(self, schedule, moment):
        found = next_slot(schedule, moment)
        assert found >= moment
        assert wall_says_open(schedule, found)
        assert next_slot(schedule, found) == found

    @given(schedules, moments)
    @settings(max_examples=300)
    def test_a_moment_is_its_own_slot_exactly_when_the_wall_clock_says_open(self, schedule, moment):
        assert in_window(schedule, moment) == wall_says_open(schedule, moment)

    @given(schedules, moments, st.floats(0, 1, exclude_max=True))
    @settings(max_examples=300)
    @example(Schedule("America/New_York", "00:30", "05:00"), at("2026-11-01 06:00"), 0.99)
    def test_no_open_moment_is_passed_over(self, schedule, moment, share):
        between = moment + (next_slot(schedule, moment) - moment) * share
        assert between == next_slot(schedule, moment) or not wall_says_open(schedule, between)

    @given(schedules, moments)
    @settings(max_examples=200)
    def test_no_wall_time_comes_twice(self, schedule, moment):
        if schedule.is_always:
            return
        slots = {next_slot(schedule, moment + timedelta(minutes=15 * n)) for n in range(24)}
        walls = {found.astimezone(schedule.zone).replace(tzinfo=None, fold=0) for found in slots}
        assert len(walls) == len(slots)


class TestHolidays:
    def test_new_years_day_is_stepped_over(self):
        schedule = Schedule("Europe/Berlin", "09:00", "17:00", holidays_of="DE")
        assert next_slot(schedule, at("2026-01-01 10:00")) == at("2026-01-02 08:00")
        assert next_slot(Schedule("Europe/Berlin", "09:00", "17:00"), at("2026-01-01 10:00")) == at("2026-01-01 10:00")

    def test_all_hours_have_holidays_too(self):
        assert next_slot(Schedule(holidays_of="DE"), at("2026-01-01 10:00")) == at("2026-01-02 00:00")

    def test_mondays_that_are_holidays_one_after_another_are_stepped_over(self):
        schedule = Schedule("UTC", "09:00", "17:00", frozenset({"mon"}), holidays_of="US")
        assert next_slot(schedule, at("2023-12-25 10:00")) == at("2024-01-08 09:00")

    def test_a_country_nobody_knows_has_none(self):
        assert next_slot(Schedule(holidays_of="XX"), at("2026-01-01 10:00")) == at("2026-01-01 10:00")


class TestOwnHours:
    def test_of_a_single_day(self):
        schedule = Schedule("UTC", "09:00", "17:00", WORKDAYS, {"fri": "10:00-13:00"})
        assert next_slot(schedule, at("2026-03-06 09:00")) == at("2026-03-06 10:00")
        assert next_slot(schedule, at("2026-03-06 13:00")) == at("2026-03-09 09:00")


class TestRefusals:
    @pytest.mark.parametrize(
        ("fields", "words"),
        [
            ({"timezone": "Mars/Base"}, "not an IANA timezone"),
            ({"timezone": "../etc/passwd"}, "not an IANA timezone"),
            ({"timezone": ""}, "not an IANA timezone"),
            ({"timezone": "a\x00b"}, "not an IANA timezone"),
            ({"start_time": "17:00", "end_time": "09:00"}, "before end_time"),
            ({"start_time": "09:00", "end_time": "09:00"}, "before end_time"),
            ({"start_time": "24:00"}, "start_time must be a time"),
            ({"end_time": "24:01"}, "end_time must be a time"),
            ({"end_time": "12:60"}, "end_time must be a time"),
            ({"end_time": "9:00"}, "end_time must be a time"),
            ({"end_time": "٠٩:٠٠"}, "end_time must be a time"),
            ({"end_time": ""}, "end_time must be a time"),
            ({"days": frozenset()}, "at least one day"),
            ({"days": frozenset({"monday"})}, "not monday"),
        ],
    )
    def test_each_has_its_sentence(self, fields, words):
        with pytest.raises(ValueError, match=words):
            Schedule(**fields)

    def test_a_moment_without_a_zone_is_refused(self):
        with pytest.raises(ValueError, match="timezone"):
            next_slot(Schedule(), datetime(2026, 1, 1))


def test_the_local_day_is_the_zones_own():
    assert local_day("Asia/Kathmandu", at("2026-03-06 18:15")) == date(2026, 3, 7)
    assert local_day("America/New_York", at("2026-03-06 04:59")) == date(2026, 3, 5)
