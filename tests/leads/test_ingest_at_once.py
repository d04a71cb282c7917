"""The same message posted by a sender that tries twice at once, and worked off by several workers: one effect."""

import json
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connections

from apikeys.billing import read_billing
from apikeys.inbound import billing_connection
from apikeys.models import Event, IngestedMessage, Workspace
from leads.clay import read_clay
from leads.models import Lead
from tests import make
from tests.leads.test_ingest import clay, post, post_row, signed  # noqa: F401  a fixture

pytestmark = [pytest.mark.django_db(transaction=True)]
AT_ONCE = 8


def at_once(work, *, times: int = AT_ONCE) -> list:
    barrier = threading.Barrier(times)

    def one(_):
        barrier.wait()
        try:
            return work()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def test_a_row_of_clay_is_taken_in_once(clay):  # noqa: F811
    answers = at_once(lambda: post_row(clay).status_code)

    assert Counter(answers) == {202: AT_ONCE}
    assert IngestedMessage.objects.count() == 1
    assert sum(at_once(read_clay, times=3)) == 1
    assert Lead.objects.count() == Event.objects.filter(kind="lead.created").count() == 1


def test_a_message_of_billing_is_taken_in_once(db):
    workspace, billing = make.workspace("Acme"), billing_connection()[0]
    body = json.dumps({"type": "subscription", "data": {"workspace": str(workspace.pk), "tier": "growth"}}).encode()
    headers = signed(billing, body)

    answers = at_once(lambda: post(billing, body, **headers).status_code)

    assert Counter(answers) == {202: AT_ONCE}
    assert sum(at_once(read_billing, times=3)) == 1
    assert (IngestedMessage.objects.count(), Workspace.objects.get().tier) == (1, "growth")
