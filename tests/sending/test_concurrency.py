"""Many workers at once: caps and gaps hold to the mail, and whoever locks rows does so in one order."""

import itertools
import logging
import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from campaigns.models import Touch
from campaigns.runner import tick
from leads.models import Lead, Suppression
from leads.services import delete_lead, lock_address, suppress
from sending import blame
from sending.inbox import receive
from sending.models import Lane, Mailbox, Message, SandboxDelivery, SendCounter
from sending.postoffice import dispatch, drain
from sending.reactions import react
from tests import make
from tests.ops.processes import wait_until
from tests.servers.smtp import CountingSmtp

pytestmark = pytest.mark.django_db(transaction=True)
WORKERS = 16 if connection.vendor == "postgresql" else 4


def at_once(*works, patience: float = 120) -> list[Exception]:
    """Run each in a thread of its own, all starting together. Returns what they raised."""
    errors: list[Exception] = []
    gate = threading.Barrier(len(works))

    def run(work):
        try:
            gate.wait()
            work()
        except Exception as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(patience)
    assert not any(thread.is_alive() for thread in threads)
    return errors


def queued(acme, count: int):
    for _ in range(count):
        make.lead(acme)
    run = make.run(acme)
    tick()
    assert Message.objects.filter(state="queued").count() == count
    return run


def work_off():
    mailbox = Mailbox.objects.get()
    while drain(mailbox.pk):
        pass


def test_a_mailbox_sends_exactly_its_share_of_the_day(acme):
    queued(acme, 120)
    Mailbox.objects.update(daily_limit=50)
    assert at_once(*[work_off] * WORKERS) == []
    assert SandboxDelivery.objects.count() == 50
    assert Message.objects.filter(state="sent").count() == 50
    assert Message.objects.filter(state="queued", send_at__gt=timezone.now()).count() == 70


def test_a_run_sends_exactly_its_share_of_the_day(acme):
    queued(acme, 60)
    Lane.objects.update(daily_limit=25)
    assert at_once(*[work_off] * WORKERS) == []
    assert SandboxDelivery.objects.count() == 25
    assert set(SendCounter.objects.values_list("used", flat=True)) == {25}


def test_one_mail_leaves_in_a_gap(acme):
    queued(acme, 40)
    Mailbox.objects.update(send_gap_seconds=600)
    assert at_once(*[work_off] * WORKERS) == []
    assert SandboxDelivery.objects.count() == 1


def test_ticks_at_once_plan_each_step_once(acme):
    for _ in range(60):
        make.lead(acme)
    make.run(acme)
    assert at_once(*[tick] * min(WORKERS, 8)) == []
    assert Touch.objects.count() == Message.objects.count() == 60
    assert len(set(Touch.objects.values_list("enrollment_id", "position"))) == 60


def test_everything_at_once_waits_for_nothing_that_waits_for_it(acme, settings, caplog, monkeypatch):
    """Sends, refusals, bounces, opt-outs, deletions and ticks on the same rows: a deadlock would raise, or leave its
    trace in the log."""
    monkeypatch.setattr(blame, "PAUSE_BOUNCES", 1000)  # half of the addresses bounce, and the mailbox must go on
    monkeypatch.setattr(blame, "PAUSE_RATE", 1.1)
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    live = make.workspace("Live", livemode=True)
    leads = [make.lead(live, f"p{number}@one.example") for number in range(90)]
    gone = [lead.email for lead in leads[:30]]
    with CountingSmtp(unknown=gone) as server, caplog.at_level(logging.WARNING):
        make.mailbox(live, smtp_host="127.0.0.1", smtp_port=server.port, smtp_security="none")
        make.run(live, steps=[make.step(), make.step("Two", delay_days=0, delay_hours=0)])
        mailbox = Mailbox.objects.get(workspace=live)
        tick()

        def send():
            for _ in range(6):
                drain(mailbox.pk)
                tick()

        def bounce():
            for lead in leads[30:50]:
                mail = Message.objects.filter(lead=lead, direction="out").select_related("body").first()
                if mail and mail.body.raw:
                    raw = react("bounce", bytes(mail.body.raw), at=timezone.now(), seed=mail.rfc_message_id)
                    receive(mailbox=mailbox, raw=raw, now=timezone.now())

        def opt_out():
            for lead in leads[50:60]:
                suppress(workspace=live, value=lead.email, kind=Suppression.Kind.UNSUBSCRIBED, now=timezone.now())

        def delete():
            for lead in leads[60:80]:
                delete_lead(lead=lead)

        errors = at_once(send, send, send, bounce, opt_out, delete, bounce)
        for _ in range(3):
            dispatch()
            tick()
    assert errors == []
    troubles = [record.getMessage() for record in caplog.records if record.name.startswith(("sending", "campaigns"))]
    assert troubles == []
    assert max(server.counts().values()) == 1
    places = [(mail.rcpt_to[0], mail.header("Subject")) for mail in server.messages]
    assert max(len(list(same)) for _, same in itertools.groupby(sorted(places))) == 1
    assert not Message.objects.filter(state__in=["claimed", "committed", "unknown"]).exists()
    assert Lead.objects.filter(email__in=gone, status="blocked").count() == 30


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows")
def test_a_bounce_waits_for_the_address_before_it_takes_the_lead(acme):
    """A send takes the address first and the lead then: the other way round each would wait for the other."""
    queued(acme, 1)
    work_off()
    sent, mailbox = Message.objects.select_related("body").get(), Mailbox.objects.get()
    raw = react("bounce", bytes(sent.body.raw), at=timezone.now(), seed="x")
    bounce = threading.Thread(
        target=lambda: (receive(mailbox=mailbox, raw=raw, now=timezone.now()), connection.close()), daemon=True
    )
    with transaction.atomic():
        lock_address(acme, sent.to_email)
        bounce.start()
        wait_until(_somebody_waits_for_an_address, why="the bounce at the address")
        assert Lead.objects.select_for_update(nowait=True).get()
    bounce.join(60)
    assert Lead.objects.get().status == "blocked"


def _somebody_waits_for_an_address() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return cursor.fetchone()[0] > 0
