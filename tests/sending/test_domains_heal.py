"""Whose trouble it is (mailbox, domain, one receiver), and a domain's way down and up again (decisions §4)."""

from datetime import timedelta

import pytest

from apikeys.models import Event
from campaigns.runner import tick
from outbound.api.errors import Conflict
from outbound.api.serializers import moment
from sending.domains import resume_domain
from sending.mailboxes import resume_mailbox
from sending.models import Domain, Mailbox, Message, SendCounter, StateTransition
from sending.postoffice import dispatch
from tests import make
from tests.sending.test_healing import DAY, HOUR, START, Story


def storm(story: Story, *, to: list[str], sent: int = 20) -> Story:
    """So many mails, of which these bounced."""
    mails = story.sends(sent)
    for mail, address in zip(mails, to, strict=False):
        Message.objects.filter(pk=mail.pk).update(to_email=address)
        mail.to_email = address
    return story.bounce(mails[: len(to)])


def boxes_of(workspace, names: str) -> list[Story]:
    return [Story(workspace, f"{name}@you.example") for name in names]


def domain() -> Domain:
    return Domain.objects.get()


class TestWhoseTroubleItIs:
    def test_two_siblings_of_which_one_fails_make_it_the_domains(self, acme):
        first, second, quiet = boxes_of(acme, "abc")
        first.bounce(first.sends(20)[:3])
        assert (first.phase, domain().phase) == ("warning", "healthy")
        second.bounce(second.sends(60)[:5])

        assert domain().phase == "paused"
        assert "half of its other mailboxes fail" in domain().phase_reason
        assert second.mailbox.resilience_score == 50  # it is not its fault
        quiet.waits(timedelta(0))
        assert {box.phase for box in (first, second, quiet)} == {"paused"}

    def test_yesterdays_bounces_of_a_sibling_do_not_count(self, acme):
        first, second, _ = boxes_of(acme, "abc")
        first.bounce(first.sends(20)[:3])
        second.now += 25 * HOUR
        second.bounce(second.sends(60)[:5])

        assert (second.phase, domain().phase) == ("paused", "healthy")

    def test_one_sibling_is_too_few_to_tell(self, acme):
        first, second = boxes_of(acme, "ab")
        first.bounce(first.sends(20)[:3])
        second.bounce(second.sends(60)[:5])

        assert (second.phase, domain().phase) == ("paused", "healthy")

    def test_four_of_five_at_one_receiver_hold_that_receiver_only(self, acme):
        story = storm(Story(acme), to=[f"x{n}@gmail.com" for n in range(4)] + ["jo@firm.example"])

        mailbox = story.mailbox
        assert (mailbox.phase, list(mailbox.held_providers)) == ("warning", ["google"])
        event = Event.objects.get(kind="mailbox.provider_held")
        assert event.summary == "hi@you.example writes to google no more for now: its bounces are from there."
        story.waits(DAY)
        assert Event.objects.filter(kind="mailbox.provider_released").count() == 1

    def test_three_of_five_are_the_mailboxs_own_trouble(self, acme):
        story = storm(Story(acme), to=["a@gmail.com", "b@gmail.com", "c@gmail.com", "d@x.example", "e@y.example"])

        assert (story.phase, story.mailbox.held_providers) == ("paused", {})

    def test_what_the_dns_said_at_validation_names_the_receiver_of_a_firm(self, acme):
        from leads.models import DomainFact

        DomainFact.objects.create(workspace=acme, domain="firm.example", outcome="mx", provider="microsoft")
        story = storm(Story(acme), to=[f"x{n}@firm.example" for n in range(5)])

        assert list(story.mailbox.held_providers) == ["microsoft"]

    def test_mail_to_a_held_receiver_waits_with_the_reason_and_others_go_on(self, acme, api):
        until = (make.NOW + DAY).isoformat()
        held = {"google": {"since": make.NOW.isoformat(), "until": until, "times": 1}}
        mailbox = make.mailbox(acme)
        make.lead(acme, "jo@firm.example")
        gmail = make.lead(acme, "jo@gmail.com")
        run = make.run(acme)
        tick()  # both are on the ledger when the bounces come in
        Mailbox.objects.update(held_providers=held)
        late = make.lead(acme, "ann@gmail.com")
        dispatch()

        assert list(Message.objects.filter(state="sent").values_list("to_email", flat=True)) == ["jo@firm.example"]
        waiting = Message.objects.get(lead=gmail)
        assert (waiting.state, waiting.send_at.isoformat()) == ("queued", until)
        assert waiting.state_reason == "Mail to google waits: too much of this mailbox's bounced there."
        make.run(acme, sequence=run.sequence, group=make.group(acme, "Late", members=[late]))
        tick()
        assert not Message.objects.filter(lead=late).exists()  # what is not planned yet is not queued up behind it
        row = api.data("get", f"/mailboxes/{mailbox.pk}")["held_providers"]
        assert [each["provider"] for each in row] == ["google"]


class TestADomainsWay:
    @pytest.fixture
    def stopped(self, acme) -> list[Story]:
        """Two mailboxes whose domain was stopped because both were."""
        boxes = boxes_of(acme, "ab")
        for box in boxes:
            box.bounce(box.sends(60)[:5])
        boxes[0].waits(timedelta(0))
        return boxes

    def test_it_cools_down_is_checked_twice_sends_little_warms_up_and_is_healthy(self, stopped):
        first, second = stopped
        assert (domain().phase, domain().resilience_score) == ("paused", 35)
        assert first.waits(DAY) and domain().phase == "quarantine"
        assert first.waits(timedelta(0)) and domain().phase == "quarantine"
        assert first.waits(HOUR) and domain().phase == "restricted_send"
        for _ in range(4):
            first.waits(HOUR)
        assert {box.phase for box in stopped} == {"restricted_send"}  # after it, and not because of it
        assert domain().phase == "restricted_send"

        second.now = first.now
        first.sends(8), second.sends(7)
        assert first.waits(3 * DAY) and domain().phase == "warm_recovery"
        first.sends(50)
        assert first.waits(7 * DAY) and domain().phase == "healthy"
        moves = StateTransition.objects.filter(kind="domain").order_by("id").values_list("to_phase", flat=True)
        assert list(moves) == ["paused", "quarantine", "restricted_send", "warm_recovery", "healthy"]
        assert domain().resilience_score == 45

    def test_mailboxes_wait_for_their_domain(self, stopped):
        Domain.objects.update(phase_until=None)

        assert stopped[0].waits(30 * DAY).phase == "paused"
        with pytest.raises(Conflict, match="Resume the domain first"):
            resume_mailbox(mailbox=stopped[0].mailbox, now=stopped[0].now)
        assert resume_domain(domain=domain(), now=stopped[0].now).phase == "restricted_send"
        assert resume_mailbox(mailbox=stopped[0].mailbox, now=stopped[0].now).phase == "restricted_send"

    def test_it_relapses_when_its_mailboxes_do(self, stopped):
        first, second = stopped
        since = first.now
        Domain.objects.update(phase="restricted_send", phase_since=since)
        Mailbox.objects.update(phase="restricted_send", phase_since=since)
        for box in stopped:
            box.now = since
            box.bounce(box.sends(1))
        first.waits(timedelta(0))

        assert (domain().phase, domain().relapses, domain().resilience_score) == ("quarantine", 1, 10)

    def test_one_that_cannot_be_cleared_is_left_to_a_person(self, acme):
        boxes = [Story(acme, f"{name}@nodns.test") for name in "ab"]
        for box in boxes:
            box.bounce(box.sends(60)[:5])
        boxes[0].waits(timedelta(0)).waits(DAY)
        waits = []
        for _ in range(5):
            boxes[0].waits(2 * HOUR)
            waits.append(domain().phase_until and domain().phase_until - boxes[0].now)

        assert (domain().phase, waits[-1]) == ("quarantine", None)
        assert all(48 * 60 <= wait.seconds <= 72 * 60 for wait in waits[:-1])  # an hour, 20 % more or less
        assert "A person must look" in domain().phase_reason


class TestAtTheMomentOfSending:
    @pytest.mark.parametrize("phase", ["paused", "quarantine"])
    def test_nothing_leaves_from_a_stopped_domain_whatever_its_mailboxes_say(self, acme, queue, phase):
        message = queue()[0]
        Domain.objects.update(phase=phase, phase_reason="Listed.")
        dispatch()
        message.refresh_from_db()

        assert (message.state, message.state_reason) == ("queued", "Its domain is paused. Listed.")
        Domain.objects.update(phase="healthy")
        Message.objects.update(send_at=START)
        dispatch()
        message.refresh_from_db()
        assert message.state == "sent"

    def test_a_recovering_domain_shares_thirty_a_day_among_all_its_mailboxes(self, acme, queue):
        queue(1)
        Domain.objects.update(phase="warm_recovery")
        dispatch()

        assert SendCounter.objects.filter(pk__startswith="recovering_domain", used=1).count() == 1

    def test_the_planner_writes_nothing_for_it(self, acme):
        make.mailbox(acme)
        make.lead(acme)
        make.run(acme)
        Domain.objects.update(phase="quarantine")
        tick()

        assert not Message.objects.exists()


class TestWhatIsShown:
    """`next_step` and `next_step_at`: what comes by itself, or that a person must act."""

    @pytest.mark.parametrize(
        ("fields", "says", "when"),
        [
            ({}, None, None),
            ({"phase": "warning", "phase_until": START}, "Healthy again unless another mail bounces.", START),
            ({"phase": "paused", "phase_until": START}, "Then its SPF, DKIM, DMARC and blocklists are checked.", START),
            ({"phase": "paused"}, "Nothing happens by itself: a person must look, and resume it.", None),
            ({"phase": "quarantine", "checks_passed": 1, "phase_until": START}, "(1 passed)", START),
            ({"phase": "restricted_send", "phase_since": START, "spell_sent": 4},
             "Goes on to warm_recovery when 15 mails went well (4 so far)", START + 3 * DAY),
            ({"phase": "warm_recovery", "phase_since": START, "relapses": 1, "resilience_score": 20},
             "Goes on to healthy when 100 mails went well (0 so far)", START + 21 * DAY),
        ],
    )  # fmt: skip
    def test_of_a_mailbox(self, acme, api, fields, says, when):
        mailbox = make.mailbox(acme)
        Mailbox.objects.filter(pk=mailbox.pk).update(**fields)
        row = api.data("get", "/mailboxes")[0]

        assert row["next_step"] is says is None or says in row["next_step"]
        assert row["next_step_at"] == moment(when)

    def test_of_a_domain_and_of_the_mailboxes_that_wait_for_it(self, acme, api):
        make.mailbox(acme, phase="paused")
        Domain.objects.update(phase="quarantine", phase_until=START, phase_reason="Listed.", pauses=1)

        row, mailbox = api.data("get", "/domains")[0], api.data("get", "/mailboxes")[0]
        assert (row["status"], row["phase_reason"], row["phase_until"]) == ("quarantine", "Listed.", moment(START))
        assert "twice an hour apart (0 passed)" in row["next_step"]
        assert (mailbox["next_step"], mailbox["next_step_at"]) == ("Its domain has to recover first.", moment(START))

    def test_a_person_resumes_it_and_the_move_is_listed(self, acme, api):
        mailbox = make.mailbox(acme, phase="paused")
        Domain.objects.update(phase="paused")
        assert api("post", f"/mailboxes/{mailbox.pk}/resume").status_code == 409

        path = f"/domains/{mailbox.domain_id}"
        assert api.data("post", f"{path}/resume")["status"] == "restricted"
        assert api("post", f"{path}/resume").status_code == 409
        assert api.data("post", f"/mailboxes/{mailbox.pk}/resume")["status"] == "active"
        move = api.data("get", f"{path}/transitions")[0]
        assert (move["from_phase"], move["to_phase"], move["actor"]) == ("paused", "restricted_send", "person")
