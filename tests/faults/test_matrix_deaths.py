"""Rows F2 to F10 of the failure matrix: a process dies, sleeps or loses its database at a named moment of one send."""

import subprocess
import sys
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from campaigns import services as campaigns
from campaigns.models import Campaign
from outbound.audits import audit
from outbound.clock import lease_now
from outbound.env import ended_when_idle
from sending import dot, ledger
from sending.imap_watch import claim_due
from sending.models import ImapWatch, Mailbox, Message, SendCounter
from sending.postoffice import dispatch
from tests import make
from tests.faults.forked import Child
from tests.faults.letters import accepted, one_letter, reap_late, reconcile_by, recover, stored
from tests.ops.processes import ROOT, environment, wait_until
from tests.servers.proxy import Proxy
from tests.servers.scripted_smtp import OK, Call, Drop
from tests.servers_at import POSTGRES

pytestmark = pytest.mark.django_db(transaction=True)
on_postgresql = pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite is in the process itself")


def long_form(point: str):
    return pytest.param(point, marks=pytest.mark.slow)


def dies_at(point: str) -> None:
    assert Child(dispatch, faults=f"{point}=kill").wait() == "killed"


def arrived_once(server, message) -> bool:
    return accepted(server) == {message.rfc_message_id: 1}


class TestF2:
    """Killed before the commit: sent once, after the lease."""

    @pytest.mark.parametrize(
        "point", ["T1.claimed", "net.prepared", "T3.committing", *map(long_form, ("T1.claiming", "render.stored"))]
    )
    def test_F2_killed_at_a_point(self, live, server, point):
        message = one_letter(live)
        dies_at(point)
        assert server.bodies == []
        recover()
        assert stored(message).state == "sent"
        assert arrived_once(server, message)

    @pytest.mark.parametrize("stage", ["connect", "rcpt", "data", "body", *map(long_form, ("ehlo", "mail"))])
    def test_F2_killed_while_the_server_is_at_a_stage(self, live, server, stage):
        message, child = one_letter(live), []
        server.script[stage] = [Call(lambda: child[0].kill()), OK]
        child.append(Child(dispatch))
        wait_until(lambda: server.open == 0 and server.connections, why="the end of the connection")
        assert server.bodies == []
        recover()
        assert stored(message).state == "sent"
        assert arrived_once(server, message)


class TestF3ToF6:
    """Killed after the commit: parked, never sent again blindly; the Sent folder tells what became of it."""

    def test_F3_killed_between_commit_and_dot(self, live, server):
        message = one_letter(live)
        dies_at("dot.before")
        recover()
        assert stored(message).state == "unknown"
        assert accepted(server) == {}
        reconcile_by(server, message)
        assert stored(message).state == "sent"
        assert arrived_once(server, message)

    @pytest.mark.parametrize("point", ["dot.sent", "dot.answered", "T5.settling"])
    def test_F4_F6_killed_after_the_dot(self, live, server, point):
        message = one_letter(live)
        dies_at(point)
        recover()
        assert stored(message).state == "unknown"
        reconcile_by(server, message)
        assert stored(message).state == "sent"
        assert arrived_once(server, message)

    def test_F6_killed_after_the_outcome_was_committed(self, live, server):
        message = one_letter(live)
        dies_at("T5.settled")
        recover()
        assert stored(message).state == "sent"
        assert arrived_once(server, message)

    def test_F5_killed_after_a_dot_that_the_server_dropped(self, live, server):
        server.script["dot"] = [Drop(accept=False), OK]
        message = one_letter(live)
        dies_at("dot.sent")
        recover()
        assert stored(message).state == "unknown"
        assert accepted(server) == {}
        reconcile_by(server, message)
        assert stored(message).state == "sent"
        assert arrived_once(server, message)


class TestF8AndF9:
    """A process that sleeps and wakes up late."""

    def test_F8_asleep_for_longer_than_its_lease_it_commits_nothing(self, live, server):
        message = one_letter(live)
        sleeper = Child(dispatch, faults="net.prepared=stop")
        assert sleeper.wait(stopped=True) == "stopped"
        recover()
        assert stored(message).state == "sent"
        assert sleeper.go_on() == "done"
        assert arrived_once(server, message)
        assert set(SendCounter.objects.values_list("used", flat=True)) == {1}
        assert audit("ledger") == []

    def test_F8_even_when_another_has_only_claimed_it(self, live, server):
        """The row is claimed, as the sleeper left it, under another token."""
        message = one_letter(live)
        sleeper = Child(dispatch, faults="net.prepared=stop")
        assert sleeper.wait(stopped=True) == "stopped"
        reap_late()
        second = ledger.claim(message.mailbox, now=timezone.now(), limit=1)[0]
        assert sleeper.go_on() == "done"
        assert accepted(server) == {}
        assert (stored(message).state, stored(message).token) == ("claimed", second.token)
        recover()
        assert arrived_once(server, message)

    def test_F9_asleep_between_commit_and_dot_it_sends_no_dot(self, live, server, monkeypatch):
        """And says so: what it knows was not sent needs nobody to decide on it."""
        monkeypatch.setattr(dot, "DOT_WITHIN", 0.0)  # however short, it slept for longer
        message = one_letter(live)
        sleeper = Child(dispatch, faults="T3.committed=stop")
        assert sleeper.wait(stopped=True) == "stopped"
        assert sleeper.go_on() == "done"
        assert (stored(message).state, server.bodies) == ("queued", [])
        assert not SendCounter.objects.filter(used__gt=0)
        monkeypatch.undo()
        recover()
        assert arrived_once(server, message)

    def test_F9_asleep_for_longer_than_the_grace_it_changes_nothing(self, live, server, monkeypatch):
        monkeypatch.setattr(dot, "DOT_WITHIN", 0.0)
        message = one_letter(live)
        sleeper = Child(dispatch, faults="T3.committed=stop")
        assert sleeper.wait(stopped=True) == "stopped"
        assert reap_late()["parked"] == 1
        assert sleeper.go_on() == "done"
        assert stored(message).state == "unknown"
        assert accepted(server) == {}


@on_postgresql
class TestF10:
    """The database goes away in the middle of a transaction. No dot without a commit that was confirmed."""

    @pytest.fixture
    def database(self):
        settings = connection.settings_dict
        with Proxy(int(settings["PORT"] or 5432), host=settings["HOST"] or "127.0.0.1") as proxy:
            yield proxy

    def through(self, proxy):
        def work():
            connection.settings_dict.update(HOST="127.0.0.1", PORT=proxy.port)
            connection.settings_dict["OPTIONS"] = {"sslmode": "disable", "gssencmode": "disable"}
            return dispatch()

        return work

    @pytest.mark.parametrize("point", ["T1.claiming", "net.prepared", "T3.locked", "T3.reserved"])
    def test_F10_lost_before_the_commit(self, live, server, database, point):
        message = one_letter(live)
        child = Child(self.through(database), faults=f"{point}=stop")
        assert child.wait(stopped=True) == "stopped"
        database.cut()
        assert child.go_on() == "done"
        assert accepted(server) == {}
        recover()
        assert stored(message).state == "sent"
        assert arrived_once(server, message)

    @pytest.mark.parametrize("kind", ["cut_before", "cut_answer_to"])
    def test_F10_lost_during_the_commit(self, live, server, database, kind):
        """Whether the commit was done or not: no dot follows, and as we know that, the row goes back."""
        message = one_letter(live)
        child = Child(self.through(database), faults="T3.committing=stop")
        assert child.wait(stopped=True) == "stopped"
        setattr(database, kind, b"COMMIT")
        assert child.go_on() == "done"
        assert database.cuts == 1
        assert accepted(server) == {}
        assert stored(message).state == ("claimed" if kind == "cut_before" else "queued")
        assert not SendCounter.objects.filter(used__gt=0)
        recover()
        assert arrived_once(server, message)
        assert audit("ledger") == []

    @pytest.mark.parametrize("kind", ["cut_before", "cut_answer_to"])
    def test_F10_lost_while_the_answer_is_written_down(self, live, server, database, kind):
        """It is written down again over a new connection, and booked once."""
        message = one_letter(live)
        child = Child(self.through(database), faults="T5.settling=stop")
        assert child.wait(stopped=True) == "stopped"
        setattr(database, kind, b"COMMIT")
        assert child.go_on() == "done"
        assert database.cuts == 1
        assert stored(message).state == "sent"
        assert stored(message).mailbox.total_sent_count == 1
        assert arrived_once(server, message)


class TestF25:
    @on_postgresql
    @pytest.mark.parametrize("hours", [1, -1])
    def test_F25_a_worker_whose_clock_is_an_hour_off_frees_and_parks_nothing_too_soon(self, live, server, hours):
        one_letter(live), one_letter(live)
        claimed, committed = ledger.claim(Message.objects.first().mailbox, now=timezone.now(), limit=2)
        assert ledger.commit(committed, now=timezone.now())
        right = timezone.now

        def work():
            timezone.now = lambda: right() + timedelta(hours=hours)
            ledger.reap()

        assert Child(work).wait() == "done"
        assert (stored(claimed).state, stored(committed).state) == ("claimed", "committed")

    @on_postgresql
    @pytest.mark.parametrize("hours", [1, -1])
    def test_F25_nor_does_its_own_claim_last_longer_or_shorter(self, live, server, hours):
        message, right = one_letter(live), timezone.now

        def work():
            timezone.now = lambda: right() + timedelta(hours=hours)
            Message.objects.update(send_at=timezone.now())
            dispatch()

        assert Child(work, faults="T1.claimed=kill").wait() == "killed"
        lease = stored(message).lease_until - right()
        assert timedelta(seconds=0) < lease <= timedelta(seconds=90)

    @on_postgresql
    @pytest.mark.parametrize("hours", [1, -1])
    def test_F25_nor_does_it_knock_or_read_where_another_has_said_when(self, live, server, hours):
        """A mailbox that rests after a failure, one that another worker reads, and one that is due."""
        make.mailbox(live, "read@you.example", imap_host="127.0.0.1")
        soon, right = lease_now(plus=timedelta(minutes=1)), timezone.now
        Mailbox.objects.update(retry_connection_at=soon)
        due = [watch.pk for watch in claim_due(holder=uuid.uuid4(), limit=5)]
        assert len(due) == 1

        def work():
            timezone.now = lambda: right() + timedelta(hours=hours)
            assert not ledger.may_try(Mailbox.objects.first())
            assert claim_due(holder=uuid.uuid4(), limit=5) == []
            ImapWatch.objects.update(held_until=None)
            assert [watch.pk for watch in claim_due(holder=uuid.uuid4(), limit=5)] == due

        assert Child(work).wait() == "done"


@on_postgresql
class TestFrozen:
    """A worker that is frozen for good in the middle of its commit, holding every lock there is."""

    def test_F8_its_transaction_is_ended_and_its_lane_is_free(self, live, server):
        message = one_letter(live)

        def work():
            connection.settings_dict["OPTIONS"] = ended_when_idle({}, seconds=1)
            return dispatch()

        frozen = Child(work, faults="T3.reserved=stop")
        assert frozen.wait(stopped=True) == "stopped"
        run = Campaign.objects.get()
        campaigns.pause(campaign=run, now=timezone.now())  # it would wait for ever
        assert frozen.go_on() == "done"
        assert (stored(message).state, accepted(server)) == ("queued", {})
        campaigns.resume(campaign=run, now=timezone.now())
        recover()
        assert arrived_once(server, message)
        assert audit("ledger") == []

    def test_F8_every_connection_of_the_product_is_bounded_so(self, tmp_path):
        """By more than a commit takes in any weather, and by less than a person waits for a pause."""
        code = "import django; django.setup(); from django.db import connection as it; c = it.cursor(); "
        code += "c.execute('SHOW idle_in_transaction_session_timeout'); print(c.fetchone()[0])"
        env = environment(tmp_path, DATABASE_URL=POSTGRES)
        shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True)
        assert shown.stdout == "1min\n", shown.stderr
