"""The embedded broker within one process: what a publish does to the caller's transaction, and what a reader sees."""

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from kombu import Connection

from outbound.embedded import broker
from outbound.models import BrokerMessage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def queue():
    with Connection(broker.URL, transport_options={"lease_seconds": 60}) as link:
        with link.SimpleQueue("letters") as letters:
            yield letters


def test_it_rolls_a_publish_back_with_the_transaction(queue):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        queue.put({"a": 1})
        raise ZeroDivisionError
    assert not BrokerMessage.objects.exists()


def test_it_hands_a_message_to_one_reader_only(queue):
    queue.put({"a": 1})
    queue.get(block=False)
    with pytest.raises(queue.Empty):
        queue.get(block=False)


def test_it_keeps_the_message_until_it_is_acknowledged(queue):
    queue.put({"a": 1})
    message = queue.get(block=False)
    assert BrokerMessage.objects.count() == 1
    message.ack()
    assert not BrokerMessage.objects.exists()


def test_it_hands_a_requeued_message_out_again(queue):
    queue.put({"a": 1})
    queue.get(block=False).requeue()
    assert queue.get(block=False).payload == {"a": 1}


def test_it_forgets_a_rejected_message(queue):
    queue.put({"a": 1})
    queue.get(block=False).reject()
    assert not BrokerMessage.objects.exists()


def test_it_keeps_the_order_of_publishing(queue):
    for number in range(12):
        queue.put(number)
    assert [queue.get(block=False).payload for _ in range(12)] == list(range(12))


def test_an_idle_poll_only_reads(queue):
    with (
        CaptureQueriesContext(
            connection,
        ) as seen,
        pytest.raises(queue.Empty),
    ):
        queue.get(block=False)
    assert [query["sql"].split()[0] for query in seen.captured_queries] == ["SELECT"]
