"""Claim, commit, settle, reap. Every write is fenced by the attempt's token; what is not sent costs nothing."""

from datetime import timedelta

import pytest
from django.utils import timezone

from campaigns import services as campaigns
from campaigns.models import Campaign
from campaigns.runner import tick
from leads.models import Lead, Suppression
from leads.services import suppress
from sending import ledger
from sending.letters import parcel_for
from sending.models import Lane, Mailbox, Message, SendCounter
from sending.providers.base import SendResult
from tests import make

SENT = SendResult("sent", detail="250 OK", provider_id="Q1")
LATER = SendResult("try_later", code="450", detail="RCPT: 450 busy")


def now():
    return timezone.now()


def claimed(limit: int = 20) -> list[Message]:
    return ledger.claim(Mailbox.objects.get(), now=now(), limit=limit)


def committed() -> Message:
    message = claimed(1)[0]
    assert ledger.commit(message, now=now())
    return message


def refused(message: Message, code: str, blame: str) -> None:
    ledger.settle(message, SendResult("refused", code=code, detail=f"{code} no", blame=blame), now=now())


def age(message: Message, **fields) -> None:
    """Move its real-time moments into the past."""
    Message.objects.filter(pk=message.pk).update(**{name: now() - ago for name, ago in fields.items()})


def stored(message: Message) -> Message:
    return Message.objects.get(pk=message.pk)


def used() -> list[int]:
    return list(SendCounter.objects.values_list("used", flat=True))


class TestClaim:
    def test_it_takes_the_oldest_first_and_no_more_than_asked(self, queue):
        first, second, _ = queue(3)
        assert [message.pk for message in claimed(2)] == [first.pk, second.pk]

    def test_what_one_holds_another_does_not_get(self, queue):
        queue(2)
        mine, theirs = claimed(1), claimed(2)
        assert not {message.pk for message in mine} & {message.pk for message in theirs}
        assert mine[0].token != theirs[0].token

    def test_it_leaves_what_is_not_due(self, queue):
        message = queue()[0]
        Message.objects.filter(pk=message.pk).update(send_at=now() + timedelta(minutes=1))
        assert claimed() == []

    @pytest.mark.parametrize("state", ["shut", "closed"])
    def test_it_leaves_what_lies_on_a_lane_that_is_not_open(self, queue, state):
        queue()
        Lane.objects.update(state=state)
        assert claimed() == []

    def test_a_lease_is_renewed_by_its_holder_only_and_only_while_it_lasts(self, queue):
        queue()
        message = claimed()[0]
        assert ledger.renew(message)
        age(message, lease_until=timedelta(seconds=1))
        assert not ledger.renew(message)


class TestCommit:
    def test_the_holder_of_an_old_token_commits_nothing(self, queue):
        queue()
        old = claimed()[0]
        age(old, lease_until=timedelta(seconds=1))
        ledger.reap()
        new = claimed()[0]
        assert not ledger.commit(old, now=now())
        assert used() == []
        assert ledger.commit(new, now=now())

    def test_a_claim_whose_lease_ran_out_commits_nothing(self, queue):
        queue()
        message = claimed()[0]
        age(message, lease_until=timedelta(seconds=1))
        assert not ledger.commit(message, now=now())
        assert used() == []

    def test_it_happens_once(self, queue):
        queue()
        message = committed()
        message.state = Message.State.CLAIMED  # a worker that does not know what it did
        assert not ledger.commit(message, now=now())
        assert used() == [1, 1]

    def test_a_guard_leaves_nothing_behind(self, queue):
        queue()
        message = claimed()[0]
        Lane.objects.update(state="shut")
        assert not ledger.commit(message, now=now())
        row = stored(message)
        assert (row.state, row.attempt, row.state_reason) == ("queued", 0, "The run is paused.")
        assert used() == []
        assert Mailbox.objects.get().next_free_at is None

    def test_a_pause_gives_the_whole_batch_back(self, queue):
        queue(3)
        batch = claimed()
        Lane.objects.update(state="shut")
        assert not ledger.commit(batch[0], now=now())
        assert not any(ledger.renew(message) for message in batch)
        assert set(Message.objects.values_list("state", "attempt")) == {("queued", 0)}
        Lane.objects.update(state="open")
        assert len(claimed()) == 3

    def test_a_full_lane_gives_the_mailbox_slot_back(self, queue):
        queue(2, schedule={**make.ALL_HOURS, "daily_limit": 5})
        committed()
        Lane.objects.update(daily_limit=1)
        assert not ledger.commit(claimed(1)[0], now=now())
        assert used() == [1, 1]

    def test_what_a_cap_holds_takes_the_rest_of_the_batch_along(self, queue):
        """They are not carried to the server one by one to be told the same."""
        queue(5)
        committed()
        Mailbox.objects.update(daily_limit=1)
        batch = claimed(2)
        assert not ledger.commit(batch[0], now=now())
        assert not ledger.renew(batch[1])
        waiting = Message.objects.filter(state="queued")
        assert waiting.count() == 4
        assert set(waiting.values_list("state_reason", flat=True)) == {"The mailbox has sent its 1 of the day."}
        assert all(message.send_at.time().hour == 0 and message.send_at > now() for message in waiting)
        assert claimed() == []


class TestGuards:
    """Each is asked at the instant of the commit: what became true while the message was in hand counts."""

    def after(self, message: Message) -> tuple[str, str]:
        assert not ledger.commit(message, now=now())
        row = stored(message)
        assert used() == []
        return row.state, row.state_reason

    def test_a_stopped_run(self, queue):
        queue()
        message = claimed()[0]
        campaigns.stop(campaign=Campaign.objects.get(), now=now())
        assert self.after(message) == ("canceled", "The run was stopped.")

    def test_a_deleted_lead(self, queue):
        queue()
        message = claimed()[0]
        Lead.objects.all().delete()
        assert self.after(message) == ("skipped", "The lead was deleted.")

    def test_another_address(self, queue):
        queue()
        message = claimed()[0]
        Lead.objects.update(email="new@acme.example")
        assert self.after(message) == ("canceled", "The lead's address was changed.")

    def test_a_reply(self, queue):
        queue()
        message = claimed()[0]
        Lead.objects.update(replied_at=now())
        assert self.after(message) == ("skipped", "The lead replied.")

    def test_a_suppressed_domain(self, queue, acme):
        queue()
        message = claimed()[0]
        suppress(workspace=acme, value="@acme.example", kind=Suppression.Kind.MANUAL, now=now())
        state, reason = self.after(message)
        assert state == "skipped"
        assert "must not be written to" in reason

    def test_a_paused_mailbox(self, queue):
        queue()
        message = claimed()[0]
        Mailbox.objects.update(phase="paused", paused_reason="By hand.")
        assert self.after(message) == ("queued", "The mailbox is paused. By hand.")

    def test_a_window_that_closed(self, queue):
        queue()
        message = claimed()[0]
        message.not_after = now() - timedelta(seconds=1)
        assert self.after(message) == ("canceled", "The window closed before it could leave.")

    def test_without_a_gap_whoever_looked_at_the_clock_earlier_waits_for_nobody(self, queue):
        queue(2)
        at = now()
        first, second = claimed(2)
        assert ledger.commit(first, now=at)
        assert ledger.commit(second, now=at - timedelta(milliseconds=5))

    def test_the_gap(self, queue):
        queue()
        message = claimed()[0]
        Mailbox.objects.update(next_free_at=now() + timedelta(minutes=9), send_gap_seconds=17 * 60)
        assert self.after(message) == ("queued", "The mailbox waits for its gap of 17 min between two mails.")
        assert stored(message).send_at == Mailbox.objects.get().next_free_at


class TestSettle:
    def test_sent_is_booked_once(self, queue):
        queue()
        message = committed()
        late = stored(message)
        ledger.settle(message, SENT, now=now())
        ledger.settle(late, SENT, now=now())
        assert stored(message).state == "sent"
        assert Mailbox.objects.get().total_sent_count == 1
        assert Lead.objects.get().emails_sent == 1

    def test_an_old_token_settles_nothing(self, queue):
        queue()
        old = claimed()[0]
        age(old, lease_until=timedelta(seconds=1))
        ledger.reap()
        new = claimed()[0]
        assert ledger.commit(new, now=now())
        old.state = Message.State.COMMITTED
        for result in (SENT, LATER, SendResult("refused", code="550"), SendResult("unknown")):
            ledger.settle(old, result, now=now())
            old.state = Message.State.COMMITTED
        assert stored(new).state == "committed"
        assert used() == [1, 1]

    def test_an_answer_that_comes_after_the_reaper_changes_nothing(self, queue):
        queue()
        message = committed()
        age(message, committed_at=timedelta(hours=1))
        ledger.reap()
        ledger.settle(message, SENT, now=now())
        assert stored(message).state == "unknown"

    def test_later_gives_the_slots_back_and_waits_longer_each_time(self, queue):
        queue()
        waits = []
        for _ in range(3):
            Message.objects.update(send_at=now())
            message = committed()
            ledger.settle(message, LATER, now=now())
            waits.append((stored(message).send_at - now()).total_seconds() / 60)
            assert used() == [0, 0]
        assert [round(wait / minutes) for wait, minutes in zip(waits, (5, 10, 20), strict=True)] == [1, 1, 1]

    def test_the_servers_own_hint_is_taken(self, queue):
        queue()
        message = committed()
        ledger.settle(message, SendResult("try_later", code="450", retry_after=3600), now=now())
        assert 50 < (stored(message).send_at - now()).total_seconds() / 60 < 70

    def test_after_72_hours_it_is_refused(self, queue):
        queue()
        message = committed()
        message.created_at = now() - timedelta(hours=73)
        ledger.settle(message, LATER, now=now())
        row = stored(message)
        assert row.state == "refused"
        assert "expired" in row.state_reason
        assert Lead.objects.get().status != "blocked"

    def test_the_72_hours_hold_across_the_messages_of_several_windows(self, queue):
        queue()
        mailbox = Mailbox.objects.select_related("workspace").get()
        for day in range(6):
            at = now() + timedelta(days=day)
            [message] = ledger.claim(mailbox, now=at, limit=1)
            assert ledger.commit(message, now=at)
            ledger.settle(message, LATER, now=at)
            if stored(message).state == "refused":
                break
            Message.objects.filter(pk=message.pk).update(send_at=at, not_after=at - timedelta(seconds=1))
            assert not ledger.commit(*ledger.claim(mailbox, now=at, limit=1), now=at)
            assert stored(message).state == "canceled"
            tick(workspace=mailbox.workspace, now=at + timedelta(days=1))

        assert (day, "72 hours" in stored(message).state_reason) == (3, True)

    def test_a_window_that_closed_over_a_mail_that_nobody_refused_starts_no_72_hours(self, queue):
        queue()
        Message.objects.update(not_after=now() - timedelta(seconds=1))
        [message] = ledger.claim(Mailbox.objects.get(), now=now(), limit=1)
        assert not ledger.commit(message, now=now())
        tick()
        assert Message.objects.get(state="queued").tried_since is None

    def test_an_address_that_does_not_exist_is_suppressed(self, queue):
        queue()
        refused(committed(), "5.1.1", "recipient")
        assert Lead.objects.get().status == "blocked"
        assert Suppression.objects.get().kind == "bounced"
        assert Mailbox.objects.get().hard_bounce_count == 1
        assert used() == [0, 0]

    def test_a_full_mailbox_is_not(self, queue):
        queue()
        refused(committed(), "5.2.2", "recipient")
        assert not Suppression.objects.exists()
        assert Mailbox.objects.get().phase == "healthy"

    def test_a_policy_against_us_stops_the_mailbox_and_keeps_the_lead(self, queue):
        queue(2)
        refused(committed(), "5.7.1", "sender")
        mailbox = Mailbox.objects.get()
        assert mailbox.phase == "paused"
        assert "5.7.1" in mailbox.paused_reason
        assert not Suppression.objects.exists()
        assert not ledger.commit(claimed(1)[0], now=now())

    def test_every_attempt_sends_the_same_bytes(self, queue):
        queue()
        message = claimed()[0]
        first = parcel_for(message)
        ledger.release(message)
        Mailbox.objects.update(display_name="Somebody else")
        again = claimed()[0]
        again.body.html = "<p>Other words</p>"
        assert parcel_for(again) == first


class TestReap:
    def test_an_expired_claim_goes_back(self, queue):
        queue()
        message = claimed()[0]
        assert ledger.reap()["freed"] == 0
        age(message, lease_until=timedelta(seconds=1))
        assert ledger.reap()["freed"] == 1
        row = stored(message)
        assert (row.state, row.token) == ("queued", None)

    def test_a_commit_without_an_answer_is_parked_after_the_grace_and_never_sent_again(self, queue, settings):
        queue()
        message = committed()
        age(message, committed_at=timedelta(seconds=settings.UNKNOWN_AFTER_SECONDS - 5))
        ledger.reap()
        assert stored(message).state == "committed"
        age(message, committed_at=timedelta(seconds=settings.UNKNOWN_AFTER_SECONDS + 1))
        assert ledger.reap()["parked"] == 1
        assert stored(message).state == "unknown"
        assert "went away" in stored(message).state_reason
        assert ledger.reap() == {"freed": 0, "parked": 0, "canceled": 0}
        assert claimed() == []

    def test_what_comes_back_to_a_closed_lane_is_canceled(self, queue):
        queue()
        message = claimed()[0]
        campaigns.stop(campaign=Campaign.objects.get(), now=now())
        age(message, lease_until=timedelta(seconds=1))
        ledger.reap()
        assert stored(message).state == "canceled"
