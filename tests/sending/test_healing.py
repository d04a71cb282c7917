"""A mailbox's way down and up again, on an explicit clock (decisions §4)."""

from datetime import timedelta

import pytest

from apikeys.models import Event
from sending import blame, limits
from sending.guards import Departure, Held, reserve, the_mailbox_may_send
from sending.mailboxes import pause_mailbox, resume_mailbox
from sending.models import Domain, Mailbox, Message, SendCounter, StateTransition, Thread
from sending.recovery import heal_due
from tests import make

START = make.NOW
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


class Story:
    """One mailbox of a test workspace, and a clock that is turned by hand."""

    def __init__(self, workspace, email="hi@you.example"):
        self.workspace = workspace
        self.pk = make.mailbox(workspace, email).pk
        self.thread = Thread.objects.create(workspace=workspace, mailbox_id=self.pk, contact_email="jo@acme.example")
        self.now = START

    @property
    def mailbox(self) -> Mailbox:
        return Mailbox.objects.select_related("workspace", "domain").get(pk=self.pk)

    @property
    def phase(self) -> str:
        return self.mailbox.phase

    def sends(self, count: int) -> list[Message]:
        self.now += timedelta(minutes=1)
        first = Message.objects.count()
        fields = {
            "workspace": self.workspace, "direction": "out", "kind": "campaign", "state": "sent", "thread": self.thread,
            "mailbox_id": self.pk, "from_email": "hi@you.example", "to_email": "jo@acme.example",
            "settled_at": self.now,
        }  # fmt: skip
        numbers = range(first, first + count)
        sent = Message.objects.bulk_create([Message(rfc_message_id=f"<{number}@x>", **fields) for number in numbers])
        box = self.mailbox
        counted = {"total_sent_count": box.total_sent_count + count, "spell_sent": box.spell_sent + count}
        Mailbox.objects.filter(pk=self.pk).update(**counted)
        return sent

    def bounce(self, messages) -> "Story":
        for message in messages:
            blame.note_bounce(message, now=self.now)
        return self

    def waits(self, time: timedelta) -> "Story":
        self.now += time
        heal_due(now=self.now)
        return self


@pytest.fixture
def story(acme) -> Story:
    return Story(acme)


def test_a_bounce_storm_and_the_way_back(story):
    story.bounce(story.sends(60)[:5])
    assert (story.phase, story.mailbox.resilience_score) == ("paused", 35)

    assert story.waits(23 * HOUR).phase == "paused"
    assert story.waits(1 * HOUR).phase == "quarantine"
    assert story.waits(timedelta(0)).phase == "quarantine"  # the DNS holds, once
    assert story.waits(59 * timedelta(minutes=1)).phase == "quarantine"
    assert story.waits(timedelta(minutes=1)).phase == "restricted_send"  # and an hour later

    story.sends(14)
    assert story.waits(3 * DAY).phase == "restricted_send"  # too few
    story.sends(1)
    assert story.waits(timedelta(0)).phase == "warm_recovery"

    story.sends(50)
    assert story.waits(6 * DAY).phase == "warm_recovery"  # too soon
    assert story.waits(1 * DAY).phase == "healthy"

    assert story.mailbox.resilience_score == 45
    moves = StateTransition.objects.filter(kind="mailbox").order_by("id")
    assert list(moves.values_list("to_phase", flat=True)) == [
        "paused", "quarantine", "restricted_send", "warm_recovery", "healthy",
    ]  # fmt: skip
    kinds = (
        Event.objects.filter(kind__startswith="mailbox.").order_by("created_at", "id").values_list("kind", flat=True)
    )
    assert list(kinds) == [
        "mailbox.paused", "mailbox.entered_quarantine", "mailbox.entered_restricted_send",
        "mailbox.entered_warm_recovery", "mailbox.healed",
    ]  # fmt: skip


class TestThresholds:
    def test_three_bounces_among_few_mails_warn_and_a_quiet_week_ends_it(self, story):
        story.bounce(story.sends(40)[:3])
        assert story.phase == "warning"
        assert story.waits(7 * DAY).phase == "healthy"
        assert story.mailbox.resilience_score >= 50

    def test_three_percent_count_only_from_sixty_mails_on(self, story):
        story.bounce(story.sends(59)[:2])
        assert story.phase == "healthy"
        story.bounce(story.sends(41)[:1])
        assert story.phase == "paused"

    def test_five_among_the_last_hundred_pause_whatever_the_rate_is(self, story):
        sent = story.sends(1000)
        story.bounce(sent[:4])
        assert story.phase == "warning"
        story.bounce(story.sends(100)[:5])
        assert story.phase == "paused"

    def test_a_bounce_is_counted_once(self, story):
        sent = story.sends(1)
        story.bounce(sent * 9)
        assert (story.phase, story.mailbox.hard_bounce_count) == ("healthy", 1)

    def test_a_late_bounce_of_a_mail_from_before_the_phase_moves_nothing(self, story):
        late = story.sends(100)
        story.bounce(late[:5]).waits(DAY).waits(HOUR).waits(HOUR)
        assert story.phase == "restricted_send"
        assert story.bounce(late[5:9]).phase == "restricted_send"
        assert story.mailbox.hard_bounce_count == 9


class TestRelapses:
    @pytest.fixture
    def recovering(self, story) -> Story:
        Mailbox.objects.update(phase="restricted_send", phase_since=START, pauses=1)
        return story

    def test_each_is_answered_harder_and_the_third_needs_a_person(self, recovering):
        recovering.bounce(recovering.sends(1))
        assert (recovering.phase, recovering.mailbox.resilience_score) == ("quarantine", 25)
        assert recovering.waits(47 * HOUR).mailbox.checks_passed == 0
        recovering.waits(HOUR).waits(HOUR)
        recovering.bounce(recovering.sends(1))
        assert (recovering.phase, recovering.mailbox.phase_until - recovering.now) == ("paused", 72 * HOUR)
        recovering.waits(72 * HOUR).waits(timedelta(0)).waits(HOUR)
        recovering.bounce(recovering.sends(1))
        assert (recovering.phase, recovering.mailbox.phase_until) == ("paused", None)

        assert recovering.waits(60 * DAY).phase == "paused"
        assert resume_mailbox(mailbox=recovering.mailbox, now=recovering.now).phase == "restricted_send"

    def test_a_weak_mailbox_must_do_twice_as_much_for_longer(self, recovering):
        Mailbox.objects.update(resilience_score=30)
        recovering.sends(29)
        assert recovering.waits(5 * DAY).phase == "restricted_send"
        recovering.sends(1)
        assert recovering.waits(timedelta(0)).phase == "warm_recovery"

    def test_a_strong_one_is_back_sooner(self, recovering):
        Mailbox.objects.update(resilience_score=71)
        recovering.sends(15)
        assert recovering.waits(2 * DAY + 6 * HOUR).phase == "warm_recovery"


class TestCaps:
    def departs(self, story):
        message = story.sends(1)[0]
        return Departure(message, None, None, story.mailbox, story.now)

    @pytest.mark.parametrize(
        ("phase", "days", "cap"), [("restricted_send", 5, 10), ("warm_recovery", 0, 25),
                                                        ("warm_recovery", 2, 35), ("warm_recovery", 30, 50)],
    )  # fmt: skip
    def test_a_recovering_mailbox_sends_under_its_cap(self, story, phase, days, cap):
        Mailbox.objects.update(phase=phase, phase_since=START)

        assert limits.cap_of(story.mailbox, START + days * DAY) == cap

    def test_the_recovering_mailboxes_of_a_domain_share_thirty_a_day(self, story):
        Mailbox.objects.update(phase="warm_recovery", phase_since=START)
        reserved = reserve(self.departs(story))
        SendCounter.objects.filter(pk=reserved["recovering_domain_day"]).update(used=30)

        with pytest.raises(Held, match="of its domain have sent their 30"):
            reserve(self.departs(story))

    @pytest.mark.parametrize(
        ("phase", "sends"), [("healthy", True), ("warning", True), ("restricted_send", True),
                                                  ("warm_recovery", True), ("paused", False), ("quarantine", False)],
    )  # fmt: skip
    def test_who_may_send(self, story, phase, sends):
        Mailbox.objects.update(phase=phase)
        assert (the_mailbox_may_send(self.departs(story)).held is None) == sends

    def test_a_new_mailbox_ramps_up_from_five_to_its_limit_in_two_weeks(self, story):
        Mailbox.objects.update(warmup_started_at=START, daily_limit=33)

        caps = [limits.cap_of(story.mailbox, START + day * DAY) for day in (0, 7, 14, 90)]

        assert caps == [5, 19, 33, 33]


class TestByHand:
    def test_a_persons_pause_never_ends_by_itself(self, story):
        pause_mailbox(mailbox=story.mailbox, now=story.now)

        assert story.waits(90 * DAY).phase == "paused"
        assert resume_mailbox(mailbox=story.mailbox, now=story.now).phase == "healthy"

    def test_a_recovery_is_not_skipped_by_pausing_and_resuming(self, story):
        story.bounce(story.sends(60)[:5]).waits(DAY).waits(HOUR).waits(HOUR)
        pause_mailbox(mailbox=story.mailbox, now=story.now)

        assert resume_mailbox(mailbox=story.mailbox, now=story.now).phase == "restricted_send"


def test_every_stable_week_is_worth_five_points_up_to_a_hundred(story):
    assert story.waits(6 * DAY).mailbox.resilience_score == 50
    assert story.waits(1 * DAY).mailbox.resilience_score == 55
    assert story.waits(timedelta(0)).mailbox.resilience_score == 55
    assert story.waits(400 * DAY).mailbox.resilience_score == 100


class TestQuarantine:
    def test_without_records_it_stays_and_after_five_checks_a_person_must_look(self, acme):
        story = Story(acme, "hi@nodns.test")
        story.bounce(story.sends(60)[:5]).waits(DAY)
        for _ in range(5):
            story.waits(2 * HOUR)

        assert (story.phase, story.mailbox.phase_until) == ("quarantine", None)
        assert "SPF is missing" in story.mailbox.paused_reason
        assert story.waits(30 * DAY).phase == "quarantine"


class TestDomains:
    def test_half_of_its_mailboxes_stopped_stop_them_all(self, acme):
        boxes = [Story(acme, f"{name}@you.example") for name in "abcd"]
        boxes[0].bounce(boxes[0].sends(60)[:5]).waits(timedelta(0))
        assert Domain.objects.get().phase == "healthy"
        boxes[1].bounce(boxes[1].sends(60)[:5]).waits(timedelta(0))

        domain = Domain.objects.get()
        assert (domain.phase, domain.resilience_score) == ("paused", 35)
        assert {box.phase for box in boxes} == {"paused"}

    def test_a_third_is_a_warning_and_what_a_person_paused_is_none(self, acme):
        boxes = [Story(acme, f"{name}@you.example") for name in "abc"]
        pause_mailbox(mailbox=boxes[0].mailbox, now=START)
        boxes[0].waits(timedelta(0))
        assert Domain.objects.get().phase == "healthy"
        boxes[1].bounce(boxes[1].sends(60)[:5]).waits(timedelta(0))

        domain = Domain.objects.get()
        assert (domain.phase, domain.warning_count) == ("warning", 1)
