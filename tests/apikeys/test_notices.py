"""Mails to owners about what needs them: gathered, sent once, tried again; through a mail server on a real socket."""

import threading
from datetime import timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from types import SimpleNamespace

import pytest
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from apikeys.events import record_event
from apikeys.models import Membership, Notice
from apikeys.notices import forget_old_notices, note_facts, send_due, tell_owners
from apikeys.services import add_member
from outbound.clock import real_now
from outbound.env import env_mail_server
from outbound.ids import uuid7
from tests import make
from tests.servers.scripted_smtp import OK, Drop, ScriptedSmtp
from tests.servers.smtp import CountingSmtp

MINUTE = timedelta(minutes=1)


@pytest.fixture
def mailer(settings):
    """mailer(server): the deployment's own mail server."""

    def use(server):
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        settings.DEFAULT_FROM_EMAIL = "outbound@you.example"

    return use


def person(workspace, name: str = "olga", *, role="owner", **fields) -> Membership:
    user = get_user_model().objects.create_user(name, email=f"{name}@you.example", **fields)
    return add_member(workspace=workspace, user=user, role=role)


@pytest.fixture
def live(db):
    return make.workspace("Acme", livemode=True)


def happens(workspace, kind: str = "reply.received", summary: str = "Reply from jo@acme.example: Re: Hi", **fields):
    return record_event(workspace=workspace, kind=kind, summary=summary, now=real_now(), **fields)


def tick(minutes: float = 0) -> int:
    return tell_owners(now=real_now() + minutes * MINUTE)


def mails(server) -> list:
    found = []
    for each in server.messages:
        parsed = message_from_bytes(each.raw)
        text = parsed.get_payload(decode=True).decode()
        subject = str(make_header(decode_header(parsed["Subject"])))
        found.append(SimpleNamespace(to=each.rcpt_to, subject=subject, text=text, headers=parsed))
    return found


class TestGathering:
    def test_facts_of_a_kind_are_one_mail(self, live, mailer):
        person(live)
        with CountingSmtp() as server:
            mailer(server)
            for number in range(25):
                happens(live, summary=f"Reply from p{number}@acme.example: Re: Hi")
            assert tick() == 0, "they wait for others"
            assert tick(2) == 1
            assert tick(3) == 0
            (mail,) = mails(server)
        assert mail.to == ["olga@you.example"]
        assert mail.subject == "25 replies wait · Acme"
        assert mail.text.count("Reply from") == 20 and "and 5 more" in mail.text
        assert "https://outbound.example/admin/" in mail.text
        assert mail.headers["Auto-Submitted"] == "auto-generated"

    def test_another_of_the_kind_waits_half_an_hour_and_another_kind_does_not(self, live, mailer):
        person(live)
        with CountingSmtp() as server:
            mailer(server)
            happens(live)
            tick()
            tick(2)
            happens(live)
            happens(live, kind="mailbox.paused", summary="hi@you.example was paused. 5 of 5 mails bounced.")
            tick(3)
            assert tick(5) == 1
            assert tick(31) == 0
            assert tick(33) == 1
            subjects = [mail.subject for mail in mails(server)]
        assert subjects == ["A reply waits · Acme", "A mailbox is in trouble · Acme", "A reply waits · Acme"]

    def test_a_fact_is_noted_once_however_often_it_is_looked_at(self, live):
        person(live)
        happens(live)
        assert [note_facts(now=real_now()) for _ in range(3)] == [1, 0, 0]

    def test_an_event_that_was_committed_late_is_not_missed(self, live):
        person(live)
        note_facts(now=real_now())
        record_event(workspace=live, kind="reply.received", summary="late", now=real_now() - 5 * MINUTE)
        assert note_facts(now=real_now()) == 1

    def test_everyday_events_are_no_notice(self, live):
        person(live)
        happens(live, kind="email.sent")
        happens(live, kind="campaign.launched")
        assert note_facts(now=real_now()) == 0

    def test_a_parked_mail_that_is_found_within_half_an_hour_is_no_news(self, live, mailer):
        person(live)
        found, lost = uuid7(), uuid7()
        with CountingSmtp() as server:
            mailer(server)
            for message_id, name in ((found, "found"), (lost, "lost")):
                happens(live, kind="email.unknown", summary=f"Nobody knows of {name}", message_id=message_id)
            assert tick() == tick(20) == 0
            happens(live, kind="email.reconciled", message_id=found)
            assert tick(31) == 1
            (mail,) = mails(server)
        assert "lost" in mail.text and "found" not in mail.text
        assert sorted(Notice.objects.values_list("state", flat=True)) == ["kept", "sent"]


class TestWhoIsTold:
    def test_owners_who_want_it_and_nobody_else(self, live, rival, mailer):
        person(live)
        person(live, "otto")
        person(live, "quiet")
        Membership.objects.filter(user__username="quiet").update(notices=False)
        person(live, "gone", is_active=False)
        for role in ("admin", "member", "viewer"):
            person(live, role, role=role)
        person(rival, "rival")
        with CountingSmtp() as server:
            mailer(server)
            happens(live)
            tick()
            assert tick(2) == 2
            assert sorted(mail.to[0] for mail in mails(server)) == ["olga@you.example", "otto@you.example"]

    def test_who_switched_it_off_meanwhile_gets_none(self, live, mailer):
        member = person(live)
        with CountingSmtp() as server:
            mailer(server)
            happens(live)
            tick()
            Membership.objects.filter(pk=member.pk).update(notices=False)
            assert tick(2) == 0
        assert server.connections == 0 and Notice.objects.get().state == "kept"

    def test_from_a_test_workspace_no_mail_leaves(self, acme, mailer):
        person(acme)
        with CountingSmtp() as server:
            mailer(server)
            happens(acme)
            tick()
            assert tick(60) == 0
        assert server.connections == 0 and Notice.objects.get().state == "kept"

    def test_without_a_mail_server_it_is_only_shown(self, live, settings):
        settings.EMAIL_HOST = ""
        person(live)
        happens(live)
        tick()
        assert tick(60) == 0 and Notice.objects.get().state == "kept"


class TestTheWords:
    def test_other_peoples_words_break_no_line_and_no_header(self, live, mailer):
        live.name = "Acme\r\nBcc: all@evil.example"
        live.save(update_fields=["name"])
        person(live)
        with CountingSmtp() as server:
            mailer(server)
            happens(live, summary="Reply from x: Hi\r\n\r\n- forged line \u202e\u200b" + "x" * 300)
            tick()
            tick(2)
            (mail,) = mails(server)
        assert mail.headers["Bcc"] is None
        assert "\n- forged" not in mail.text and "\u202e" not in mail.text
        assert max(map(len, mail.text.splitlines())) < 180


class TestFailing:
    def test_it_is_tried_again_with_patience_and_arrives_once(self, live, mailer):
        person(live)
        with ScriptedSmtp({"dot": ["451 Later", Drop(accept=False), OK]}) as server:
            mailer(server)
            happens(live)
            tick()
            assert [tick(minutes) for minutes in (2, 3, 5, 10, 16)] == [0, 0, 0, 0, 1]
            assert len(server.bodies) == 1
        notice = Notice.objects.get()
        assert (notice.state, notice.tries) == ("sent", 2)

    def test_it_is_given_up_in_the_end_and_says_so(self, live, mailer):
        person(live)
        with ScriptedSmtp({"dot": "550 No"}) as server:
            mailer(server)
            happens(live)
            tick()
            for minutes in (2, 10, 60, 300, 2_000, 9_000, 20_000):
                tick(minutes)
        notice = Notice.objects.get()
        assert (notice.state, notice.tries) == ("failed", 6)
        assert "tried 6 times" in notice.detail

    def test_a_claim_of_a_dead_worker_is_taken_over(self, live, mailer):
        person(live)
        happens(live)
        with CountingSmtp() as server:
            mailer(server)
            tick()
            Notice.objects.update(state="sending", token=uuid7(), lease_until=real_now() + 5 * MINUTE)
            assert tick(4) == 0
            assert tick(6) == 1
            assert len(server.messages) == 1

    @pytest.mark.django_db(transaction=True)
    def test_workers_at_once_send_one(self, mailer):
        live = make.workspace("Acme", livemode=True)
        person(live)
        with CountingSmtp() as server:
            mailer(server)
            for _ in range(5):
                happens(live)
            note_facts(now=real_now())

            def work():
                try:
                    send_due(now=real_now() + 2 * MINUTE)
                finally:
                    connection.close()

            threads = [threading.Thread(target=work) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert len(server.messages) == 1
        assert set(Notice.objects.values_list("state", flat=True)) == {"sent"}


def test_old_notices_are_forgotten(live):
    person(live)
    happens(live)
    note_facts(now=real_now())
    Notice.objects.update(state="sent")
    assert forget_old_notices(now=real_now()) == 0
    assert forget_old_notices(now=real_now() + timedelta(days=31)) == 1


class TestTheSetting:
    def test_an_address_becomes_djangos_settings(self, monkeypatch):
        monkeypatch.setenv("EMAIL_URL", "smtp+tls://me:p%40ss@mail.example.com:587")
        assert env_mail_server("EMAIL_URL") == {
            "EMAIL_HOST": "mail.example.com", "EMAIL_PORT": 587, "EMAIL_HOST_USER": "me", "EMAIL_HOST_PASSWORD": "p@ss",
            "EMAIL_USE_TLS": True,
        }  # fmt: skip

    @pytest.mark.parametrize("text", ["nonsense", "smtp://", "https://mail.example.com", "consolemail://"])
    def test_nonsense_stops_the_start(self, monkeypatch, text):
        monkeypatch.setenv("EMAIL_URL", text)
        with pytest.raises(ImproperlyConfigured, match="EMAIL_URL must look like"):
            env_mail_server("EMAIL_URL")

    def test_none_is_none(self, monkeypatch):
        monkeypatch.delenv("EMAIL_URL", raising=False)
        assert env_mail_server("EMAIL_URL") == {"EMAIL_HOST": ""}
