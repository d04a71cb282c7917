"""Rows F13 to F31 of the failure matrix: servers that say no, people who say stop, bells that ring too often."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns.models import Enrollment
from campaigns.runner import tick
from leads.models import Lead, Suppression
from leads.services import import_leads, suppress
from outbound.api.errors import ApiError
from outbound.audits import audit
from sending import ledger, tasks
from sending.inbox import receive
from sending.models import Mailbox, Message, SendCounter
from sending.postoffice import dispatch
from sending.providers.base import SendResult
from sending.reactions import react
from sending.replies import queue_reply
from sending.services import unsubscribe
from tests import make
from tests.faults.forked import Child
from tests.faults.letters import accepted, one_letter, recover, stored, time_passes
from tests.sending.test_concurrency import at_once
from tests.servers.certs import make_certificates
from tests.servers.proxy import Line, Proxy
from tests.servers.scripted_smtp import OK, ScriptedSmtp
from tests.servers.smtp import CountingSmtp

pytestmark = pytest.mark.django_db(transaction=True)
SLOW_DOWN = ["421 4.3.2 Closing", "450 4.2.1 Busy", "451 4.3.0 Error", "452 4.3.1 Full", OK]


def answer_to(message: Message, kind: str = "reply") -> Message:
    raw = react(kind, bytes(stored(message).body.raw), at=timezone.now(), seed="x")
    return receive(mailbox=Mailbox.objects.get(), raw=raw, now=timezone.now())


class TestF13:
    def test_F13_the_same_bell_fifty_times_and_two_clocks_send_each_mail_once(self, live):
        with CountingSmtp() as sink:
            mailbox = make.mailbox(live, smtp_host="127.0.0.1", smtp_port=sink.port, smtp_security="none")
            for _ in range(12):
                make.lead(live)
            make.run(live)
            bell = lambda: tasks.drain(mailbox_id=str(mailbox.pk), from_a_later_release=True)  # noqa: E731
            workers = 8 if connection.vendor == "postgresql" else 3
            rings = [lambda: [bell() for _ in range(50 // workers)]] * workers
            assert at_once(tick, tick, tasks.reap, *rings) == []
            tick()
            bell()
            assert sorted(sink.counts().values()) == [1] * 12
        assert set(Message.objects.values_list("state", flat=True)) == {"sent"}
        assert audit("ledger") == []


class TestF14:
    @pytest.mark.parametrize("stage", ["connect", "ehlo", "mail", "rcpt", "data", "dot"])
    def test_F14_later_at_any_stage_is_one_mail_and_one_attempt_more_each_time(self, live, server, stage):
        server.script[stage] = list(SLOW_DOWN)
        message, waits = one_letter(live), []
        for _ in SLOW_DOWN[:-1]:
            dispatch()
            assert stored(message).state == "queued"
            assert server.bodies == []
            waits.append(stored(message).send_at - timezone.now())
            time_passes()
        dispatch()
        assert all(later > 1.3 * sooner for sooner, later in zip(waits, waits[1:], strict=False))
        assert (stored(message).state, stored(message).attempt) == ("sent", 5)
        assert accepted(server) == {message.rfc_message_id: 1}
        assert set(SendCounter.objects.values_list("used", flat=True)) == {1}

    def test_F14_the_last_try_is_at_its_72nd_hour_and_then_it_is_refused_as_expired(self, live, server):
        message = one_letter(live)
        later, tries = SendResult("try_later", code="450", detail="RCPT: 450 4.2.1 Busy"), []
        while (row := stored(message)).state == "queued":
            tries.append(row.send_at - message.created_at)
            claimed = ledger.claim(row.mailbox, now=row.send_at, limit=1)[0]
            ledger.settle(claimed, later, now=row.send_at)
        assert stored(message).state == "refused"
        assert "expired" in stored(message).state_reason
        assert tries[-1] == timedelta(hours=72)
        assert len(tries) == 11
        assert not Suppression.objects.exists()


class TestF18:
    def test_F18_a_certificate_that_is_not_valid_stops_its_mailbox_and_no_other(self, live, tmp_path):
        certificates = make_certificates(tmp_path)
        with ScriptedSmtp(tls=certificates.context) as bad, CountingSmtp() as good:
            make.mailbox(live, smtp_host="127.0.0.1", smtp_port=bad.port, smtp_security="starttls")
            make.mailbox(live, "b@other.example", smtp_host="127.0.0.1", smtp_port=good.port, smtp_security="none")
            for _ in range(3):
                make.lead(live)
            make.run(live)
            make.run(live, sender_email="b@other.example", include_active_elsewhere=True)
            tick()
            dispatch()
            dispatch()
            assert bad.connections == 1
            assert len(good.messages) == 3
        stopped = Mailbox.objects.get(smtp_port=bad.port)
        assert stopped.connection_status == "auth_failed"
        assert "certificate" in stopped.connection_detail
        assert timedelta(minutes=13) < stopped.retry_connection_at - timezone.now() <= timedelta(minutes=15)
        assert bad.bodies == []


def opt_out(message: Message) -> None:
    unsubscribe(message=stored(message), now=timezone.now())


def reply(message: Message) -> None:
    answer_to(message)


def suppress_its_domain(message: Message) -> None:
    domain = "@" + message.to_email.rpartition("@")[2]
    suppress(workspace=message.workspace, value=domain, kind=Suppression.Kind.MANUAL, now=timezone.now())


@pytest.mark.parametrize("stop", [opt_out, reply, suppress_its_domain])
class TestF21:
    """What stops a mail, at the microsecond of its commit: committed before, or never."""

    @pytest.mark.parametrize("point", ["T3.locked", pytest.param("T3.committing", marks=pytest.mark.slow)])
    def test_F21_after_the_locks_it_waits_for_the_commit(self, live, server, stop, point):
        message = one_letter(live)
        worker = Child(dispatch, faults=f"{point}=stop")
        assert worker.wait(stopped=True) == "stopped"
        stopping = threading.Thread(target=lambda: (stop(message), connection.close()), daemon=True)
        stopping.start()
        stopping.join(0.5)
        assert stopping.is_alive(), "it is not acknowledged while a mail may still be committed"
        assert worker.go_on() == "done"
        stopping.join(30)
        assert not stopping.is_alive()
        assert stored(message).state == "sent"
        tick()
        assert Enrollment.objects.get().status not in Enrollment.WALKING

    @pytest.mark.parametrize("point", ["net.prepared", pytest.param("T1.claimed", marks=pytest.mark.slow)])
    def test_F21_before_the_locks_it_wins(self, live, server, stop, point):
        message = one_letter(live)
        Child(dispatch, faults="render.stored=kill").wait()  # so that there are bytes to answer to
        time_passes()
        ledger.reap()
        worker = Child(dispatch, faults=f"{point}=stop")
        assert worker.wait(stopped=True) == "stopped"
        stop(message)
        assert worker.go_on() == "done"
        assert stored(message).state == "skipped"
        assert accepted(server) == {}
        assert not SendCounter.objects.filter(used__gt=0)


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has one writer: nothing to lock")
def test_F21_an_address_that_is_no_leads_any_more_is_locked_too(live, server):
    """An answer by hand goes to the address of the thread, whatever the lead has been given since."""
    message = one_letter(live)
    recover()
    Lead.objects.filter(pk=message.lead_id).update(email="new@else.example", email_domain="else.example")
    answer = queue_reply(thread=stored(message).thread, body_text="As promised.", now=timezone.now())
    worker = Child(dispatch, faults="T3.locked=stop")
    assert worker.wait(stopped=True) == "stopped"
    stopping = threading.Thread(target=lambda: (suppress_its_domain(message), connection.close()), daemon=True)
    stopping.start()
    stopping.join(0.5)
    assert stopping.is_alive(), "it is not acknowledged while a mail may still be committed"
    assert worker.go_on() == "done"
    stopping.join(30)
    assert not stopping.is_alive()
    assert stored(answer).state == "sent"


class TestF22:
    def test_F22_unsent_steps_follow_an_edit_and_the_thread_keeps_the_old_address(self, live, server):
        lead = make.lead(live, "old@acme.example")
        follow_up = make.step("", "<p>And you, {{first_name}}?</p>", delay_days=0, delay_hours=0)
        make.run(live, steps=[make.step("Hello {{first_name}}"), follow_up])
        tick()
        dispatch()
        Lead.objects.filter(pk=lead.pk).update(email="new@acme.example", first_name="Kim")
        tick()
        dispatch()
        first, second = Message.objects.select_related("thread", "body").order_by("created_at")
        assert (first.to_email, second.to_email) == ("old@acme.example", "new@acme.example")
        assert "Kim" in second.body.text
        assert second.thread == first.thread
        assert second.thread.contact_email == "old@acme.example"
        assert sorted(accepted(server).values()) == [1, 1]


class TestF24:
    def test_F24_one_person_in_other_letters_and_two_groups_gets_one_mail(self, live, server):
        rows = [
            {"email": email, "first_name": "Jo"}
            for email in ("Jo@Acme.example", "jo@acme.EXAMPLE", "ann@bücher.example", "ann@xn--bcher-kva.example")
        ]
        import_leads(workspace=live, rows=rows, now=make.NOW)
        people = list(Lead.objects.order_by("email"))
        groups = [make.group(live, name, people) for name in ("One", "Two")]
        make.run(live, group=groups[0])
        with pytest.raises(ApiError):
            make.run(live, group=groups[1])
        tick()
        recover()
        assert len(people) == 2
        assert sorted(accepted(server).values()) == [1, 1]


class TestF31:
    def test_F31_a_reply_before_our_own_commit_is_matched_and_stops_the_sequence(self, live, server):
        make.lead(live)
        make.run(live, steps=[make.step("One"), make.step("Two", delay_days=0, delay_hours=0)])
        tick()
        message = Message.objects.get()
        worker = Child(dispatch, faults="dot.answered=stop")
        assert worker.wait(stopped=True) == "stopped"
        answer = answer_to(message)
        assert answer.answers == message
        assert worker.go_on() == "done"
        assert stored(message).state == "sent"
        tick()
        dispatch()
        assert Enrollment.objects.get().status == "replied"
        assert len(server.bodies) == 1


def test_F19_a_server_that_says_one_byte_at_a_time_frees_its_worker_and_the_mail_waits(live, settings):
    """The whole product over the crawling line: see tests/sending/test_smtp_lines.py for each direction and byte."""
    settings.SMTP_STEP_TIMEOUT_SECONDS = 0.5
    with ScriptedSmtp() as slow, Proxy(slow.port, down=Line(pace=0.05)) as line, CountingSmtp() as good:
        make.mailbox(live, smtp_host="127.0.0.1", smtp_port=line.port, smtp_security="none")
        make.mailbox(live, "b@other.example", smtp_host="127.0.0.1", smtp_port=good.port, smtp_security="none")
        make.lead(live)
        make.run(live)
        make.run(live, sender_email="b@other.example", include_active_elsewhere=True)
        tick()
        dispatch()
        assert len(good.messages) == 1
    waiting = Message.objects.get(mailbox__smtp_port=line.port)
    assert waiting.state == "queued"
    assert "time" in waiting.state_reason
