"""Webhooks among several workers and real commits: one bell, one delivery, no event lost."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from queue import Empty

import pytest
from django.db import connections, transaction

from apikeys.events import record_event, record_events
from apikeys.models import WebhookDelivery, WebhookEndpoint
from apikeys.webhook_delivery import deliver_due
from apikeys.webhooks import create_endpoint, replay
from outbound.celery import app
from tests import make
from tests.servers.receiver import LOOPBACK, Receiver, Says

pytestmark = pytest.mark.django_db(transaction=True)
TASK = "apikeys.deliver_webhooks"


@pytest.fixture(autouse=True)
def _loopback_is_ours(settings):
    settings.OUTBOUND_PRIVATE_NETWORKS = LOOPBACK


def listening(workspace, server):
    return create_endpoint(workspace=workspace, url=server.url, kinds=["*"], now=make.NOW)


def events(workspace, count: int) -> list[dict]:
    return [{"workspace": workspace, "kind": "lead.created", "summary": str(n), "now": make.NOW} for n in range(count)]


def rung() -> list[str]:
    """The tasks that wait in the default queue; taken out."""
    found = []
    with app.connection_for_read() as connection:
        queue = connection.SimpleQueue("default")
        try:
            while True:
                message = queue.get(timeout=0.5)
                found.append(message.headers["task"])
                message.ack()
        except Empty:
            return found


def in_threads(count: int, work) -> list:
    def one(_):
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(max_workers=count) as pool:
        return list(pool.map(one, range(count)))


class TestTheBell:
    def test_it_rings_after_the_commit_once_for_many(self, acme):
        with Receiver() as server:
            listening(acme, server)
        rung()
        with transaction.atomic():
            record_events(events(acme, 100))
            assert TASK not in rung()
        assert rung().count(TASK) == 1

    def test_it_does_not_ring_for_what_is_rolled_back(self, acme):
        with Receiver() as server:
            listening(acme, server)
        rung()
        with pytest.raises(RuntimeError), transaction.atomic():
            record_events(events(acme, 1))
            raise RuntimeError
        assert TASK not in rung()


class TestManyWorkers:
    def test_each_delivery_is_sent_once(self, acme):
        with Receiver() as server:
            listening(acme, server)
            record_events(events(acme, 60))
            while WebhookDelivery.objects.filter(state__in=WebhookDelivery.OPEN).exists():
                in_threads(4, deliver_due)
        assert len(server.got) == len({got.headers["webhook-id"] for got in server.got}) == 60

    def test_the_count_of_dead_letters_is_exact(self, acme):
        """Four die at one moment: the fifth switches it off, not the fourth and not the sixth."""
        with Receiver(Says(500)) as server:
            endpoint = listening(acme, server)
            record_events(events(acme, 4))
            WebhookDelivery.objects.update(tries=6)
            in_threads(4, deliver_due)
            endpoint.refresh_from_db()
            assert (endpoint.dead_in_a_row, endpoint.enabled) == (4, True)
            record_event(**events(acme, 1)[0])
            WebhookDelivery.objects.filter(state="pending").update(tries=6)
            deliver_due()
        endpoint.refresh_from_db()
        assert (endpoint.dead_in_a_row, endpoint.enabled) == (5, False)

    def test_a_worker_that_lost_its_lease_changes_nothing(self, acme):
        """While it waits for the answer another one takes over: the late answer is not written."""

        class Late(Receiver):
            def answer(self, got):
                WebhookDelivery.objects.update(token=None, state="pending", due_at=make.NOW + timedelta(days=1))
                connections.close_all()
                return super().answer(got)

        with Late(Says(200)) as server:
            listening(acme, server)
            record_event(**events(acme, 1)[0])
            deliver_due()
        delivery = WebhookDelivery.objects.get()
        assert (delivery.state, delivery.tries, delivery.history) == ("pending", 0, [])

    def test_an_endpoint_deleted_on_the_way_is_no_accident(self, acme):
        class Gone(Receiver):
            def answer(self, got):
                WebhookEndpoint.objects.all().delete()
                connections.close_all()
                return super().answer(got)

        with Gone() as server:
            listening(acme, server)
            record_event(**events(acme, 1)[0])
            assert deliver_due() == 1
        assert WebhookDelivery.objects.count() == 0

    def test_a_replay_of_one_in_hand_leaves_it(self, acme):
        with Receiver() as server:
            listening(acme, server)
        record_event(**events(acme, 1)[0])
        WebhookDelivery.objects.update(state="sending", lease_until=make.NOW + timedelta(days=1))
        row = replay(delivery=WebhookDelivery.objects.select_related("endpoint").get(), now=make.NOW)
        assert row.state == "sending"
