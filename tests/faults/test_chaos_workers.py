"""An update while mail is sent: new workers start beside old ones, which then end with mail in hand."""

import signal

import pytest
from django.db import connection

from outbound.audits import audit
from tests import make
from tests.faults.product import Worker, live_workspace, smtp_server, states, steps, wait_for, workers

pytestmark = pytest.mark.django_db(transaction=True)
LEADS = 80
COUNT = 2 if connection.vendor == "postgresql" else 1


def test_workers_replaced_one_by_one_while_mail_is_sent_double_and_lose_nothing(tmp_path):
    with smtp_server(tmp_path) as server, workers(tmp_path, count=COUNT) as running:
        make.run(live_workspace(server.port, leads=LEADS), steps=steps(1))
        for number in range(COUNT):
            wait_for(lambda number=number: server.count() > 20 * (number + 1), log=running[-1].log)
            running.append(Worker(f"new{number}", tmp_path / f"new{number}.log"))
            old = running[number]
            old.process.send_signal(signal.SIGTERM)
            assert old.process.wait(30) == 0, old.log.read_text()[-3000:]
        wait_for(lambda: set(states()) == {"sent"})
        assert len(server.places()) == LEADS
        assert set(server.places().values()) == {1}
        assert audit("caps") + audit("ledger") == []
