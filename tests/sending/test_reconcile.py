"""What becomes of a mail that was parked: the evidence in its order, fenced, from folders that prove something."""

import threading
from datetime import timedelta

import pytest
from django.db import connection

from outbound.clock import real_now
from sending import imap_watch, ledger, reconcile
from sending.imap_watch import read_once
from sending.inbox import take_in
from sending.models import ImapWatch, Mailbox, Message, SendCounter
from sending.postoffice import dispatch
from sending.services import close_lane
from tests.sending.test_imap_reading import letter
from tests.servers.imap import ImapServer
from tests.servers.scripted_smtp import OK, Drop, ScriptedSmtp


@pytest.fixture(autouse=True)
def quick(settings):
    settings.IMAP_STEP_TIMEOUT_SECONDS = 2
    settings.SMTP_STEP_TIMEOUT_SECONDS = settings.SMTP_DOT_TIMEOUT_SECONDS = 2


@pytest.fixture
def imap():
    with ImapServer() as server:
        yield server


@pytest.fixture
def sends(post, imap):
    """sends(4, lost=[3]): that many mails of one mailbox; the answer to the dots of those in `lost` never comes.

    The server keeps a copy of each in Sent, as Google's does; of a lost one when it is in `kept`."""

    def send(count=1, *, lost=(), kept=(), accept=True, **fields) -> list[Message]:
        endings = [Drop(accept=number in kept) if number in lost else OK for number in range(count)]
        with ScriptedSmtp({"dot": [*endings, OK]}) as smtp:
            messages = post(
                smtp, count, imap_host="127.0.0.1", imap_port=imap.port, imap_security="none", password="secret",
                **fields,
            )  # fmt: skip
            imap_watch.ensure_watches()
            dispatch()
        for body in smtp.bodies:
            imap.put("Sent", body.replace(b"\r\n..", b"\r\n."))
        return [Message.objects.get(pk=message.pk) for message in messages]

    return send


def look() -> ImapWatch:
    watch = ImapWatch.objects.select_related("mailbox__workspace").get()
    read_once(watch)
    watch.refresh_from_db()
    assert watch.detail == ""
    return watch


def age(*messages: Message, minutes: int = 20) -> None:
    """As if they had been committed so long ago."""
    for message in messages:
        Message.objects.filter(pk=message.pk).update(committed_at=message.committed_at - timedelta(minutes=minutes))


def state_of(message: Message) -> str:
    message.refresh_from_db()
    return message.state


class TestProof:
    def test_three_ordinary_sends_found_in_time_make_its_silence_a_proof(self, sends):
        sends(2)
        assert look().sent_found == 2
        Mailbox.objects.update(retry_connection_at=None)
        assert look().sent_found == 2, "each counts once"

    def test_three(self, sends):
        sends(3)
        assert look().sent_found == 3

    def test_one_that_is_not_there_after_two_minutes_takes_it_away(self, sends, imap):
        messages = sends(4)
        imap.folders["Sent"].mails.pop()  # of the last one
        watch = look()
        assert (watch.sent_found, watch.sent_checked_until) == (3, messages[2].committed_at)
        assert watch.next_look_at < real_now() + timedelta(seconds=60), "it looks again soon"
        age(*messages)
        messages[2].refresh_from_db()
        ImapWatch.objects.update(sent_checked_until=messages[2].committed_at)
        assert look().sent_found == 0

    def test_one_found_late_proves_nothing(self, sends):
        messages = sends(3)
        ImapWatch.objects.update(created_at=real_now() - timedelta(hours=1))
        age(*messages)
        assert look().sent_found == 0

    def test_another_folder_has_proved_nothing(self, sends, imap):
        sends(3)
        look()
        imap.folders["Sent"].flags = ()
        imap.folders["Gesendet"] = imap.folders["Sent"].__class__("Gesendet", ("\\Sent",))
        imap.folders.pop("Sent")
        watch = look()
        assert (watch.sent_folder, watch.sent_found) == ("Gesendet", 0)


class TestEvidence:
    def test_found_in_sent_is_sent_whether_or_not_its_silence_proves_anything(self, sends):
        (message,) = sends(1, lost=[0], kept=[0])
        assert message.state == "unknown"
        watch = look()
        assert (state_of(message), watch.sent_found) == ("sent", 0)
        assert message.state_reason == reconcile.FOUND
        assert message.settled_at == message.departed_at
        assert Mailbox.objects.get().total_sent_count == 1

    def test_absent_from_a_folder_that_proves_is_sent_again_once(self, sends, imap):
        *others, message = sends(4, lost=[3])
        before = SendCounter.objects.values_list("used", flat=True)
        look()
        assert state_of(message) == "unknown", "its copy may still come"
        age(message, *others)
        used = list(before)
        look()
        assert state_of(message) == "queued"
        assert [count - 1 for count in used] == list(SendCounter.objects.values_list("used", flat=True))
        with ScriptedSmtp() as smtp:
            Mailbox.objects.update(smtp_port=smtp.port, retry_connection_at=None)
            dispatch()
        assert [message.rfc_message_id.encode() in body for body in smtp.bodies] == [True]
        assert state_of(message) == "sent"

    def test_absent_from_a_folder_that_proves_nothing_stays_unknown(self, sends):
        *_, message = sends(3, lost=[2])
        age(message)
        look()
        assert (state_of(message), message.state_reason) == ("unknown", reconcile.UNPROVEN)

    def test_an_emptied_folder_proves_nothing_in_the_moment_it_counts(self, sends, imap):
        *others, message = sends(4, lost=[3])
        look()
        imap.folders["Sent"].mails.clear()
        age(message, *others)
        watch = look()
        assert (state_of(message), watch.sent_found) == ("unknown", 0)

    def test_a_folder_that_we_fill_proves_nothing(self, sends):
        *_, message = sends(4, lost=[3], append_to_sent=True)
        ImapWatch.objects.update(sent_found=3)
        age(message)
        look()
        assert state_of(message) == "unknown"

    def test_an_answer_that_names_it_outweighs_an_empty_sent_folder(self, sends, imap):
        *_, message = sends(4, lost=[3])
        look()
        age(message)
        imap.put("INBOX", letter(about=message.rfc_message_id))
        look()
        assert (state_of(message), message.state_reason) == ("sent", reconcile.ANSWERED)

    def test_an_answer_that_names_it_needs_no_connection(self, sends):
        (message,) = sends(1, lost=[0])
        take_in(mailbox=message.mailbox, raw=letter(about=message.rfc_message_id), now=real_now())
        dispatch()
        assert state_of(message) == "sent"

    def test_an_answer_of_the_same_person_to_something_else_says_nothing(self, sends):
        (message,) = sends(1, lost=[0])
        take_in(mailbox=message.mailbox, raw=letter(sender=message.to_email), now=real_now())
        assert message.answered_by.exists()
        dispatch()
        assert state_of(message) == "unknown"

    def test_without_a_readable_sent_folder_it_stays_unknown(self, sends, imap):
        *_, message = sends(4, lost=[3], kept=[3])
        imap.folders.pop("Sent")
        age(message)
        look()
        assert state_of(message) == "unknown"

    def test_of_a_run_that_was_stopped_nothing_is_sent_again(self, sends):
        *others, message = sends(4, lost=[3])
        look()
        close_lane(message.lane_id, now=real_now())
        age(message, *others)
        look()
        ledger.reap()
        assert state_of(message) == "canceled"


class TestFences:
    def test_a_slow_reconciler_writes_nothing_about_a_later_attempt(self, sends):
        """F7: what it looked up belongs to an attempt that is over; the row is unknown again, under another token."""
        *others, message = sends(4, lost=[3])
        look()
        age(message, *others)
        slow = Message.objects.select_related("workspace", "lane").get(pk=message.pk)
        look()
        assert state_of(message) == "queued"
        with ScriptedSmtp({"dot": Drop(accept=True)}) as smtp:
            Mailbox.objects.update(smtp_port=smtp.port, retry_connection_at=None)
            dispatch()
        assert (state_of(message), len(smtp.bodies)) == ("unknown", 1)
        assert not reconcile.judge(slow, in_sent=False, silence_proves=lambda: True)
        assert state_of(message) == "unknown"

    @pytest.mark.django_db(transaction=True)
    def test_many_at_once_settle_it_once(self, sends):
        (message,) = sends(1, lost=[0], kept=[0])
        rows = [Message.objects.select_related("workspace", "lane").get(pk=message.pk) for _ in range(4)]
        wrote = []
        threads = [threading.Thread(target=_judge, args=(row, wrote)) for row in rows]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(wrote) == [False, False, False, True]
        assert Mailbox.objects.get().total_sent_count == 1

    def test_one_that_dies_before_its_commit_leaves_it_to_the_next(self, sends, monkeypatch):
        (message,) = sends(1, lost=[0], kept=[0])
        whole = ledger.book_sent
        monkeypatch.setattr(ledger, "book_sent", _die)
        with pytest.raises(SystemExit):
            reconcile.judge(Message.objects.select_related("workspace", "lane").get(pk=message.pk), in_sent=True)
        assert state_of(message) == "unknown"
        monkeypatch.setattr(ledger, "book_sent", whole)
        look()
        assert state_of(message) == "sent"


def _judge(row, wrote) -> None:
    try:
        wrote.append(reconcile.judge(row, in_sent=True))
    finally:
        connection.close()


def _die(*_, **__):
    raise SystemExit


class TestCopies:
    def test_a_copy_of_each_is_put_there_once(self, sends, imap):
        messages = sends(3, append_to_sent=True)
        imap.folders["Sent"].mails.clear()  # this server keeps none
        look()
        look()
        ids = [message.rfc_message_id.encode() for message in messages]
        assert [imap.holds("Sent", name) for name in ids] == [1, 1, 1]

    def test_a_copy_that_is_there_already_is_left_alone(self, sends, imap):
        messages = sends(2, append_to_sent=True)
        look()
        assert [imap.holds("Sent", message.rfc_message_id.encode()) for message in messages] == [1, 1]
