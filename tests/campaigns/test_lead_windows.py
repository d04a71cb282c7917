"""A window on the lead's own clock, other hours of single days, and the public holidays of the lead's country."""

from datetime import UTC, datetime, timedelta

import pytest

from apikeys.models import Event
from apikeys.services import now_for, turn_clock
from campaigns.explaining import explain_lead, explain_run
from campaigns.models import Campaign, Enrollment
from campaigns.runner import tick
from campaigns.windows import OUTSIDE
from sending.models import Message
from tests import make
from tests.world import run_until_idle

OFFICE = {**make.ALL_HOURS, "timezone": "Europe/Madrid", "start_time": "09:00", "end_time": "17:00"}
YEAR = datetime.now(UTC).year + 1
TWO_STEPS = [make.step("One"), make.step("Two", delay_days=1)]


def at(acme, month, day, hour, minute=0, year=YEAR):
    return turn_clock(workspace=acme, to=datetime(year, month, day, hour, minute, tzinfo=UTC))


def launched(acme, **schedule):
    return make.run(acme, schedule={**OFFICE, **schedule}, now=now_for(acme))


def written_to():
    return sorted(Message.objects.filter(direction="out", state="sent").values_list("to_email", flat=True))


def told(run, lead):
    return explain_lead(Enrollment.objects.get(campaign=run.pk, lead=lead), now=now_for(run.workspace))


def window_of(found) -> dict:
    return next(each.numbers for each in found.findings if each.guard == "window")


class TestTheLeadsClock:
    def test_each_gets_mail_in_their_own_office_hours(self, acme):
        acme = at(acme, 6, 1, 8)  # ten in Madrid, four in New York, five in the afternoon in Tokyo
        make.lead(acme, "madrid@a.example")
        make.lead(acme, "york@a.example", timezone="America/New_York", country="Germany")
        make.lead(acme, "tokyo@a.example", country="Japan")
        launched(acme, send_in_lead_timezone=True)

        run_until_idle()
        assert written_to() == ["madrid@a.example"]
        at(acme, 6, 1, 13, 1)
        run_until_idle()
        assert written_to() == ["madrid@a.example", "york@a.example"]
        at(acme, 6, 2, 0, 1)
        run_until_idle()
        assert len(written_to()) == 3

    def test_it_is_off_unless_asked_for(self, acme):
        acme = at(acme, 6, 1, 8)
        make.lead(acme, "york@a.example", timezone="America/New_York")
        launched(acme)
        run_until_idle()
        assert written_to() == ["york@a.example"]

    @pytest.mark.parametrize(
        ("fields", "zone", "source"),
        [
            ({"timezone": "America/New_York", "country": "Japan"}, "America/New_York", "lead"),
            ({"country": "jp"}, "Asia/Tokyo", "country"),
            ({"country": " USA"}, "America/New_York", "country"),
            ({"country": "uk"}, "Europe/London", "country"),
            ({"country": "Australia"}, "Australia/Sydney", "country"),
            ({"country": "Narnia"}, "Europe/Madrid", "campaign"),
            ({}, "Europe/Madrid", "campaign"),
        ],
    )
    def test_where_the_zone_is_from_is_shown(self, acme, fields, zone, source):
        lead = make.lead(acme, **fields)
        run = launched(acme, send_in_lead_timezone=True)
        numbers = window_of(told(run, lead))
        assert (numbers["timezone"], numbers["timezone_of"]) == (zone, source)

    def test_who_waits_is_told_when_and_why_before_and_after_the_planner_looked(self, acme):
        acme = at(acme, 6, 1, 8)
        lead = make.lead(acme, timezone="America/New_York")
        run = launched(acme, send_in_lead_timezone=True)
        opens = datetime(YEAR, 6, 1, 13, tzinfo=UTC)

        before = told(run, lead)
        run_until_idle()

        for found in (before, told(run, lead), explain_run(Campaign.objects.get(), now=now_for(acme))):
            assert (found.binding, found.next_at, found.reason) == ("window", opens, OUTSIDE)
        assert not Event.objects.filter(kind="enrollment.held").exists()

    def test_what_misses_the_leads_window_waits_for_the_next(self, acme):
        acme = at(acme, 6, 1, 20, 30)  # half an hour before New York closes, Madrid closed long ago
        lead = make.lead(acme, timezone="America/New_York")
        launched(acme, send_in_lead_timezone=True)
        tick()
        assert Message.objects.get().not_after == datetime(YEAR, 6, 1, 21, tzinfo=UTC)
        assert Message.objects.get().lead_id == lead.pk

    def test_those_who_wait_hide_nobody(self, acme, monkeypatch):
        monkeypatch.setattr("campaigns.planning.MARGIN", 2)
        acme = at(acme, 6, 1, 8)
        for _ in range(9):
            make.lead(acme, timezone="America/New_York")
        make.lead(acme, "madrid@a.example")
        launched(acme, send_in_lead_timezone=True, daily_limit=1)
        for _ in range(5):
            run_until_idle()
        assert written_to() == ["madrid@a.example"]

    def test_an_edit_of_the_schedule_frees_who_waited_for_another_window(self, acme, api):
        acme = at(acme, 6, 1, 8)
        make.lead(acme, "york@a.example", timezone="America/New_York")
        run = launched(acme, send_in_lead_timezone=True)
        run_until_idle()
        api.data("POST", f"/runs/{run.pk}/pause")
        shown = api.data("PATCH", f"/campaigns/{run.pk}", {"send_in_lead_timezone": False})
        api.data("POST", f"/runs/{run.pk}/resume")
        run_until_idle()
        assert shown["send_in_lead_timezone"] is False
        assert written_to() == ["york@a.example"]


class TestHolidays:
    def test_on_a_holiday_of_the_leads_country_nothing_leaves_to_them(self, acme):
        acme = at(acme, 10, 3, 10)
        lead = make.lead(acme, "de@a.example", country="Germany")
        make.lead(acme, "es@a.example", country="ES")
        run = launched(acme, skip_holidays=True)

        run_until_idle()

        assert written_to() == ["es@a.example"]
        found = told(run, lead)
        assert (found.binding, found.reason) == ("window", "It is German Unity Day in Germany.")
        assert found.next_at == datetime(YEAR, 10, 4, 7, tzinfo=UTC)
        at(acme, 10, 4, 7, 1)
        run_until_idle()
        assert len(written_to()) == 2

    def test_nor_a_follow_up(self, acme):
        acme = at(acme, 12, 31, 10, year=YEAR - 1)
        lead = make.lead(acme, country="Germany")
        run = make.run(acme, schedule={**OFFICE, "skip_holidays": True}, steps=TWO_STEPS, now=now_for(acme))
        run_until_idle()
        at(acme, 1, 1, 11)
        run_until_idle()
        assert len(written_to()) == 1
        assert told(run, lead).reason == "It is New Year's Day in Germany."
        at(acme, 1, 2, 9)
        run_until_idle()
        assert len(written_to()) == 2

    def test_the_day_is_the_one_on_the_leads_clock(self, acme):
        acme = at(acme, 12, 31, 23, year=YEAR - 1)  # eight in the morning of New Year's Day in Tokyo
        lead = make.lead(acme, country="Japan")
        run = launched(acme, skip_holidays=True, send_in_lead_timezone=True, start_time="00:00")
        assert told(run, lead).reason == "It is New Year's Day in Japan."

    def test_it_is_off_unless_asked_for(self, acme):
        acme = at(acme, 10, 3, 10)
        make.lead(acme, "de@a.example", country="Germany")
        launched(acme)
        run_until_idle()
        assert written_to() == ["de@a.example"]


class TestDaysWithOtherHours:
    def test_they_hold(self, acme):
        friday = datetime(YEAR, 6, 1, 14, tzinfo=UTC)
        friday += timedelta(days=(4 - friday.weekday()) % 7)
        acme = turn_clock(workspace=acme, to=friday)
        make.lead(acme)
        launched(acme, day_hours={"fri": "09:00-13:00"})
        run_until_idle()
        assert not written_to()
        assert explain_run(Campaign.objects.get(), now=now_for(acme)).next_at == (friday + timedelta(days=1)).replace(
            hour=7
        )

    @pytest.mark.parametrize(
        "given",
        [{"fri": "13:00-09:00"}, {"fri": "x"}, {"fri": "09:00"}, {"friday": "09:00-13:00"}],
    )
    def test_what_makes_no_hours_is_refused_and_nothing_is_launched(self, acme, api, given):
        make.lead(acme)
        make.mailbox(acme)
        sequence = make.sequence(acme)
        answer = api("POST", "/runs", {"sequence_id": str(sequence.pk), "schedule": {"day_hours": given}})
        assert (answer.status_code, "day_hours" in answer.json()["details"]["schedule"][0]) == (400, True)
        assert not Campaign.objects.exists()


def test_both_doors_show_what_was_asked_for(acme, api):
    make.lead(acme)
    make.mailbox(acme)
    asked = {"day_hours": {"fri": "09:00-13:00"}, "send_in_lead_timezone": True, "skip_holidays": True}
    run = api.data("POST", "/runs", {"sequence_id": str(make.sequence(acme).pk), "schedule": asked}, status=201)
    shown = api.data("GET", f"/campaigns/{run['id']}")
    assert {name: run["schedule"][name] for name in asked} == asked == {name: shown[name] for name in asked}
