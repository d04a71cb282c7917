"""A mail of unknown fate at a vendor with an idempotency key: asked again under it, as if for the first time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apikeys.models import Event
from campaigns.services import pause, stop
from leads.services import suppress
from outbound.audits import audit
from sending import ledger, replay
from sending.mailboxes import pause_mailbox
from sending.models import Mailbox, Message, MessageBody, SendCounter
from sending.postoffice import dispatch, drain
from sending.services import decide_unknown
from tests import make

S = Message.State


@pytest.fixture
def open_fate(write, vendor):
    """open_fate("drop_after"): a mail that was handed over, and no answer came."""

    def make_one(fault: str, **mailbox) -> Message:
        vendor.faults = [fault]
        message = write(**mailbox)[0]
        drain(message.mailbox_id)
        message.refresh_from_db()
        assert message.state == S.UNKNOWN
        return message

    return make_one


def asked(message: Message) -> Message:
    Message.objects.filter(pk=message.pk, state=S.UNKNOWN).update(send_at=make.NOW)
    replay.ask_again_due()
    message.refresh_from_db()
    return message


class TestAskedAgain:
    @pytest.mark.parametrize("fault", ["drop_before", "drop_after", "down", "down_after", "html_after", "huge_after"])
    def test_it_is_sent_once_whether_it_had_arrived_or_not(self, open_fate, vendor, fault):
        message = open_fate(fault)
        dispatch()
        message.refresh_from_db()
        assert message.state == S.SENT
        assert message.provider_message_id == vendor.accepted[0].id
        assert vendor.sends() == {str(message.pk): 1}
        assert audit("ledger") == []

    def test_it_is_booked_once_and_keeps_the_slot_it_had(self, open_fate):
        asked(open_fate("drop_after"))
        assert Mailbox.objects.get().total_sent_count == 1
        assert set(SendCounter.objects.values_list("used", flat=True)) == {1}
        assert Event.objects.filter(kind="email.sent").count() == 1

    def test_the_next_day_it_takes_a_slot_of_that_day_too(self, open_fate):
        message = open_fate("drop_before")
        Message.objects.update(reserved={name: f"{slot}-yesterday" for name, slot in message.reserved.items()})
        SendCounter.objects.all().delete()
        assert asked(message).state == S.SENT
        assert set(SendCounter.objects.values_list("used", flat=True)) == {1}

    def test_no_clear_answer_leaves_it_parked_until_a_while_later(self, open_fate, vendor):
        message = open_fate("drop_before")
        vendor.faults = ["down"]
        asked(message)
        assert message.state == S.UNKNOWN and message.send_at > timezone.now()
        assert message.state_reason.startswith("Asked again under the same key: No clear answer: 500")
        replay.ask_again_due()
        assert len(vendor.requests) == 1, "its turn has not come"
        assert asked(message).state == S.SENT
        assert Event.objects.filter(kind="email.unknown").count() == 1, "told once, not at every question"

    def test_a_no_to_the_asking_is_no_word_about_the_mail(self, open_fate, vendor):
        message = open_fate("drop_after")
        vendor.domains["you.example"] = "failed"
        vendor.keys.clear()
        asked(message)
        assert message.state == S.UNKNOWN and "not verified" in message.state_reason

    def test_while_another_request_is_worked_on_it_waits(self, open_fate, vendor):
        message = open_fate("drop_after")
        vendor.faults = ["concurrent"]
        asked(message)
        assert message.state == S.UNKNOWN and "concurrent_idempotent_requests" in message.state_reason
        assert asked(message).state == S.SENT
        assert vendor.sends() == {str(message.pk): 1}

    def test_its_own_gap_does_not_hold_it(self, open_fate):
        message = open_fate("drop_after", send_gap_seconds=1020)
        assert Mailbox.objects.get().next_free_at > timezone.now()
        assert asked(message).state == S.SENT


class TestTheKey:
    def test_after_23_hours_nothing_is_asked(self, open_fate, vendor):
        message = open_fate("drop_after")
        MessageBody.objects.update(handed_at=timezone.now() - timedelta(hours=23, seconds=1))
        assert asked(message).state == S.UNKNOWN
        assert len(vendor.requests) == 0 and vendor.sends() == {str(message.pk): 1}

    def test_what_was_sent_again_by_hand_counts_from_the_first_time(self, open_fate, vendor):
        message = open_fate("drop_after")
        first = MessageBody.objects.get().handed_at
        vendor.faults = ["drop_after"]
        decide_unknown(message=message, decision="send_again", now=timezone.now())
        drain(message.mailbox_id)
        assert MessageBody.objects.get().handed_at == first
        assert vendor.sends() == {str(message.pk): 1}, "the key was remembered"

    def test_a_no_begins_anew(self, write, vendor):
        vendor.faults = ["limit"]
        message = write()[0]
        drain(message.mailbox_id)
        assert MessageBody.objects.get().handed_at is None

    def test_under_another_account_it_would_be_a_second_mail(self, open_fate, vendor):
        message = open_fate("drop_after")
        box = Mailbox.objects.get()
        box.password = "re_another_account"  # noqa: S105
        box.save(update_fields=["password"])
        asked(message)
        assert message.state == S.UNKNOWN and "another API key" in message.state_reason
        assert len(vendor.requests) == 0


class TestWhatHoldsAnyMailHoldsThis:
    def test_a_stopped_run(self, open_fate, vendor):
        message = open_fate("drop_before")
        stop(campaign=campaign_of(message), now=timezone.now())
        assert_held(message, vendor, "The run was stopped.")

    def test_a_paused_run_until_it_goes_on(self, open_fate, vendor):
        message = open_fate("drop_before")
        pause(campaign=campaign_of(message), now=timezone.now())
        assert_held(message, vendor, "The run is paused.")

    def test_somebody_who_opted_out(self, open_fate, vendor, live):
        message = open_fate("drop_before")
        suppress(workspace=live, value=message.to_email, kind="unsubscribed", reason="", now=timezone.now())
        assert_held(message, vendor, "must not be written to")

    def test_a_paused_mailbox(self, open_fate, vendor):
        message = open_fate("drop_before")
        pause_mailbox(mailbox=message.mailbox, now=timezone.now())
        assert_held(message, vendor, "The mailbox is paused.")

    def test_a_used_up_day(self, open_fate, vendor):
        message = open_fate("drop_before")
        Message.objects.update(reserved={})
        Mailbox.objects.update(daily_limit=1)
        assert_held(message, vendor, "its 1 of the day")


def campaign_of(message: Message):
    from campaigns.models import Campaign

    return Campaign.objects.get(lane=message.lane)


def assert_held(message: Message, vendor, sentence: str) -> None:
    asked(message)
    assert message.state == S.UNKNOWN and sentence in message.state_reason
    assert vendor.accepted == []


class TestFences:
    def test_two_who_ask_at_once_send_and_book_it_once(self, open_fate, vendor):
        message = open_fate("drop_before")
        stale = Message.objects.select_related("body", "lane", "workspace", "mailbox__workspace").get(pk=message.pk)
        assert asked(message).state == S.SENT
        assert replay.commit_again(stale, now=timezone.now()) is False
        assert vendor.sends() == {str(message.pk): 1}

    def test_whoever_committed_it_first_and_wakes_up_writes_nothing(self, open_fate, vendor):
        message = open_fate("drop_before")
        sleeper = Message.objects.get(pk=message.pk)
        sleeper.state = S.COMMITTED
        fresh = Message.objects.select_related("body", "lane", "workspace", "mailbox__workspace").get(pk=message.pk)
        assert replay.commit_again(fresh, now=timezone.now())
        ledger.settle(sleeper, ledger.SendResult("try_later", code="slow"), now=timezone.now())
        message.refresh_from_db()
        assert message.state == S.COMMITTED and message.token != sleeper.token

    def test_a_decision_by_hand_wins_over_the_question(self, open_fate, vendor):
        message = open_fate("drop_before")
        stale = Message.objects.select_related("body", "lane", "workspace", "mailbox__workspace").get(pk=message.pk)
        decide_unknown(message=message, decision="drop", now=timezone.now())
        assert replay.commit_again(stale, now=timezone.now()) is False
        message.refresh_from_db()
        assert message.state == S.REFUSED
