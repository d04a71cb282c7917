"""Why a mail is not out yet: every guard with its numbers, the one that binds, and promises kept or explained."""

from datetime import timedelta

import pytest

from apikeys.models import Event
from apikeys.services import now_for, turn_clock
from campaigns.explaining import ORDER
from campaigns.models import Campaign, Enrollment
from campaigns.runner import tick
from leads.models import Lead
from sending.guards import GUARDS, Departure, report
from sending.models import Mailbox, Message, SendCounter
from sending.services import dispatch
from tests import make
from tests.world import pass_time, run_until_idle

TWO_STEPS = [make.step("One"), make.step("Two", delay_days=1)]
MOVED = "campaign.next_send_moved"


def guards_of(shown) -> dict:
    return {each["guard"]: each for each in shown["guards"]}


def explained(api, run, lead=None) -> dict:
    return api.data("GET", f"/runs/{run.pk}/leads/{lead.pk}/explain" if lead else f"/runs/{run.pk}/explain")


class TestALead:
    @pytest.fixture
    def run(self, acme):
        self.lead = make.lead(acme, "ok+jo@sandbox.test")
        return make.run(acme, steps=TWO_STEPS)

    def test_before_the_first_tick_every_guard_passes(self, api, run):
        shown = explained(api, run, self.lead)

        assert [each["guard"] for each in shown["guards"]] == [name for name in ORDER if name in guards_of(shown)]
        assert all(each["passes"] for each in shown["guards"])
        assert (shown["next_send_guard"], shown["next_send_reason"]) == (None, "It is due.")
        assert shown["mailbox"] == "hi@you.example"

    def test_the_wait_before_the_next_step(self, api, acme, run):
        run_until_idle()

        shown = explained(api, run, self.lead)

        due_at = Enrollment.objects.get().due_at
        assert (shown["next_send_guard"], shown["next_send_at"][:19]) == ("step", due_at.isoformat()[:19])

    @pytest.mark.parametrize(
        ("change", "guard", "reason"),
        [
            (lambda: Campaign.objects.update(status="paused"), "campaign", "The run is paused."),
            (lambda: Mailbox.objects.update(phase="paused"), "mailbox", "No mailbox of this run may send now."),
            (lambda: Lead.objects.update(status="paused"), "rest", "The lead is paused."),
            (lambda: Lead.objects.update(email="new@acme.example"), None, "It is due."),
            (lambda: Lead.objects.update(is_disposable=True), "health", "The lead's health is red: The address is"),
            (lambda: Enrollment.objects.update(status="paused", reason="Yellow."), "enrollment", "It waits for a "),
        ],
    )  # fmt: skip
    def test_what_binds_is_named(self, api, run, change, guard, reason):
        change()

        shown = explained(api, run, self.lead)

        assert shown["next_send_guard"] == guard
        assert shown["next_send_reason"].startswith(reason)
        assert (shown["next_send_at"] is None) == (guard is not None)
        assert guard is None or not guards_of(shown)[guard]["passes"]

    def test_a_variable_that_is_not_written(self, api, acme):
        make.variable(acme)
        lead = make.lead(acme)
        run = make.run(acme, steps=[make.step(body="<p>{{opening_line}}</p>")])

        shown = explained(api, run, lead)

        assert (shown["next_send_guard"], shown["next_send_reason"]) == (
            "variables", "opening_line was not generated for this lead.",
        )  # fmt: skip

    def test_a_full_day_and_a_gap_and_the_later_one_binds(self, api, acme, run):
        now = now_for(acme)
        Mailbox.objects.update(daily_limit=3, send_gap_seconds=600, next_free_at=now + timedelta(minutes=9))
        box = Mailbox.objects.get()
        SendCounter.objects.create(id=f"mailbox:{box.pk}:{now.date()}", workspace_id=acme.pk, day=now.date(), used=3)

        shown = explained(api, run, self.lead)

        guards = guards_of(shown)
        assert guards["gap"]["reason"] == "The mailbox waits for its gap of 10 min between two mails."
        assert guards["mailbox_day"]["numbers"] == {"used": 3, "limit": 3}
        assert shown["next_send_guard"] == "mailbox_day"
        assert shown["next_send_at"] == guards["mailbox_day"]["until"] > guards["gap"]["until"]

    def test_those_who_come_first_are_counted(self, api, acme):
        for _ in range(3):
            make.lead(acme)
        run = make.run(acme)

        shown = explained(api, run, Enrollment.objects.order_by("due_at", "id").last().lead)

        assert guards_of(shown)["step"]["numbers"]["ahead"] == 2
        assert shown["next_send_reason"] == "It is due; 2 of the run come first."

    def test_a_walk_that_ended_says_why_and_the_other_guards_still_speak(self, api, acme, run):
        run_until_idle()
        Lead.objects.update(replied_at=now_for(acme) + timedelta(hours=1))
        Enrollment.objects.update(status="replied", reason="The lead replied.", due_at=None)

        shown = explained(api, run, self.lead)

        assert (shown["next_send_guard"], shown["next_send_reason"]) == ("enrollment", "The lead replied.")
        assert guards_of(shown)["answer"]["passes"] is False

    def test_a_parked_mail_waits_for_a_decision(self, api, acme):
        lead = make.lead(acme, "timeout+jo@sandbox.test")
        run = make.run(acme)
        run_until_idle()
        assert explained(api, run, lead)["next_send_reason"] == "A parked mail awaits a decision."

    def test_a_lead_outside_the_run_and_a_strangers_are_404(self, api, rival, acme, run):
        for lead in (make.lead(acme), make.lead(rival)):
            assert api("GET", f"/runs/{run.pk}/leads/{lead.pk}/explain").status_code == 404

    def test_nothing_is_written(self, api, run):
        before = list(Message.objects.values()), list(SendCounter.objects.values()), list(Mailbox.objects.values())
        explained(api, run, self.lead)
        assert before == (
            list(Message.objects.values()), list(SendCounter.objects.values()), list(Mailbox.objects.values()),
        )  # fmt: skip


class TestTheSameGuards:
    """What is explained is what the post office does a moment later."""

    @pytest.mark.parametrize(
        "change",
        [
            lambda now: Mailbox.objects.update(phase="paused", paused_reason="By hand."),
            lambda now: Mailbox.objects.update(next_free_at=now + timedelta(minutes=9), send_gap_seconds=600),
            lambda now: Mailbox.objects.update(daily_limit=0),
            lambda now: Lead.objects.update(replied_at=now + timedelta(minutes=1)),
            lambda now: Lead.objects.update(is_disposable=True),
            lambda now: Campaign.objects.get().lane.__class__.objects.update(daily_limit=0),
        ],
    )
    def test_the_reason_on_the_ledger_is_the_one_that_was_explained(self, api, acme, change):
        lead = make.lead(acme)
        run = make.run(acme)
        tick()
        change(now_for(acme))

        shown = explained(api, run, lead)
        dispatch()

        message = Message.objects.get()
        assert message.state != "sent"
        assert message.state_reason in [each["reason"] for each in shown["guards"]]
        assert shown["next_send_reason"] == message.state_reason

    def test_every_guard_of_the_post_office_has_a_place(self, acme):
        make.mailbox(acme)
        box = Mailbox.objects.select_related("workspace").get()
        box.phase = "warm_recovery"
        run = make.run(acme) if make.lead(acme) else None
        departure = Departure(Message(kind="campaign"), run.lane, None, box, now_for(acme))

        found = {each.guard for each in report([departure], GUARDS["campaign"])[0]}

        assert found - {"lane", "lane_day"} <= set(ORDER)
        assert {"mailbox_day", "recovering_domain_day", "recovering_workspace_day", "gap", "health"} <= found


class TestARun:
    def test_it_says_when_each_mailbox_could_send(self, api, acme):
        make.lead(acme)
        make.mailbox(acme, "a@you.example")
        make.mailbox(acme, "b@you.example", phase="paused")
        run = make.run(acme, sender_email="")

        shown = explained(api, run)

        assert [(each["mailbox"], each["next_send_guard"]) for each in shown["mailboxes"]] == [
            ("a@you.example", None), ("b@you.example", "mailbox"),
        ]  # fmt: skip
        assert (shown["mailbox"], shown["status"]) == ("a@you.example", "running")

    def test_status_and_explanation_tell_the_same(self, api, acme):
        make.lead(acme)
        run = make.run(acme, schedule={**make.ALL_HOURS, "send_gap_minutes": 10})
        make.lead(acme)
        run_until_idle()

        shown, status = explained(api, run), api.data("GET", f"/runs/{run.pk}")

        for name in ("next_send_at", "next_send_reason", "next_send_guard"):
            assert shown[name] == status[name]


class TestThePromise:
    @pytest.fixture
    def run(self, acme):
        for _ in range(3):
            make.lead(acme)
        run = make.run(acme, schedule={**make.ALL_HOURS, "send_gap_minutes": 10})
        run_until_idle()
        return run

    def test_told_again_it_stays(self, api, run):
        told = [explained(api, run)["next_send_at"] for _ in range(3)]
        assert len(set(told)) == 1
        assert not Event.objects.filter(kind=MOVED).exists()

    def test_kept_it_is_followed_by_another_without_a_word(self, api, acme, run):
        first = explained(api, run)["next_send_at"]
        pass_time(acme, minutes=12)

        assert explained(api, run)["next_send_at"] > first
        assert not Event.objects.filter(kind=MOVED).exists()

    def test_moved_it_says_from_when_to_when_and_by_what(self, api, acme, run):
        first = explained(api, run)["next_send_at"]
        Mailbox.objects.update(next_free_at=now_for(acme) + timedelta(hours=2))

        for _ in range(2):
            shown = explained(api, run)

        assert [(each["promised_at"], each["next_send_at"], each["guard"]) for each in shown["moves"]] == [
            (first, shown["next_send_at"], "gap")
        ]
        assert api.data("GET", f"/runs/{run.pk}")["next_send_moves"] == shown["moves"]
        assert shown["moves"][0]["reason"] == shown["next_send_reason"]

    def test_a_pause_is_a_reason_too(self, api, run):
        explained(api, run)
        api.data("POST", f"/runs/{run.pk}/pause")

        moves = explained(api, run)["moves"]

        assert [(each["next_send_at"], each["reason"]) for each in moves] == [(None, "The run is paused.")]

    def test_a_window_that_was_missed_leaves_its_reason_on_the_lead(self, acme):
        lead = make.lead(acme)
        run = make.run(acme)
        tick()
        Message.objects.filter(lead=lead).update(not_after=now_for(acme))
        turn_clock(workspace=acme, by=timedelta(minutes=1))
        dispatch()
        Campaign.objects.filter(pk=run.pk).update(status="paused")
        tick()

        assert Enrollment.objects.get().reason == "The window closed before it could leave."
