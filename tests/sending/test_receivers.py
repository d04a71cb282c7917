"""A receiver that says 421 or 451 gets half of what it took, and more again each day; others are not concerned."""

from datetime import timedelta

import pytest
from django.utils import timezone

from sending import ledger, receivers
from sending.models import Domain, Mailbox, Message
from sending.providers.base import SendResult
from sending.providers.smtp_replies import result_of

DAY = timedelta(days=1)


@pytest.fixture
def mails(queue) -> list[Message]:
    return queue(12)


def settle(count: int, result: SendResult) -> None:
    now = timezone.now()
    for message in ledger.claim(Mailbox.objects.get(), now=now, limit=count):
        assert ledger.commit(message, now=now)
        ledger.settle(message, result, now=now)


def limit(*, after: timedelta = timedelta()) -> int | None:
    return receivers.limit_for(Domain.objects.get(), "acme.example", timezone.now() + after)


def put_off() -> list[str]:
    now = timezone.now()
    for message in ledger.claim(Mailbox.objects.get(), now=now, limit=20):
        if ledger.commit(message, now=now):
            ledger.settle(message, SendResult("sent"), now=now)
    return list(Message.objects.filter(state="queued").values_list("state_reason", flat=True))


@pytest.mark.parametrize("reply", [(451, "4.3.0 Too many messages"), (421, "4.7.0 Try later, rate limited")])
def test_it_gets_half_of_what_it_took_and_the_record_says_why(mails, reply):
    settle(6, SendResult("sent"))
    settle(1, result_of("rcpt", *reply))
    assert limit() == 3
    Mailbox.objects.update(retry_connection_at=None)
    reasons = put_off()
    assert Message.objects.filter(state="sent").count() == 6 + 3
    assert "acme.example asked us to go slower: 3 mails of its domain a day for now." in reasons


def test_asked_again_within_the_hour_it_does_not_go_down_to_nothing(mails):
    settle(8, SendResult("sent"))
    settle(3, result_of("dot", 451, "4.3.0 Too many messages"))
    assert limit() == 4


@pytest.mark.parametrize(
    "result",
    [
        result_of("rcpt", 451, "4.7.1 Greylisted, retry in 300 seconds"),
        result_of("connect", 421, "Too many connections"),
        result_of("rcpt", 452, "4.2.2 Mailbox full"),
    ],
)
def test_greylisting_connections_and_full_mailboxes_are_none_of_it(mails, result):
    settle(6, SendResult("sent"))
    settle(1, result)
    assert limit() is None


def test_it_grows_by_half_each_day_and_is_forgotten_after_two_weeks(mails):
    settle(8, SendResult("sent"))
    settle(1, result_of("data", 451, "4.3.0 Too many messages"))
    assert [limit(after=days * DAY) for days in range(4)] == [4, 6, 9, 13]
    assert limit(after=15 * DAY) is None
