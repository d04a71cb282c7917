"""What Resend tells of the mail, as it comes: signed, early, twice, out of order, or forged."""

import json
import time
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from apikeys.models import Event, IngestConnection, IngestedMessage
from campaigns.runner import tick
from leads.models import Lead, Suppression
from sending import blame, feedback, hits, ledger, reconcile, vendors
from sending.models import Hit, Mailbox, Message
from sending.postoffice import drain
from sending.providers.resend_events import WORDS, feedback_from
from tests import make
from tests.vendors.resend import SECRET, Mail, signed

S = Message.State
GONE = {"type": "Permanent", "subType": "General", "message": "It does not exist.",
        "diagnosticCode": ["smtp; 550 5.1.1 user unknown"]}  # fmt: skip
CLICK = {
    "ipAddress": "192.0.2.1",
    "link": "https://you.example/x",
    "timestamp": "2026-11-22T10:00:00Z",
    "userAgent": "x",
}


@pytest.fixture
def told(vendor):
    """told("email.delivered", mail): posted as Resend does, and worked off; the status of the answer."""

    def post(kind: str, mail, **more) -> int:
        headers, body = vendor.event(kind, mail, **more)
        return deliver(headers, body)

    return post


def deliver(headers: dict, body: bytes) -> int:
    where = vendors.events_path(Mailbox.objects.get())
    answer = Client().post(where, body, content_type="application/json", headers=headers)
    feedback.read_resend()
    return answer.status_code


@pytest.fixture
def mail(write, vendor):
    """A mail that was sent: what Resend has of it."""
    message = write()[0]
    with_secret()
    drain(message.mailbox_id)
    return vendor.accepted[0]


def with_secret() -> None:
    vendors.change_secret(Mailbox.objects.get(), SECRET)


def stored() -> Message:
    return Message.objects.get(direction="out")


def counts(*kinds: str) -> list[int]:
    return [Event.objects.filter(kind=kind).count() for kind in kinds]


class TestTheDoor:
    def test_a_signed_event_is_taken(self, told, mail):
        assert told("email.delivered", mail) == 202
        assert IngestedMessage.objects.get().outcome == {"word": "delivered", "message_id": str(stored().pk)}

    def test_F32_a_forged_one_is_401_and_changes_nothing(self, vendor, mail):
        headers, body = vendor.event("email.bounced", mail, bounce=GONE)
        for place in (0, len(body) // 2, -1):
            forged = bytearray(body)
            forged[place] ^= 1
            assert deliver(headers, bytes(forged)) == 401
        assert deliver(signed(body, secret="whsec_b3RoZXIgc2VjcmV0")[0], body) == 401
        assert deliver({}, body) == 401
        assert Suppression.objects.count() == IngestedMessage.objects.count() == 0

    @pytest.mark.parametrize("seconds", [-301, 900])  # the second with room for a busy machine
    def test_F32_one_that_is_older_or_younger_than_five_minutes_is_401(self, told, mail, seconds):
        assert told("email.bounced", mail, bounce=GONE, at=time.time() + seconds) == 401

    def test_without_a_secret_nothing_is_taken(self, told, mail):
        address = IngestConnection.objects.get()
        address.secret = "as it is made before the vendor's is known"  # noqa: S105
        address.save()
        assert told("email.delivered", mail) == 401

    def test_F32_the_same_event_twice_acts_once(self, vendor, mail):
        headers, body = vendor.event("email.complained", mail)
        assert [deliver(headers, body), deliver(headers, body)] == [202, 202]
        assert counts("email.complained") == [1]

    def test_what_is_no_event_is_kept_as_failed(self, mail):
        assert deliver(*signed(b'{"type": 7}')) == 202
        assert IngestedMessage.objects.get().state == "failed"

    def test_of_contacts_and_domains_nothing_follows(self, mail):
        assert deliver(*signed(b'{"type": "contact.created", "data": {"id": "1"}}')) == 202
        assert IngestedMessage.objects.get().outcome == feedback.NO_CONCERN

    def test_of_another_workspaces_mail_nothing_follows(self, told, mail):
        rival = make.workspace("Rival", livemode=True)
        IngestConnection.objects.update(workspace=rival)
        assert told("email.complained", mail) == 202
        assert IngestedMessage.objects.get().outcome == feedback.NOT_OURS
        assert Suppression.objects.count() == 0


class TestEarly:
    def test_F32_before_the_answer_the_mail_waits_for_its_answer(self, told, write, vendor):
        message, mail = committed(write()[0]), Mail("49a3999c-0ce1-4ea6-ab68-afcd6dc2e794", "", {})
        mail.fields = {"from": "hi@you.example", "to": [message.to_email], "subject": "Hi", "tags": tag(message)}
        assert told("email.delivered", mail) == 202
        assert stored().state == S.COMMITTED and stored().provider_message_id == mail.id
        assert ledger.settle(message, ledger.SendResult("sent", provider_id=mail.id), now=timezone.now()) is None
        assert stored().state == S.SENT

    def test_F32_should_the_answer_never_come_the_event_is_the_proof(self, told, write, vendor):
        message, mail = committed(write()[0]), Mail("49a3999c-0ce1-4ea6-ab68-afcd6dc2e794", "", {})
        mail.fields = {"from": "hi@you.example", "to": [message.to_email], "subject": "Hi", "tags": tag(message)}
        told("email.sent", mail)
        Message.objects.update(committed_at=timezone.now() - timedelta(days=1))
        ledger.reap()
        assert stored().state == S.UNKNOWN
        reconcile.reconcile_by_answers()
        assert stored().state == S.SENT and Mailbox.objects.get().total_sent_count == 1

    def test_F32_of_a_parked_mail_it_settles_the_fate(self, told, write, vendor):
        vendor.faults = ["drop_after"]
        message = write()[0]
        with_secret()
        drain(message.mailbox_id)
        assert stored().state == S.UNKNOWN
        told("email.delivered", vendor.accepted[0])
        assert stored().state == S.SENT and stored().state_reason == "The vendor tells that it is delivered."

    def test_F32_a_mail_it_took_and_did_not_send_is_refused(self, told, write, vendor):
        vendor.faults = ["drop_after"]
        message = write()[0]
        with_secret()
        drain(message.mailbox_id)
        told("email.failed", vendor.accepted[0], failed={"reason": "reached_daily_quota"})
        assert stored().state == S.REFUSED and "reached_daily_quota" in stored().state_reason


def tag(message: Message) -> list:
    return [{"name": "message", "value": str(message.pk)}]


def committed(message: Message) -> Message:
    with_secret()
    (claimed,) = ledger.claim(message.mailbox, now=timezone.now(), limit=1)
    assert ledger.commit(claimed, now=timezone.now())
    return claimed


class TestWhatFollows:
    def test_a_bounce_for_good_suppresses_and_counts_once(self, told, mail):
        told("email.bounced", mail, bounce=GONE)
        told("email.bounced", mail, bounce=GONE)  # another delivery of the same news
        assert Suppression.objects.get().kind == "bounced"
        assert Mailbox.objects.get().hard_bounce_count == 1
        assert counts("email.bounced") == [1]
        tick()
        assert Lead.objects.get().status == "blocked"

    def test_F32_out_of_order_no_state_goes_back(self, told, mail):
        told("email.bounced", mail, bounce=GONE)
        for kind in ("email.delivered", "email.sent", "email.delivery_delayed", "email.opened"):
            assert told(kind, mail) == 202
        assert stored().state == S.SENT and stored().hard_bounced_at
        assert Suppression.objects.count() == 1

    def test_a_full_mailbox_is_nobodys_fault(self, told, mail):
        full = {"type": "Transient", "subType": "MailboxFull", "message": "Full", "diagnosticCode": ["552 5.2.2 full"]}
        told("email.bounced", mail, bounce=full)
        assert Suppression.objects.count() == 0 and Mailbox.objects.get().hard_bounce_count == 0
        assert counts("email.bounced") == [1]

    def test_a_policy_against_us_stops_the_mailbox_and_keeps_the_lead(self, told, mail):
        policy = GONE | {"diagnosticCode": ["smtp; 550 5.7.1 blocked, your IP is on a blocklist"]}
        told("email.bounced", mail, bounce=policy)
        assert Suppression.objects.count() == 0
        assert Mailbox.objects.get().phase == "paused"

    def test_a_complaint_suppresses_and_stops_the_mailbox(self, told, mail):
        told("email.complained", mail)
        assert Suppression.objects.get().kind == "complained"
        box = Mailbox.objects.get()
        assert box.phase == "paused" and "called spam" in box.paused_reason

    @pytest.mark.parametrize(("reason", "kind"), [("previous_bounce", "bounced"), ("previous_complaint", "complained")])
    def test_whom_resend_does_not_write_to_we_do_not_either(self, told, mail, reason, kind):
        suppressed = {"diagnosticCode": [], "message": "Suppressed", "reason": reason, "type": "Suppressed"}
        told("email.suppressed", mail, suppressed=suppressed)
        assert Suppression.objects.get().kind == kind
        assert Mailbox.objects.get().hard_bounce_count == 0, "it did not bounce now"


class TestSeen:
    def test_opens_and_clicks_are_counted_and_judged_like_ours(self, told, mail):
        told("email.opened", mail)
        told("email.clicked", mail, click=CLICK)
        told("email.clicked", mail, click=CLICK | {"link": "https://you.example/y"})
        told("email.clicked", mail, click=CLICK)
        found = Hit.objects.order_by("kind", "link").values_list("kind", "link", "count")
        assert list(found) == [("click", 0, 2), ("click", 1, 1), ("open", 0, 1)]
        Hit.objects.update(first_at=timezone.now() - timedelta(minutes=1))
        Message.objects.update(settled_at=timezone.now() - timedelta(hours=1))
        hits.judge_hits()
        assert Hit.objects.filter(machine=None).count() == 0

    def test_a_link_of_ours_that_resend_rewrote_is_counted_at_our_door(self, told, mail):
        told("email.clicked", mail, click=CLICK | {"link": "https://outbound.example/c/token"})
        assert not Hit.objects.exists()


class TestItsLimits:
    def test_two_percent_of_bounces_stop_it(self, told, mail):
        Mailbox.objects.update(spell_sent=100, spell_bounced=1)
        told("email.bounced", mail, bounce=GONE)
        assert Mailbox.objects.get().phase == "paused"

    def test_which_elsewhere_they_do_not(self, told, mail):
        Mailbox.objects.update(spell_sent=100, spell_bounced=1, provider="smtp")
        blame.note_bounce(stored(), now=timezone.now())
        assert Mailbox.objects.get().phase in ("healthy", "warning")

    def test_one_complaint_in_2000_stops_it_and_in_2001_does_not(self, told, mail):
        Mailbox.objects.update(spell_sent=2001)
        told("email.complained", mail)
        assert Mailbox.objects.get().phase == "healthy"
        Mailbox.objects.update(spell_sent=2000)
        blame.note_complaint(stored(), now=timezone.now())
        assert Mailbox.objects.get().phase == "paused"


class TestTheWords:
    @pytest.mark.parametrize("kind", sorted(WORDS))
    def test_each_event_of_the_document_is_understood(self, vendor, kind):
        mail = Mail("id", "", {"from": "a@you.example", "to": ["B@x.example"], "subject": "Hi", "tags": []})
        more = {"bounce": GONE} if kind == "email.bounced" else {"click": CLICK} if kind == "email.clicked" else {}
        _, body = vendor.event(kind, mail, **more)
        found = feedback_from(json.loads(body))
        assert (found.word, found.provider_id, found.recipient) == (WORDS[kind], "id", "b@x.example")

    @pytest.mark.parametrize(
        "event", [None, [], {}, {"type": []}, {"type": "email.sent"}, {"type": "email.sent", "data": {"email_id": 1}}]
    )
    def test_anything_else_is_refused_by_name(self, event):
        with pytest.raises(ValueError, match="It "):
            feedback_from(event)

    def test_parts_of_the_wrong_type_are_as_if_absent(self):
        data = {"email_id": "x", "tags": [], "to": "a", "bounce": ["?"]}
        found = feedback_from({"type": "email.bounced", "data": data})
        assert found.bounce.hardness == "soft" and found.message_id == ""
