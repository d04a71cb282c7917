"""What comes into a mailbox is taken in once, whatever its server does; nothing is skipped or dropped in silence."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import F

from campaigns.runner import tick
from leads.models import Lead
from outbound.clock import real_now
from sending import imap_reading, imap_watch, inbox, ledger
from sending.imap_folders import readable, sent_of
from sending.imap_watch import claim_due, read_once
from sending.models import ImapFolder, ImapWatch, Mailbox, Message, StrayMail
from sending.postoffice import dispatch
from sending.providers.imap import Folder
from tests import make
from tests.servers.imap import OK, Cut, Hang, ImapServer, No, wait_until
from tests.servers.smtp import CountingSmtp


@pytest.fixture(autouse=True)
def quick(settings):
    settings.IMAP_STEP_TIMEOUT_SECONDS = 2


def letter(text="Sounds good.", *, about="", sender="jo@lead.example", number=1, more="") -> bytes:
    named = f"In-Reply-To: {about}\r\n" if about else ""
    return (
        f"From: Jo <{sender}>\r\nTo: hi@you.example\r\nSubject: Re: Hello\r\nMessage-ID: <m{number}@lead.example>\r\n"
        f"{named}{more}\r\n{text}\r\n"
    ).encode()


@pytest.fixture
def box(live):
    """box(server): a mailbox that is read there."""

    def put(server, **fields) -> ImapWatch:
        make.mailbox(
            live, smtp_host="127.0.0.1", smtp_security="none", imap_host="127.0.0.1", imap_port=server.port,
            imap_security="none", password="secret", **fields,
        )  # fmt: skip
        imap_watch.ensure_watches()
        return ImapWatch.objects.select_related("mailbox__workspace").get()

    return put


@pytest.fixture
def sent(live):
    """sent(watch): a mail of a run that left through that mailbox, to jo@lead.example."""

    def send(watch, email="jo@lead.example", steps=None) -> Message:
        with CountingSmtp() as smtp:
            Mailbox.objects.update(smtp_port=smtp.port)
            make.lead(live, email)
            make.run(live, steps=steps)
            tick()
            dispatch()
        return Message.objects.get(to_email=email, state="sent")

    return send


def read(watch: ImapWatch) -> ImapWatch:
    """A look, and the row after it."""
    read_once(ImapWatch.objects.select_related("mailbox__workspace").get(pk=watch.pk))
    watch.refresh_from_db()
    return watch


def received() -> int:
    return Message.objects.filter(direction="in").count()


class TestTakingIn:
    def test_a_reply_reaches_its_thread_and_the_lead(self, box, sent):
        with ImapServer() as server:
            watch = box(server)
            message = sent(watch)
            server.put("INBOX", letter(about=message.rfc_message_id))
            read(watch)
        answer = Message.objects.get(direction="in")
        assert (answer.thread, answer.answers, answer.kind) == (message.thread, message, "reply")
        assert Lead.objects.get().replied_at
        assert (watch.detail, watch.sent_folder) == ("", "Sent")
        assert watch.read_at

    def test_what_is_unread_stays_unread_and_nothing_is_read_twice(self, box, sent):
        with ImapServer() as server:
            watch = box(server)
            server.put("INBOX", letter(about=sent(watch).rfc_message_id))
            read(watch)
            read(watch)
        assert server.fetched == [("INBOX", 1)]
        assert "SELECT" not in server.verbs()

    def test_what_was_there_before_it_was_connected_is_left_alone(self, box):
        with ImapServer() as server:
            server.put("INBOX", letter(), at=real_now() - timedelta(days=5))
            read(box(server))
        assert server.fetched == []
        assert not StrayMail.objects.exists()

    def test_spam_is_read_and_sent_drafts_and_trash_are_not(self, box, sent):
        with ImapServer() as server:
            watch = box(server)
            about = sent(watch).rfc_message_id
            for number, folder in enumerate(("Junk", "Sent", "Drafts", "Trash")):
                server.put(folder, letter(about=about, number=number))
            read(watch)
        assert server.fetched == [("Junk", 1)]

    def test_mail_from_an_address_of_ours_is_no_reply(self, box, sent, live):
        make.mailbox(live, "colleague@you.example")
        with ImapServer() as server:
            watch = box(server)
            about = sent(watch).rfc_message_id
            server.put("INBOX", letter(about=about, sender="hi@you.example", number=1))
            server.put("INBOX", letter(about=about, sender="colleague@you.example", number=2))
            read(watch)
        assert received() == 0
        assert not StrayMail.objects.exists()

    def test_the_same_mail_in_several_folders_is_taken_in_once(self, box, sent):
        with ImapServer(folders=[("INBOX", ()), ("Work", ()), ("Later", ())]) as server:
            watch = box(server)
            raw = letter(about=sent(watch).rfc_message_id)
            for folder in ("INBOX", "Work", "Later"):
                server.put(folder, raw)
            read(watch)
        assert received() == 1
        assert server.fetched == [("INBOX", 1)]

    def test_two_readers_at_once_take_it_in_once(self, box, sent, monkeypatch):
        """The second arrives between the first one's look at what is known and its write."""
        with ImapServer() as server:
            watch = box(server)
            raw = letter(about=sent(watch).rfc_message_id)
            monkeypatch.setattr(imap_reading, "is_known", lambda *_: False)
            server.put("INBOX", raw)
            server.put("Junk", raw)
            read(watch)
        assert received() == 1
        assert len(server.fetched) == 2


class TestTrouble:
    @pytest.mark.parametrize("after", [0, 60, 400])
    def test_a_connection_that_breaks_in_the_middle_loses_and_doubles_nothing(self, box, sent, after):
        with ImapServer() as server:
            watch = box(server)
            about = sent(watch).rfc_message_id
            for number in range(3):
                server.put("INBOX", letter("x" * 500, about=about, number=number))
            server.script = {"FETCH": [OK, OK, OK, Cut(after), OK]}
            read(watch)
            assert (received(), bool(watch.detail), watch.read_at) == (1, True, None)
            read(watch)
        assert (received(), watch.detail, watch.failures) == (3, "", 0)

    def test_a_folder_numbered_anew_is_read_again_and_taken_in_once(self, box, sent):
        with ImapServer() as server:
            watch = box(server)
            about = sent(watch).rfc_message_id
            for number in range(3):
                server.put("INBOX", letter(about=about, number=number))
            read(watch)
            server.renumber("INBOX")
            server.put("INBOX", letter(about=about, number=9))
            read(watch)
        assert received() == 4
        cursor = ImapFolder.objects.get(name="INBOX")
        assert (cursor.uidvalidity, cursor.uid) == (2, 4)

    def test_a_mail_that_fails_is_set_aside_after_three_tries_and_those_behind_it_go_on(self, box, sent, monkeypatch):
        whole = inbox.read_mail

        def fail(raw, **options):
            if b"poison" in raw:
                raise ValueError("a case nobody thought of")
            return whole(raw, **options)

        monkeypatch.setattr(inbox, "read_mail", fail)
        with ImapServer() as server:
            watch = box(server)
            about = sent(watch).rfc_message_id
            server.put("INBOX", letter("poison", about=about, number=1))
            server.put("INBOX", letter(about=about, number=2))
            for tries in (1, 2):
                read(watch)
                cursor = ImapFolder.objects.get(name="INBOX")
                assert (received(), cursor.failures, cursor.uid, StrayMail.objects.count()) == (0, tries, 0, 0)
            read(watch)
        assert received() == 1
        stray = StrayMail.objects.get()
        assert (stray.why, stray.rfc_message_id) == ("quarantined", "<m1@lead.example>")
        assert b"poison" in bytes(stray.raw)
        assert "a case nobody thought of" in stray.problem

    def test_a_mail_that_cannot_be_fetched_is_set_aside_too(self, box, sent):
        with ImapServer(script={"FETCH": [OK, Cut(), OK, Cut(), OK, Cut(), OK]}) as server:
            watch = box(server)
            about = sent(watch).rfc_message_id
            server.put("INBOX", letter(about=about, number=1))
            server.put("INBOX", letter(about=about, number=2))
            for _ in range(4):
                read(watch)
        assert received() == 1
        assert [(stray.why, stray.raw) for stray in StrayMail.objects.all()] == [("quarantined", None)]

    def test_a_mail_beyond_a_limit_is_set_aside_at_once(self, box, sent):
        with ImapServer() as server:
            watch = box(server)
            about = sent(watch).rfc_message_id
            server.put("INBOX", letter(about=about, more="X-More: x\r\n" * 600))
            server.put("INBOX", letter(about=about, number=2))
            read(watch)
        assert received() == 1
        assert "500 lines" in StrayMail.objects.get().problem

    def test_a_reply_with_a_large_attachment_is_a_reply(self, box, sent, monkeypatch):
        monkeypatch.setattr("sending.providers.imap.MAX_BYTES", 5_000)
        monkeypatch.setattr("sending.providers.imap.HEAD_BYTES", 1_000)
        with ImapServer() as server:
            watch = box(server)
            server.put("INBOX", letter("Yes.\r\n" + "x" * 10_000, about=sent(watch).rfc_message_id))
            read(watch)
        assert (received(), bool(Lead.objects.get().replied_at)) == (1, True)

    def test_a_folder_that_may_not_be_opened_keeps_nobody(self, box, sent):
        folders = [("INBOX", ()), ("Shared", ()), ("Work", ())]
        with ImapServer(folders=folders, script={"STATUS": [OK, No(), OK]}) as server:
            watch = box(server)
            server.put("Work", letter(about=sent(watch).rfc_message_id))
            read(watch)
        assert (received(), watch.detail) == (1, "")

    def test_a_failed_sign_in_waits_a_quarter_of_an_hour(self, box):
        with ImapServer(password="other") as server:
            watch = read(box(server))
            assert watch.next_look_at - real_now() > timedelta(minutes=14)
            assert "did not accept" in watch.detail
            assert server.sign_ins == 1

    def test_a_server_that_says_nothing_is_left_after_its_time(self, box, settings):
        settings.IMAP_STEP_TIMEOUT_SECONDS = 0.3
        with ImapServer(script={"LIST": Hang()}) as server:
            watch = read(box(server))
        assert (watch.detail, watch.failures) == ("out of time", 1) or "timed out" in watch.detail


class TestMatching:
    def test_what_fits_nothing_is_listed_once_with_its_words(self, box):
        with ImapServer() as server:
            watch = box(server)
            for folder in ("INBOX", "Junk"):
                server.put(folder, letter("Who are you?", sender="stranger@else.example"))
            read(watch)
        stray = StrayMail.objects.get()
        assert (stray.why, stray.kind, stray.from_email) == ("unmatched", "reply", "stranger@else.example")
        assert "Who are you?" in stray.text

    @pytest.mark.parametrize(
        ("written_to", "answers"),
        [("jo@lead.example", "jo@lead.example"), ("jo@lead.example", "jo+news@lead.example"),
         ("j.o@gmail.com", "jo@googlemail.com")],
    )  # fmt: skip
    def test_without_an_id_the_sender_tells_also_under_an_alias(self, box, sent, written_to, answers):
        with ImapServer() as server:
            watch = box(server)
            message = sent(watch, written_to)
            server.put("INBOX", letter(sender=answers))
            read(watch)
        assert Message.objects.get(direction="in").answers == message

    def test_an_answer_to_another_mailbox_of_ours_finds_its_thread(self, box, sent, live):
        with ImapServer() as server:
            watch = box(server)
            message = sent(watch)
            make.mailbox(live, "team@you.example")
            other = Mailbox.objects.get(email="team@you.example")
            taken = inbox.take_in(mailbox=other, raw=letter(about=message.rfc_message_id), now=real_now())
            again = inbox.take_in(mailbox=watch.mailbox, raw=letter(about=message.rfc_message_id), now=real_now())
        assert (taken.message.thread, taken.message.mailbox) == (message.thread, message.mailbox)
        assert again.outcome == "seen"

    def test_an_answer_to_an_answer_stays_on_the_thread(self, box, sent):
        with ImapServer() as server:
            watch = box(server)
            message = sent(watch)
            inbox.take_in(mailbox=watch.mailbox, raw=letter(about=message.rfc_message_id), now=real_now())
            second = letter(about="<m1@lead.example>", sender="boss@else.example", number=2)
            taken = inbox.take_in(mailbox=watch.mailbox, raw=second, now=real_now())
        assert taken.message.thread == message.thread

    def test_a_bounce_without_an_id_is_about_the_address_it_names(self, box, sent):
        with ImapServer() as server:
            watch = box(server)
            message = sent(watch)
            server.put("INBOX", BOUNCE)
            read(watch)
        assert Message.objects.get(direction="in").answers == message

    def test_a_reply_before_our_own_commit_of_sent_stops_the_sequence(self, box, live, monkeypatch):
        """F31: the dot is answered and the mail delivered; its answer is here before we have written that down."""
        settle, seen = ledger.settle, []

        def after_the_answer(message, result, *, now):
            server.put("INBOX", letter(about=message.rfc_message_id))
            read(watch)
            seen.append(Message.objects.get(pk=message.pk).state)
            settle(message, result, now=now)

        monkeypatch.setattr(ledger, "settle", after_the_answer)
        with ImapServer() as server, CountingSmtp() as smtp:
            watch = box(server)
            Mailbox.objects.update(smtp_port=smtp.port)
            make.lead(live, "jo@lead.example")
            run = make.run(live, steps=[make.step(), make.step("Again", delay_days=0, delay_hours=0)])
            for _ in range(3):
                tick()
                dispatch()
        assert seen == ["committed"]
        assert Message.objects.get(direction="in").answers == Message.objects.get(direction="out", state="sent")
        assert run.enrollments.get().status == "replied"
        assert len(smtp.messages) == 1


BOUNCE = (
    b"From: MAILER-DAEMON@you.example\r\nTo: hi@you.example\r\nSubject: Undelivered Mail Returned to Sender\r\n"
    b"Message-ID: <b1@you.example>\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
    b"--b\r\nContent-Type: text/plain\r\n\r\nIt could not be delivered.\r\n"
    b"--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; you.example\r\n\r\n"
    b"Final-Recipient: rfc822; jo@lead.example\r\nAction: failed\r\nStatus: 5.1.1\r\n"
    b"Diagnostic-Code: smtp; 550 5.1.1 No such user\r\n\r\n--b--\r\n"
)


class TestFolders:
    def test_with_a_folder_of_all_mail_that_one_and_spam_are_read(self):
        marked = {"All": ("\\all",), "Spam": ("\\junk",), "Sent": ("\\sent",), "Bin": ("\\trash",)}
        flags = {"INBOX": (), "Sales": (), **marked}
        folders = [Folder(name, frozenset(marks)) for name, marks in flags.items()]
        assert readable(folders) == ["All", "Spam"]
        assert sent_of(folders) == "Sent"

    def test_without_marks_the_names_tell(self):
        names = ["Work", "INBOX.Gesendete Elemente", "INBOX.Papierkorb", "INBOX", "INBOX/Entwürfe"]
        folders = [Folder(name, frozenset()) for name in names]
        assert readable(folders) == ["INBOX", "Work"]
        assert sent_of(folders) == "INBOX.Gesendete Elemente"
        assert sent_of([Folder("INBOX", frozenset())]) == ""


class TestWatching:
    def test_each_mailbox_is_held_by_one_worker_until_its_lease_ends(self, box):
        with ImapServer() as server:
            box(server)
        one, two = uuid.uuid4(), uuid.uuid4()
        assert len(claim_due(holder=one, limit=5)) == 1
        assert claim_due(holder=two, limit=5) == []
        ImapWatch.objects.update(held_until=F("held_until") - imap_watch.LEASE)
        assert len(claim_due(holder=two, limit=5)) == 1

    def test_a_test_workspace_and_a_retired_mailbox_are_not_read(self, box, acme):
        make.mailbox(acme, "x@acme.example", imap_host="127.0.0.1")
        with ImapServer() as server:
            watch = box(server)
            Mailbox.objects.filter(pk=watch.mailbox_id).update(retired_at=real_now())
            assert claim_due(holder=watch.pk, limit=5) == []
        assert ImapWatch.objects.count() == 1


@pytest.mark.django_db(transaction=True)
class TestBeingTold:
    def test_it_reads_at_once_what_the_server_tells_of(self, box, settings):
        settings.IMAP_IDLE_POLL_SECONDS = 3600
        watcher = imap_watch.Watcher()
        with ImapServer() as server:
            box(server)
            try:
                watcher.turn()
                wait_until(lambda: server.idling and not watcher.busy)
                assert (watcher.turn(), ImapWatch.objects.get().idles) == (0, True)
                server.put("INBOX", letter(sender="stranger@else.example"))
                wait_until(lambda: watcher.turn() or StrayMail.objects.exists())
                wait_until(lambda: StrayMail.objects.exists() and not watcher.busy)
                assert server.connections == 1
            finally:
                watcher.close()
        assert ImapWatch.objects.get().holder is None

    def test_without_idle_it_is_polled(self, box, settings):
        settings.IMAP_POLL_SECONDS = 1
        watcher = imap_watch.Watcher()
        with ImapServer(idle=False) as server:
            box(server)
            try:
                watcher.turn()
                wait_until(lambda: not watcher.busy)
                server.put("INBOX", letter(sender="stranger@else.example"))
                wait_until(lambda: watcher.turn() or StrayMail.objects.exists())
                wait_until(lambda: StrayMail.objects.exists() and not watcher.busy)
            finally:
                watcher.close()
        assert server.connections == 2

    def test_two_readers_of_one_folder_take_each_mail_in_once(self, box, sent):
        with ImapServer() as server:
            watch = box(server)
            about = sent(watch).rfc_message_id
            for number in range(10):
                server.put("INBOX", letter(about=about, number=number))
            readers = [threading.Thread(target=_read_apart, args=(watch.pk,)) for _ in range(2)]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join(30)
            read(watch)
        assert received() == 10


def _read_apart(pk) -> None:
    try:
        read_once(ImapWatch.objects.select_related("mailbox__workspace").get(pk=pk))
    finally:
        connection.close()
