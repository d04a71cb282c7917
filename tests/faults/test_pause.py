"""Pause, resume and stop over real HTTP while worker processes send over real SMTP: what is answered holds."""

import json
import random
import time
import urllib.error
import urllib.request

import pytest
from django.db import connection

from campaigns.models import Enrollment
from sending.models import Message
from tests import make
from tests.faults.product import live_workspace, smtp_server, states, steps, wait_for, workers

pytestmark = [pytest.mark.django_db(transaction=True)]
LEADS, PAUSES = 150, 8
LOOK = 1.5  # seconds: longer than a worker's look at the ledger, so that what could leave would


class Http:
    def __init__(self, address: str, workspace):
        self.address, self.key = address, make.key(workspace)

    def post(self, path: str) -> tuple[int, dict]:
        request = urllib.request.Request(
            f"{self.address}/api/v1{path}", data=b"{}", method="POST",
            headers={"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request) as answer:
                return answer.status, json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


@pytest.fixture
def product(tmp_path, live_server):
    """(HTTP with a key, the run, the server that counts) with workers at work on it."""
    count = 2 if connection.vendor == "postgresql" else 1
    with smtp_server(tmp_path) as server, workers(tmp_path, count=count):
        workspace = live_workspace(server.port, leads=LEADS)
        run = make.run(workspace, steps=steps(1))
        yield Http(live_server.url, workspace), run, server


def test_after_the_answer_to_a_pause_nothing_leaves_and_resume_sends_the_rest_once(product):
    http, run, server = product
    for _ in range(PAUSES):
        before = server.count()
        wait_for(lambda before=before: server.count() > before or server.count() == LEADS)
        time.sleep(random.uniform(0, 0.4))
        status, shown = http.post(f"/runs/{run.id}/pause")
        if status == 409:  # it reached its end meanwhile
            break
        at_the_answer = server.count()
        assert (status, shown["status"]) == (200, "paused")
        time.sleep(LOOK)
        assert server.count() - at_the_answer <= shown["progress"]["in_flight"]
        assert http.post(f"/runs/{run.id}/resume")[0] == 200

    wait_for(lambda: server.count() >= LEADS and set(states()) == {"sent"})
    assert max(server.places().values()) == 1
    assert len(server.places()) == LEADS


def test_a_stop_is_final(product):
    http, run, server = product
    wait_for(lambda: server.count() > 5)
    status, shown = http.post(f"/runs/{run.id}/stop")
    at_the_answer = server.count()
    assert (status, shown["status"]) == (200, "stopped")
    assert at_the_answer < LEADS
    time.sleep(LOOK)
    assert server.count() - at_the_answer <= shown["progress"]["in_flight"]
    assert http.post(f"/runs/{run.id}/resume")[0] == 409
    assert http.post(f"/runs/{run.id}/stop")[0] == 200
    wait_for(lambda: not set(states()) - {"sent", "canceled"})
    assert server.count() == states()["sent"]
    assert not Enrollment.objects.filter(campaign=run, status__in=["active", "held"]).exists()
    assert not Message.objects.filter(state="queued").exists()
