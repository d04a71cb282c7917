"""Who is owed a step and may have it: order, windows, caps, gaps, those who wait, and what frees or ends a walk."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from apikeys.services import now_for, turn_clock
from campaigns import planning
from campaigns.explaining import explain_run
from campaigns.models import Campaign, Enrollment, Touch
from campaigns.runner import tick
from leads.models import Lead, Suppression, VariableValue
from leads.services import suppress
from sending.models import Mailbox, Message
from sending.postoffice import dispatch
from sending.services import cancel_queued, decide_unknown
from tests import make
from tests.world import pass_time, run_until_idle

TWO_STEPS = [make.step("One"), make.step("Two", delay_days=1)]


def out(**fields):
    return Message.objects.filter(direction="out", **fields).order_by("created_at", "id")


def leads_of(workspace, count: int) -> list[Lead]:
    return [make.lead(workspace) for _ in range(count)]


def set_clock(workspace, moment: datetime):
    return turn_clock(workspace=workspace, to=moment)


def told(run):
    """(when the next mail of the run leaves, why then)"""
    found = explain_run(Campaign.objects.get(pk=run.pk), now=now_for(run.workspace))
    return found.next_at, found.reason


class TestOrder:
    def test_the_same_tick_twice_plans_nothing_twice(self, acme):
        leads_of(acme, 5)
        make.run(acme)
        tick()
        tick()
        assert out().count() == Touch.objects.count() == 5

    def test_a_follow_up_takes_the_only_slot_before_a_first_step(self, acme):
        first = make.lead(acme)
        run = make.run(acme, steps=TWO_STEPS)
        run_until_idle()
        new = make.lead(acme)
        Enrollment.objects.create(campaign=run, lead=new, due_at=now_for(acme), created_at=now_for(acme))
        Mailbox.objects.update(daily_limit=1)
        pass_time(acme, days=2)
        assert [mail.lead_id for mail in out(state="sent")] == [first.pk, first.pk]
        pass_time(acme, days=1)
        assert out(state="sent").last().lead_id == new.pk


class TestWindow:
    SCHEDULE = {"timezone": "Europe/Madrid", "start_time": "09:00", "end_time": "10:00", "days": ["mon"]}

    def test_outside_it_nothing_is_planned_and_it_says_when_and_why(self, acme):
        year = datetime.now(UTC).year + 1
        sunday = next(day for n in range(1, 8) if (day := datetime(year, 1, n, 12, tzinfo=UTC)).strftime("%a") == "Sun")
        acme = set_clock(acme, sunday)
        make.lead(acme)
        run = make.run(acme, schedule=self.SCHEDULE, now=now_for(acme))
        run_until_idle()
        assert not out().exists()
        when, why = told(run)
        assert when == sunday.replace(hour=8) + timedelta(days=1)  # nine in Madrid, in winter
        assert why == "The schedule's window opens then."
        set_clock(acme, when + timedelta(minutes=1))
        run_until_idle()
        assert out(state="sent").count() == 1

    def test_what_missed_its_window_is_planned_anew_in_the_next(self, acme):
        year = datetime.now(UTC).year + 1
        monday = next(
            day for n in range(1, 8) if (day := datetime(year, 1, n, 8, 30, tzinfo=UTC)).strftime("%a") == "Mon"
        )
        acme = set_clock(acme, monday)
        make.lead(acme)
        make.run(acme, schedule=self.SCHEDULE, now=now_for(acme))
        tick()
        set_clock(acme, monday + timedelta(hours=1))
        run_until_idle()
        assert [mail.state for mail in out()] == ["canceled"]
        set_clock(acme, monday + timedelta(days=7))
        run_until_idle()
        assert [mail.state for mail in out()] == ["canceled", "sent"]
        assert Touch.objects.get().position == 1


class TestCaps:
    def test_the_runs_daily_limit_holds_and_the_next_day_goes_on(self, acme):
        leads_of(acme, 5)
        run = make.run(acme, schedule={**make.ALL_HOURS, "daily_limit": 2})
        run_until_idle()
        assert out(state="sent").count() == 2
        when, why = told(run)
        assert why == "The run has sent its 2 of the day."
        assert (when.hour, when.minute) == (0, 0)
        pass_time(acme, days=1)
        assert out(state="sent").count() == 4

    def test_with_a_gap_mails_leave_one_at_a_time(self, acme):
        leads_of(acme, 3)
        run = make.run(acme, schedule={**make.ALL_HOURS, "send_gap_minutes": 10})
        run_until_idle()
        assert out().count() == 1
        _, why = told(run)
        assert why == "The mailbox waits for its gap of 10 min between two mails."
        pass_time(acme, minutes=12)
        assert out(state="sent").count() == 2

    def test_two_runs_share_a_mailboxs_gap_and_day(self, acme):
        leads_of(acme, 4)
        make.mailbox(acme, daily_limit=3, send_gap_seconds=600)
        make.run(acme)
        make.run(acme, include_active_elsewhere=True)
        run_until_idle()
        assert out(state="sent").count() == 1
        for _ in range(6):
            pass_time(acme, minutes=12)
        times = sorted(out(state="sent").values_list("settled_at", flat=True))
        assert all(later - earlier >= timedelta(minutes=8.5) for earlier, later in pairwise(times))
        assert max(Counter(time.date() for time in times).values()) == 3

    def test_without_a_mailbox_that_may_send_it_says_so(self, acme):
        make.lead(acme)
        run = make.run(acme)
        Mailbox.objects.update(phase="paused")
        run_until_idle()
        assert told(run) == (
            None, "No mailbox of this run may send now.",
        )  # fmt: skip


class TestThoseWhoWait:
    STEPS = [make.step(body="<p>{{opening_line}}</p>")]

    def give(self, variable, lead):
        VariableValue.objects.update_or_create(
            variable=variable, lead=lead, defaults={"workspace": lead.workspace, "state": "done", "value": "A line."}
        )

    def test_a_held_lead_is_looked_at_again(self, acme):
        variable, lead = make.variable(acme), make.lead(acme)
        make.run(acme, steps=self.STEPS)
        run_until_idle()
        assert Enrollment.objects.get().status == "held"
        self.give(variable, lead)
        pass_time(acme, minutes=2)
        assert out(state="sent").count() == 1
        assert Campaign.objects.get().status == "completed"

    def test_leads_that_wait_do_not_keep_the_only_slot_from_one_who_may_go(self, acme):
        variable = make.variable(acme)
        leads = leads_of(acme, 8)
        self.give(variable, leads[-1])
        make.run(acme, steps=self.STEPS, schedule={**make.ALL_HOURS, "send_gap_minutes": 10})
        tick()
        assert [mail.lead_id for mail in out()] == [leads[-1].pk]

    def test_a_waiting_follow_up_does_not_keep_first_steps_from_going(self, acme):
        variable, first = make.variable(acme), make.lead(acme)
        steps = [make.step("One"), make.step("Two", "<p>{{opening_line}}</p>", delay_days=1)]
        run = make.run(acme, steps=steps, schedule={**make.ALL_HOURS, "send_gap_minutes": 10})
        run_until_idle()
        pass_time(acme, days=2)
        assert Enrollment.objects.get().status == "held"
        new = make.lead(acme)
        Enrollment.objects.create(campaign=run, lead=new, due_at=now_for(acme), created_at=now_for(acme))
        pass_time(acme, minutes=2)
        assert [mail.lead_id for mail in out(state="sent")] == [first.pk, new.pk]
        assert variable.name == "opening_line"

    def test_a_lead_who_is_away_is_written_to_after_the_return(self, acme):
        lead = make.lead(acme)
        make.run(acme, steps=TWO_STEPS)
        run_until_idle()
        Lead.objects.filter(pk=lead.pk).update(away_until=now_for(acme) + timedelta(days=9))
        pass_time(acme, days=5)
        assert out().count() == 1
        assert "away until" in Enrollment.objects.get().reason
        pass_time(acme, days=5)
        assert out(state="sent").count() == 2

    def test_many_mailboxes_each_get_their_own_follow_ups(self, acme):
        """A backlog at one must not hide what is due at the other."""
        for email in ("a@you.example", "b@you.example"):
            make.mailbox(acme, email)
        leads_of(acme, 12)
        make.run(acme, steps=TWO_STEPS, sender_email="")
        run_until_idle()
        Mailbox.objects.update(daily_limit=1)
        owners = set(Enrollment.objects.values_list("mailbox__email", flat=True))
        pass_time(acme, days=2)
        today = now_for(acme).date()
        senders = {mail.from_email for mail in out(state="sent") if mail.settled_at.date() == today}
        assert senders == owners


class TestEnds:
    def test_what_is_canceled_frees_its_position(self, acme):
        make.lead(acme)
        run = make.run(acme)
        tick()
        cancel_queued(run.lane_id, reason="Once more.", now=now_for(acme))
        run_until_idle()
        assert [mail.state for mail in out()] == ["canceled", "sent"]
        assert Touch.objects.count() == 1

    def test_it_completes_when_nobody_waits_or_is_awaited(self, acme):
        make.lead(acme, "ok+a@sandbox.test")
        make.lead(acme, "timeout+a@sandbox.test")
        run = make.run(acme)
        run_until_idle()
        run.refresh_from_db()
        assert run.status == "active"
        decide_unknown(message=out(state="unknown").get(), decision="assume_sent", now=now_for(acme))
        run_until_idle()
        run.refresh_from_db()
        assert run.status == "completed"

    def test_paused_ones_do_not_keep_it_open(self, acme):
        leads = leads_of(acme, 2)
        run = make.run(acme)
        Enrollment.objects.filter(lead=leads[0]).update(status="paused")
        run_until_idle()
        run.refresh_from_db()
        assert run.status == "completed"
        assert out().count() == 1

    def test_a_lead_blocked_before_it_was_seen_ends_and_the_run_completes(self, acme):
        lead = make.lead(acme)
        run = make.run(acme)
        suppress(workspace=acme, value=lead.email, kind=Suppression.Kind.MANUAL, now=now_for(acme))
        Suppression.objects.update(collected=True)  # taken note of before this enrollment was there
        run_until_idle()
        run.refresh_from_db()
        assert run.status == "completed"
        assert Enrollment.objects.get().status == "stopped"
        assert not out().exists()

    def test_a_suppressed_domain_ends_every_walk_however_many(self, acme, monkeypatch):
        monkeypatch.setattr("campaigns.collecting.BATCH", 2)
        leads_of(acme, 7)
        make.run(acme, steps=TWO_STEPS)
        run_until_idle()
        suppress(workspace=acme, value="@acme.example", kind=Suppression.Kind.MANUAL, now=now_for(acme))
        run_until_idle()
        assert set(Enrollment.objects.values_list("status", flat=True)) == {"stopped"}

    def test_one_campaign_in_trouble_keeps_no_other_from_sending(self, acme):
        make.lead(acme)
        bad = make.run(acme, name="Bad")
        make.run(acme, name="Good", include_active_elsewhere=True)
        Campaign.objects.filter(pk=bad.pk).update(schedule_timezone="Nowhere/Land")
        tick()
        dispatch()
        assert out(state="sent").count() == 1

    def test_a_paused_run_is_not_planned_by_a_tick_that_saw_it_running(self, acme):
        make.lead(acme)
        run = Campaign.objects.select_related("workspace", "lane", "sequence").get(pk=make.run(acme).pk)
        Campaign.objects.update(status="paused")
        assert planning.plan(run, now=now_for(acme)) == set()
        assert not out().exists()
