"""What the post office does with a server that refuses, is slow or is wrong, and with messages that cannot be sent."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from campaigns.runner import tick
from sending import dot, ledger, postoffice
from sending.mailboxes import retry_connections
from sending.models import Lane, Mailbox, Message, SandboxDelivery, SendCounter
from sending.postoffice import dispatch, drain
from tests import make
from tests.servers.scripted_smtp import OK, ScriptedSmtp
from tests.servers.smtp import CountingSmtp


def states() -> list[str]:
    return sorted(Message.objects.filter(direction="out").values_list("state", flat=True))


def make_due() -> None:
    Message.objects.filter(state="queued").update(send_at=timezone.now() - timedelta(seconds=1))
    Mailbox.objects.update(retry_connection_at=None)


def quarter_of_an_hour_passes() -> None:
    Mailbox.objects.update(retry_connection_at=F("retry_connection_at") - timedelta(minutes=15))


class TestSending:
    def test_each_mail_arrives_once_over_one_connection(self, post):
        with CountingSmtp() as server:
            messages = post(server, 30)
            assert dispatch() == 30
            assert dispatch() == 0
        assert server.connections == 1
        assert server.counts() == {message.rfc_message_id: 1 for message in messages}
        assert states() == ["sent"] * 30

    def test_a_mail_costs_a_fixed_handful_of_statements(self, post):
        with CountingSmtp() as server:
            post(server, 40)
            with CaptureQueriesContext(
                connection,
            ) as queries:
                dispatch()
        assert len(server.messages) == 40
        each = len(queries) / 40
        print(f"\n{each:.1f} statements for each sent mail")
        assert each < 20

    def test_what_a_full_day_holds_is_not_carried_to_the_server(self, post):
        with CountingSmtp() as server:
            post(server, 10)
            Mailbox.objects.update(daily_limit=3)
            dispatch()
        assert states() == ["queued"] * 7 + ["sent"] * 3
        assert server.connections == 1  # the fourth was, and left without its dot; the others would need another

    def test_a_claim_that_has_waited_is_renewed_before_its_mail_is_carried(self, post, monkeypatch):
        monkeypatch.setattr(postoffice, "_lease_to_spare", lambda: 0.0)  # each has waited for longer
        leases = []
        monkeypatch.setattr(ledger, "renew", lambda message: leases.append(message.pk) or True)
        with CountingSmtp() as server:
            messages = post(server, 3)
            dispatch()
        assert leases == [message.pk for message in messages]

    def test_a_test_workspace_never_speaks_smtp_whatever_its_mailbox_says(self, acme):
        with CountingSmtp() as server:
            make.mailbox(acme, provider="smtp", smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none")
            make.lead(acme)
            make.run(acme)
            tick()
            dispatch()
        assert server.connections == 0
        assert SandboxDelivery.objects.count() == 1
        assert states() == ["sent"]

    def test_a_bell_for_a_mailbox_that_is_gone_is_no_error(self, db):
        assert drain("00000000-0000-0000-0000-000000000000") == 0


class TestTheServerSaysNo:
    @pytest.mark.parametrize("stage", ["rcpt", "data", "dot"])
    def test_later_means_later_and_then_once(self, post, stage):
        with ScriptedSmtp({stage: ["450 4.2.1 Later", OK]}) as server:
            post(server)
            dispatch()
            row = Message.objects.get()
            assert row.state == "queued"
            assert row.send_at > timezone.now() + timedelta(minutes=4)
            assert not SendCounter.objects.filter(used__gt=0)
            dispatch()
            assert len(server.bodies) == 0
            make_due()
            dispatch()
        assert len(server.bodies) == 1
        assert states() == ["sent"]

    @pytest.mark.parametrize("stage", ["rcpt", "dot"])
    def test_nobody_there_is_the_last_word(self, post, stage):
        with ScriptedSmtp({stage: ["550 5.1.1 No such user", OK]}) as server:
            first, _ = post(server, 2)
            dispatch()
        assert Message.objects.get(pk=first.pk).state == "refused"
        assert states() == ["refused", "sent"]
        assert Message.objects.get(pk=first.pk).lead.status == "blocked"

    def test_a_failed_sign_in_rests_the_mailbox_and_burns_no_attempt_of_the_others(self, post):
        with ScriptedSmtp({"auth": "535 5.7.8 Wrong"}, features=("AUTH PLAIN LOGIN",)) as server:
            post(server, 5, username="me", password="secret")
            dispatch()
            dispatch()
            assert server.verbs().count("AUTH") == 1
        mailbox = Mailbox.objects.get()
        assert mailbox.connection_status == "auth_failed"
        assert timedelta(minutes=13) < mailbox.retry_connection_at - timezone.now() <= timedelta(minutes=15)
        assert sorted(Message.objects.values_list("attempt", flat=True)) == [0, 0, 0, 0, 1]
        assert states() == ["queued"] * 5

    def test_a_sign_in_that_works_again_lifts_the_rest(self, post):
        with ScriptedSmtp({"auth": ["535 5.7.8 Wrong", OK]}, features=("AUTH PLAIN LOGIN",)) as server:
            post(server, 2, username="me", password="secret")
            dispatch()
            make_due()
            dispatch()
        assert states() == ["sent", "sent"]
        assert Mailbox.objects.get().connection_status == "active"

    def test_one_with_nothing_to_send_tries_again_by_itself_once_in_a_quarter_of_an_hour(self, post):
        with ScriptedSmtp(
            {"auth": ["535 5.7.8 Wrong", "535 5.7.8 Wrong", OK]}, features=("AUTH PLAIN LOGIN",)
        ) as server:
            post(server, 1, username="me", password="secret")
            dispatch()
            Message.objects.update(state="canceled")
            tries = [(retry_connections(), server.verbs().count("AUTH"))]
            for _ in range(2):
                quarter_of_an_hour_passes()
                tries += [(retry_connections(), server.verbs().count("AUTH")) for _ in range(2)]

        assert tries == [(0, 1), (0, 2), (0, 2), (1, 3), (0, 3)]
        mailbox = Mailbox.objects.get()
        assert (mailbox.connection_status, mailbox.connection_detail) == ("active", "")

    def test_workers_at_once_take_one_try_between_them(self, post):
        with ScriptedSmtp({"auth": "535 5.7.8 Wrong"}, features=("AUTH PLAIN LOGIN",)) as server:
            post(server, 1, username="me", password="secret")
            dispatch()
            quarter_of_an_hour_passes()
            seen = Mailbox.objects.get(), Mailbox.objects.get()

        assert [ledger.may_try(mailbox) for mailbox in seen] == [True, False]

    def test_another_mailbox_goes_on(self, post, live):
        with ScriptedSmtp({"auth": "535 5.7.8 Wrong"}, features=("AUTH PLAIN",)) as bad, CountingSmtp() as good:
            post(bad, 3, username="me", password="secret")
            make.mailbox(live, "b@other.example", smtp_host="127.0.0.1", smtp_port=good.port, smtp_security="none")
            make.run(live, sender_email="b@other.example", include_active_elsewhere=True)
            tick()
            dispatch()
        assert len(good.messages) == 3

    def test_a_server_that_is_down_is_asked_once_for_the_whole_batch(self, post):
        with ScriptedSmtp({"connect": "421 4.3.2 Down"}) as server:
            post(server, 10)
            dispatch()
            dispatch()
            assert server.connections == 1
        assert sorted(Message.objects.values_list("attempt", flat=True)) == [0] * 9 + [1]


class TestTroubleOfOurOwn:
    def test_a_message_no_mail_can_be_made_of_is_refused_with_the_reason_and_blocks_nobody(self, post):
        with CountingSmtp() as server:
            first, second = post(server, 2)
            Message.objects.filter(pk=first.pk).update(subject="Bad\nheader")
            dispatch()
        first.refresh_from_db()
        assert first.state == "refused"
        assert "line break" in first.state_reason
        assert list(server.counts()) == [second.rfc_message_id]

    def test_its_lead_is_told_why(self, post):
        with CountingSmtp() as server:
            message = post(server)[0]
            Message.objects.update(to_email="spaces in@acme.example")
            message.lead.__class__.objects.update(email="spaces in@acme.example")
            dispatch()
            tick()
        enrollment = message.touch.enrollment
        enrollment.refresh_from_db()
        assert enrollment.status == "failed"
        assert "local part" in enrollment.reason

    def test_a_mailbox_of_an_unknown_kind_keeps_nobody_else_from_sending(self, post, live):
        with CountingSmtp() as server:
            post(server, 2)
            odd = make.mailbox(live, "odd@other.example", provider="pigeon")
            make.run(live, sender_email=odd.email, include_active_elsewhere=True)
            tick()
            dispatch()
        assert len(server.messages) == 2

    def test_a_dot_that_would_be_late_is_not_sent_and_the_slots_come_back(self, post, monkeypatch):
        with CountingSmtp() as server:
            post(server)
            monkeypatch.setattr(dot, "DOT_WITHIN", 0.0)  # every commit takes longer than that
            dispatch()
            assert server.messages == []
            assert states() == ["queued"]
            assert not SendCounter.objects.filter(used__gt=0)
            monkeypatch.undo()
            make_due()
            dispatch()
        assert len(server.messages) == 1

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows")
    def test_nor_one_that_waited_for_a_lock(self, post, monkeypatch):
        monkeypatch.setattr(dot, "DOT_WITHIN", 0.3)
        held, let_go = threading.Event(), threading.Event()

        def hold_the_lane():
            with transaction.atomic():
                list(Lane.objects.select_for_update())
                held.set()
                let_go.wait(20)
            connection.close()

        with CountingSmtp() as server:
            post(server)
            holder = threading.Thread(target=hold_the_lane)
            holder.start()
            held.wait(20)
            threading.Thread(target=lambda: (time.sleep(1), let_go.set())).start()
            dispatch()
            holder.join()
        assert server.messages == []
        assert states() == ["queued"]
