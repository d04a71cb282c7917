"""An opt-out, a suppression, a deletion: answered only when no mail can leave any more that it forbids."""

import threading
import time

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from leads.models import Lead
from sending import ledger
from sending.models import Mailbox, Message
from sending.providers.base import SendResult
from sending.services import unsubscribe_url
from tests import make
from tests.ops.processes import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


def by_its_link(message: Message, key: str):
    return Client().post("/u/" + unsubscribe_url(message.workspace, message.pk).partition("/u/")[2])


def by_suppressing(message: Message, key: str):
    return _api(key).post("/api/v1/suppressions", {"value": message.to_email}, "application/json")


def by_suppressing_the_domain(message: Message, key: str):
    return _api(key).post("/api/v1/suppressions", {"value": "@acme.example"}, "application/json")


def by_deleting(message: Message, key: str):
    return _api(key).delete(f"/api/v1/leads/{message.lead_id}")


def by_changing_the_address(message: Message, key: str):
    return _api(key).patch(f"/api/v1/leads/{message.lead_id}", {"email": "new@acme.example"}, "application/json")


def _api(key: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {key}"})


WAYS = [by_its_link, by_suppressing, by_suppressing_the_domain, by_deleting, by_changing_the_address]


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__ for way in WAYS])
def test_the_answer_waits_for_the_mail_that_was_committed_before(acme, queue, way):
    queue()
    key = make.key(acme)
    now = timezone.now()
    (message,) = ledger.claim(Mailbox.objects.get(), now=now, limit=1)
    assert ledger.commit(message, now=now)
    answered: list = []

    def ask():
        answered.append((way(message, key), time.monotonic()))
        connection.close()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    held = Lead.objects.filter(email=message.to_email, status="active")
    wait_until(lambda: not held.exists(), why="the write to be committed")
    told_at = time.monotonic()
    ledger.settle(Message.objects.get(pk=message.pk), SendResult("sent", detail="250 OK"), now=now)
    asking.join(30)
    ((answer, answered_at),) = answered
    assert answer.status_code in (200, 201, 204), answer.content
    assert answered_at > told_at
