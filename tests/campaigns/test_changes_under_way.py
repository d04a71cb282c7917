"""What people do while a run goes: edit, delete, opt out, answer. Nobody gets a step twice, or one too many."""

from datetime import timedelta

import pytest
from django.test import Client

from apikeys.services import now_for
from campaigns.models import Campaign, Enrollment, Touch
from campaigns.runner import tick
from leads.models import Lead
from sending import ledger
from sending.inbox import receive
from sending.models import Mailbox, Message, SandboxDelivery
from sending.reactions import react
from sending.tracking import unsubscribe_token
from tests import make
from tests.world import pass_time, run_until_idle

STEPS = [make.step("One"), make.step("Two", delay_days=1), make.step("Three", delay_days=1)]


def subjects() -> list[str]:
    return [mail.subject for mail in Message.objects.filter(state="sent").order_by("settled_at", "id")]


def answer(message: Message, kind: str = "reply"):
    mailbox = Mailbox.objects.get()
    now = now_for(mailbox.workspace)
    raw = react(kind, bytes(message.body.raw), at=now, seed="x")
    return receive(mailbox=mailbox, raw=raw, now=now)


class TestEdit:
    def patch(self, api, run, *new):
        return api.data("patch", f"/sequences/{run.sequence_id}", {"steps": list(new)}, status=200)

    def test_what_was_sent_is_not_sent_again_and_the_rest_follows_the_new_words(self, api, acme):
        make.lead(acme)
        run = make.run(acme, steps=STEPS)
        run_until_idle()
        self.patch(api, run, *[make.step(f"New {name}", delay_days=1) for name in ("one", "two", "three")])
        for _ in range(4):
            pass_time(acme, days=1, hours=1)
        assert subjects() == ["One", "New two", "New three"]
        assert list(Touch.objects.order_by("position").values_list("position", flat=True)) == [1, 2, 3]

    def test_what_is_queued_is_planned_anew(self, api, acme):
        make.lead(acme)
        run = make.run(acme, steps=STEPS)
        tick()
        self.patch(api, run, make.step("New one"), make.step("New two", delay_days=1))
        run_until_idle()
        assert subjects() == ["New one"]
        assert sorted(Message.objects.values_list("state", flat=True)) == ["canceled", "sent"]

    def test_what_a_worker_has_in_hand_goes_once_with_either_words(self, api, acme):
        make.lead(acme)
        run = make.run(acme, steps=STEPS)
        tick()
        message = ledger.claim(Mailbox.objects.get(), now=now_for(acme), limit=1)[0]
        self.patch(api, run, make.step("New one"), make.step("New two", delay_days=1))
        tick()
        ledger.release(message)
        run_until_idle()
        pass_time(acme, days=2)
        assert subjects() == ["One", "New two"]

    def test_fewer_steps_end_the_walk_where_it_is(self, api, acme):
        make.lead(acme)
        run = make.run(acme, steps=STEPS)
        run_until_idle()
        pass_time(acme, days=1, hours=1)
        self.patch(api, run, make.step("Only"))
        pass_time(acme, days=9)
        assert subjects() == ["One", "Two"]
        assert Campaign.objects.get().status == "completed"

    def test_edits_at_every_moment_send_each_position_once(self, api, acme):
        for _ in range(6):
            make.lead(acme)
        run = make.run(acme, steps=STEPS)
        for number in range(12):
            tick()
            if number % 3 == 0:
                self.patch(api, run, *[make.step(f"{number}.{n}", delay_days=1) for n in (1, 2, 3)])
            else:
                pass_time(acme, hours=13)
        pass_time(acme, days=5)
        sent = Touch.objects.filter(message__state="sent").values_list("enrollment_id", "position")
        assert len(sent) == len(set(sent)) == 18
        assert SandboxDelivery.objects.count() == 18


class TestStops:
    @pytest.fixture
    def first(self, acme):
        """The first of three mails, sent."""
        make.lead(acme)
        make.run(acme, steps=STEPS)
        run_until_idle()
        return Message.objects.get(state="sent")

    def nothing_more(self, acme, status: str):
        pass_time(acme, days=9)
        assert subjects() == ["One"]
        assert Enrollment.objects.get().status == status
        assert Campaign.objects.get().status == "completed"

    def test_deleting_the_lead(self, api, acme, first):
        api.data("delete", f"/leads/{first.lead_id}", status=204)
        self.nothing_more(acme, "stopped")

    def test_the_unsubscribe_link_by_post_and_not_by_get(self, acme, first):
        path = f"/u/{unsubscribe_token(first.pk)}"
        assert Client().get(path).status_code == 200
        assert Lead.objects.get().status != "blocked"
        for _ in range(2):
            assert Client(enforce_csrf_checks=True).post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
        self.nothing_more(acme, "unsubscribed")

    def test_the_link_in_a_mail_to_an_address_the_lead_no_longer_has(self, acme, first):
        Lead.objects.update(email="new@other.example", email_domain="other.example")
        Client().post(f"/u/{unsubscribe_token(first.pk)}")
        self.nothing_more(acme, "unsubscribed")

    def test_a_reply(self, acme, first):
        answer(first)
        self.nothing_more(acme, "replied")

    def test_a_bounce(self, acme, first):
        answer(first, "bounce")
        self.nothing_more(acme, "bounced")

    def test_an_absence_only_defers(self, acme, first):
        answer(first, "ooo")
        pass_time(acme, days=2)
        assert subjects() == ["One"]
        pass_time(acme, days=40)
        pass_time(acme, days=2)
        assert subjects() == ["One", "Two", "Three"]

    def test_a_reply_that_comes_while_the_next_mail_is_in_hand(self, acme, first):
        acme.refresh_from_db()
        acme.clock_offset += timedelta(days=1, hours=1)
        acme.save(update_fields=["clock_offset"])
        tick()
        message = ledger.claim(Mailbox.objects.get(), now=now_for(acme), limit=1)[0]
        answer(first)
        assert not ledger.commit(message, now=now_for(acme))
        message.refresh_from_db()
        assert (message.state, message.state_reason) == ("skipped", "The lead replied.")
        self.nothing_more(acme, "replied")

    def test_a_reply_ends_the_walk_in_every_run(self, acme, first):
        make.run(acme, steps=[make.step("Other"), make.step("Other two", delay_days=3)], include_active_elsewhere=True)
        run_until_idle()
        answer(first)
        pass_time(acme, days=9)
        assert sorted(subjects()) == ["One", "Other"]
        assert set(Enrollment.objects.values_list("status", flat=True)) == {"replied"}

    def test_a_reply_from_a_lead_deleted_a_moment_ago_is_kept(self, acme, first):
        first.body  # noqa: B018  loaded before the lead goes
        Lead.objects.all().delete()
        assert answer(first).kind == "reply"
