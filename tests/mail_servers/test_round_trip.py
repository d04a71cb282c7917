"""Through a real Postfix and a real Dovecot: send, delivery, the Sent folder, a reply, a DSN, an absence."""

import os
import shutil
import smtplib
import ssl

import pytest

from campaigns.runner import tick
from leads.models import Lead, Suppression
from outbound.clock import real_now
from sending import imap_watch, ledger, reconcile
from sending.imap_watch import read_once
from sending.models import ImapWatch, Mailbox, Message
from sending.postoffice import dispatch
from sending.providers import SendResult
from sending.providers.imap import ImapSession
from sending.providers.smtp_wire import tls_context
from tests import make
from tests.mail_servers.machine import OURS, PASSWORD, THEIRS, Machine
from tests.servers.imap import wait_until

pytestmark = [
    pytest.mark.mail,
    pytest.mark.skipif(
        os.environ.get("TEST_MAIL_SERVERS") != "1" or os.geteuid() != 0 or not shutil.which("dovecot"),
        reason="real mail servers need root: `make test-mail`",
    ),
]


@pytest.fixture(scope="module")
def machine():
    with Machine() as machine:
        tls_context.cache_clear()
        tls_context().load_verify_locations(machine.authority)
        yield machine
        tls_context.cache_clear()


@pytest.fixture
def mailbox(machine, live) -> Mailbox:
    return make.mailbox(
        live, f"hi@{OURS}", smtp_host="localhost", smtp_port=machine.smtp_port, smtp_security="starttls",
        username=f"hi@{OURS}", password=PASSWORD, imap_host="localhost", imap_port=machine.imap_port, warmup=False,
    )  # fmt: skip


@pytest.fixture
def live(db, settings):
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.0/8", "::1/128"]
    return make.workspace("Live", livemode=True)


def write_to(live, mailbox, *names: str):
    for name in names:
        make.lead(live, f"{name}@{THEIRS}")
    run = make.run(live, sender_email=mailbox.email, steps=[make.step(), make.step("", "<p>Did you see it?</p>")])
    tick()
    dispatch()
    return run


def look() -> ImapWatch:
    imap_watch.ensure_watches()
    watch = ImapWatch.objects.select_related("mailbox__workspace").get()
    read_once(watch)
    watch.refresh_from_db()
    assert watch.detail == ""
    return watch


def as_jo(machine, raw: bytes) -> None:
    """Jo's own mail program, at the same provider."""
    with smtplib.SMTP("localhost", machine.smtp_port, timeout=20) as smtp:
        smtp.starttls(context=ssl.create_default_context(cafile=machine.authority))
        smtp.login(f"jo@{THEIRS}", PASSWORD)
        smtp.sendmail(f"jo@{THEIRS}", [f"hi@{OURS}"], raw)


def letter(about: Message, text: str, more: str = "") -> bytes:
    return (
        f"From: Jo <jo@{THEIRS}>\r\nTo: hi@{OURS}\r\nSubject: Re: {about.subject}\r\n"
        f"Message-ID: <{text[:3]}@{THEIRS}>\r\nIn-Reply-To: {about.rfc_message_id}\r\n"
        f"{more}\r\n{text}\r\n\r\n> what we wrote\r\n"
    ).encode()


def test_there_and_back(machine, live, mailbox):
    look()
    run = write_to(live, mailbox, "jo", "ann", "kim", "nobody")
    mails = {mail.to_email.partition("@")[0]: mail for mail in Message.objects.filter(state="sent")}
    assert set(mails) == {"jo", "ann", "kim", "nobody"}

    # Delivered, as Jo sees it.
    theirs = ImapSession(Mailbox(imap_host="localhost", imap_port=machine.imap_port, imap_security="tls",
                                 username=f"jo@{THEIRS}", password=PASSWORD))  # fmt: skip
    theirs.connect()
    wait_until(lambda: theirs.examine("INBOX") and theirs.find(mails["jo"].rfc_message_id), seconds=20)
    theirs.close()

    # The provider keeps a copy of each: three of them, and the folder's silence proves something.
    wait_until(lambda: look().sent_found == 3, seconds=20)
    assert ImapWatch.objects.get().sent_folder == "Sent"

    as_jo(machine, letter(mails["jo"], "Yes, tell me more."))
    wait_until(lambda: look() and Message.objects.filter(direction="in").count() == 2, seconds=30)
    reply, dsn = Message.objects.get(kind="reply"), Message.objects.get(kind="bounce")
    assert (reply.thread, reply.answers) == (mails["jo"].thread, mails["jo"])
    assert reply.body.text.strip() == "Yes, tell me more."
    assert dsn.answers == mails["nobody"]
    assert Suppression.objects.get().value == f"nobody@{THEIRS}"
    assert Lead.objects.get(email=f"jo@{THEIRS}").replied_at
    tick()
    found = dict(run.enrollments.values_list("lead__email", "status"))
    assert (found[f"jo@{THEIRS}"], found[f"nobody@{THEIRS}"]) == ("replied", "bounced")


def test_a_parked_mail_is_found_in_sent(machine, live, mailbox, monkeypatch):
    """The server has taken it and kept its copy; its answer never reached us."""
    settle = ledger.settle
    monkeypatch.setattr(
        ledger, "settle", lambda message, _, *, now: settle(message, SendResult("unknown", detail="lost"), now=now)
    )
    look()
    write_to(live, mailbox, "kim")
    message = Message.objects.get()
    assert message.state == "unknown"
    wait_until(lambda: look() and Message.objects.filter(state="sent").exists(), seconds=20)
    message.refresh_from_db()
    assert message.state_reason == reconcile.FOUND


@pytest.mark.django_db(transaction=True)
def test_it_is_told_of_an_absence(machine, live, mailbox, settings):
    settings.IMAP_IDLE_POLL_SECONDS = 3600
    watcher = imap_watch.Watcher()
    try:
        write_to(live, mailbox, "jo")
        watcher.turn()
        wait_until(lambda: watcher.idling and not watcher.busy, seconds=20)
        ImapWatch.objects.update(next_look_at=real_now().replace(year=2100))
        away = letter(
            Message.objects.get(direction="out"), "I am back on 2 January.", more="Auto-Submitted: auto-replied\r\n"
        )
        as_jo(machine, away)
        told = Message.objects.filter(kind="auto_reply")
        wait_until(lambda: watcher.turn() or (told.exists() and not watcher.busy), seconds=20)
        wait_until(lambda: told.exists() and not watcher.busy, seconds=20)
        assert Lead.objects.get().away_until
    finally:
        watcher.close()
