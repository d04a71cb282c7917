"""Resend as a way to send, against a server that behaves as its documents say (tests/vendors/resend.py)."""

import json
import time

import pytest
import time_machine

from sending.models import Mailbox, Message, MessageBody
from sending.postoffice import drain
from sending.providers import resend, transport_for
from sending.providers import resend_api as api
from sending.providers.base import Parcel
from tests import make
from tests.vendors.resend import KEY, SENDING_KEY, Known

S = Message.State


def sent(message: Message) -> Message:
    drain(message.mailbox_id)
    message.refresh_from_db()
    return message


class TestARequest:
    def test_says_all_that_the_mail_says_and_nothing_else(self, write, vendor):
        message = sent(write(display_name='Ada "The" Büro')[0])
        (mail,) = vendor.accepted
        fields = mail.fields
        assert message.state == S.SENT and message.provider_message_id == mail.id
        assert fields["to"] == [message.to_email] and fields["subject"] == "Grüße an Jo"
        assert fields["from"] == '"Ada \\"The\\" Büro" <hi@you.example>'
        assert "Hi Jo – über" in fields["html"] and "Hi Jo – über" in fields["text"]
        assert set(fields) == {"from", "to", "subject", "html", "text", "headers", "tags"}

    def test_carries_what_threads_and_opts_out(self, write, vendor):
        message = sent(write()[0])
        headers = vendor.accepted[0].fields["headers"]
        assert headers["Message-ID"] == message.rfc_message_id
        assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        assert headers["List-Unsubscribe"].startswith("<https://outbound.example/u/")

    def test_goes_under_the_messages_own_key(self, write, vendor):
        message = sent(write()[0])
        assert vendor.accepted[0].key == str(message.pk)
        assert vendor.accepted[0].fields["tags"] == [{"name": "message", "value": str(message.pk)}]

    def test_is_kept_before_it_is_made_and_is_the_same_at_every_attempt(self, write, vendor):
        vendor.faults = ["limit"]
        message = write()[0]
        sent(message)
        kept = bytes(MessageBody.objects.get(pk=message.pk).request)
        Mailbox.objects.update(display_name="Renamed")
        Message.objects.update(send_at=make.NOW)
        assert sent(message).state == S.SENT
        assert json.loads(kept) == vendor.accepted[0].fields
        assert vendor.keys[str(message.pk)].body == kept

    def test_is_a_pure_function_of_the_parcel(self):
        raw = b"From: a@you.example\r\nTo: b@x.example\r\nSubject: Hi\r\nMessage-ID: <1@you.example>\r\n\r\nWords.\r\n"
        parcel = Parcel("m", "<1@you.example>", "a@you.example", "b@x.example", raw)
        assert resend.payload_for(parcel) == resend.payload_for(parcel)
        assert json.loads(resend.payload_for(parcel))["text"].strip() == "Words."


class TestAnAnswer:
    @pytest.mark.parametrize("fault", ["drop_before", "drop_after", "down", "down_after", "html", "html_after", "huge"])
    def test_that_decides_nothing_leaves_the_fate_open(self, write, vendor, fault):
        vendor.faults = [fault]
        message = sent(write()[0])
        assert message.state == S.UNKNOWN and message.state_reason
        assert len(vendor.accepted) == fault.endswith("_after")

    def test_that_does_not_come_leaves_it_open_too(self, write, vendor, settings):
        settings.SMTP_DOT_TIMEOUT_SECONDS = 1
        vendor.faults = ["hang_after"]
        assert sent(write()[0]).state == S.UNKNOWN

    def test_a_redirect_is_not_followed(self, write, vendor):
        vendor.faults = ["redirect"]
        assert sent(write()[0]).state == S.UNKNOWN
        assert vendor.requests == [("/emails", 302)]

    def test_too_fast_comes_back_when_it_said(self, write, vendor):
        vendor.faults = ["limit"]
        message = sent(write()[0])
        assert message.state == S.QUEUED and message.state_reason.startswith("rate_limited")
        assert (message.send_at - make.NOW).total_seconds() > 1
        assert Mailbox.objects.get().retry_connection_at is None

    def test_a_used_up_quota_rests_the_mailbox_and_not_the_message_alone(self, write, vendor):
        messages = write(3)
        vendor.faults = ["quota"]
        drain(messages[0].mailbox_id)
        assert Message.objects.filter(state=S.QUEUED).count() == 3
        assert len(vendor.requests) == 1, "what concerns all of them is asked once"
        assert "daily_quota_exceeded" in Mailbox.objects.get().connection_detail

    def test_a_wrong_key_waits_for_a_person(self, write, vendor):
        message = sent(write(password="re_wrong")[0])
        assert message.state == S.QUEUED
        assert Mailbox.objects.get().connection_status == "auth_failed"

    def test_a_domain_that_is_not_verified_waits_for_a_person(self, write, vendor):
        vendor.domains["you.example"] = "pending"
        message = sent(write()[0])
        assert message.state == S.QUEUED and "not verified" in message.state_reason
        assert Mailbox.objects.get().connection_status == "auth_failed"

    def test_a_mail_it_does_not_take_is_refused(self, write, vendor):
        message = write()[0]
        MessageBody.objects.update(request=b'{"from": "hi@you.example", "nonsense": 1}')
        assert sent(message).state == S.REFUSED
        assert "Unknown fields" in message.state_reason

    def test_another_body_under_the_same_key_is_no_refusal(self, write, vendor):
        message = write()[0]
        vendor.keys[str(message.pk)] = Known(b"{}", time.time(), (200, {"id": "another"}))
        assert sent(message).state == S.UNKNOWN
        assert "invalid_idempotent_request" in message.state_reason

    def test_no_connection_is_no_attempt(self, write, vendor, settings):
        settings.RESEND_BASE_URL = "http://127.0.0.1:9"
        message = sent(write()[0])
        assert message.state == S.QUEUED
        assert MessageBody.objects.get(pk=message.pk).handed_at is None

    def test_an_address_in_a_closed_network_is_not_connected_to(self, write, vendor, settings):
        settings.OUTBOUND_PRIVATE_NETWORKS = []
        assert sent(write()[0]).state == S.QUEUED
        assert vendor.requests == []


class TestItsPace:
    def test_no_more_a_second_than_the_key_may_and_one_at_a_time(self, settings):
        settings.REDIS_URL, settings.RESEND_REQUESTS_PER_SECOND = "", 4
        with time_machine.travel("2026-11-23T10:00Z", tick=False) as clock:
            waits = [api.seconds_to_wait("re_a"), api.seconds_to_wait("re_a"), api.seconds_to_wait("re_b")]
            clock.shift(0.25)
            waits.append(api.seconds_to_wait("re_a"))
        assert waits == [0, 0.25, 0, 0], "each key has its own pace"

    def test_a_server_that_takes_four_a_second_gets_all(self, write, vendor, settings):
        settings.RESEND_REQUESTS_PER_SECOND = vendor.per_second = 4
        messages = write(9)
        while len(vendor.accepted) < 9:
            Message.objects.filter(state=S.QUEUED).update(send_at=make.NOW)
            drain(messages[0].mailbox_id)
        assert set(vendor.sends().values()) == {1}


class TestTheCheck:
    def check(self, live, vendor, **fields):
        box = Mailbox(workspace=live, provider="resend", **{"email": "hi@you.example", "password": KEY, **fields})
        return transport_for("resend").check(box)

    def test_a_verified_domain_may_send(self, live, vendor):
        assert self.check(live, vendor) == (True, "Resend takes the API key, and you.example may send.")

    def test_another_is_told_which_may(self, live, vendor):
        works, sentence = self.check(live, vendor, email="hi@new.example")
        assert not works and sentence.endswith("Verified: you.example.")

    def test_a_key_that_only_sends_is_enough(self, live, vendor):
        works, sentence = self.check(live, vendor, password=SENDING_KEY)
        assert works and "only send" in sentence

    def test_a_wrong_one_is_not(self, live, vendor):
        assert self.check(live, vendor, password="re_wrong")[0] is False
