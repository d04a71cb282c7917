"""Rows F12 and F34 of the failure matrix: workers whose broker goes away, or who are asked to end with mail in hand."""

import time

import pytest
from django.db import connection

from campaigns.runner import tick
from sending.models import Message
from sending.tasks import drain
from tests import make
from tests.faults.product import Worker, live_workspace, smtp_server, states, wait_for
from tests.servers.proxy import Line, Proxy
from tests.servers.redis import INSTALLED, PrivateRedis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def workers_end():
    running: list[Worker] = []
    yield running
    for worker in running:
        worker.end()


def one_more(workspace) -> None:
    group = make.group(workspace, f"Group {time.monotonic_ns()}", [make.lead(workspace)])
    make.run(workspace, group=group)
    tick()


@pytest.mark.skipif(connection.vendor != "postgresql" or not INSTALLED, reason="needs PostgreSQL and redis-server")
def test_F12_with_the_broker_down_flushed_and_back_mail_goes_on(tmp_path, settings, workers_end):
    with smtp_server(tmp_path) as server, PrivateRedis(tmp_path) as redis:
        settings.REDIS_URL = redis.url
        workspace = live_workspace(server.port, leads=0)
        workers_end.append(Worker("w", tmp_path / "worker.log"))
        for number, trouble in enumerate([lambda: None, redis.kill, redis.start, redis.kill]):
            trouble()  # started again it is empty: that is the flush
            one_more(workspace)
            wait_for(lambda number=number: server.count() == number + 1, log=tmp_path / "worker.log")
    assert set(server.ids().values()) == {1}
    assert states() == {"sent": 4}


def test_F34_asked_to_end_with_mail_in_flight_it_finishes_that_mail_and_gives_the_rest_back(tmp_path, workers_end):
    """A mail takes half a second on this line: whoever means to finish all two hundred is still at it after 30 s."""
    with smtp_server(tmp_path) as server, Proxy(server.port, up=Line(delay=0.1)) as line:
        workspace = live_workspace(line.port, leads=200)
        worker = Worker("w", tmp_path / "worker.log")
        workers_end.append(worker)
        make.run(workspace, schedule={**make.ALL_HOURS})
        for mailbox_id in tick():
            drain.delay(mailbox_id=str(mailbox_id))
        wait_for(lambda: server.count() >= 2, log=worker.log)
        worker.process.terminate()
        assert worker.process.wait(30) == 0
        held = Message.objects.filter(state__in=["claimed", "committed"]).count()
        assert held == 0, worker.log.read_text()[-2000:]
        assert 2 <= server.count() == states()["sent"] < 200
        assert states()["queued"] == 200 - server.count()
        assert set(Message.objects.filter(state="queued").values_list("attempt", flat=True)) == {0}
        line.up = Line()
        worker.start()
        before = server.count()
        wait_for(lambda: server.count() > before + 20, log=worker.log)  # without waiting for any lease
    assert set(server.ids().values()) == {1}
