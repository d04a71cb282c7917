"""Idempotency-Key over real HTTP with several server processes: fifty at once have one effect, and so has a retry after
the process that was at it was killed."""

import threading
import urllib.error
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPException
from types import SimpleNamespace

import pytest
from django.db import connection, connections

from apikeys.models import Event, StoredResponse
from campaigns.campaigns import draft_campaign
from campaigns.models import Campaign
from leads.models import Group, Lead
from sending.models import Message, Thread
from tests import make
from tests.faults.web import Answer, web
from tests.ops.processes import wait_until
from tests.world import run_until_idle

pytestmark = [pytest.mark.django_db(transaction=True)]
FIFTY, MANY = 50, 1000
on_postgres = pytest.mark.skipif(connection.vendor != "postgresql", reason="needs locks of tables: PostgreSQL")


@dataclass(frozen=True)
class Write:
    """A request, how often it had its effect, and the table whose lock holds it up in the middle of its work."""

    path: Callable
    body: Callable
    effects: Callable[[], int]
    table: str
    other: dict | None = None


WRITES = {
    "group": Write(
        path=lambda w: "/groups", body=lambda w: {"name": "Same"}, other={"name": "Other"},
        effects=lambda: Group.objects.count(), table="leads_group",
    ),
    "bulk import": Write(
        path=lambda w: "/leads/bulk", other={"leads": [{"email": "other@bulk.example"}]},
        body=lambda w: {"leads": [{"email": f"p{number}@bulk.example"} for number in range(MANY)]},
        effects=lambda: Lead.objects.filter(email_domain="bulk.example").count() / MANY, table="leads_lead",
    ),
    "campaign": Write(
        path=lambda w: "/campaigns", other={"name": "Other", "steps": [make.step()]},
        body=lambda w: {"name": "April outbound", "steps": [make.step()], "lead_ids": [str(w.lead.id)]},
        effects=lambda: Campaign.objects.filter(name="April outbound").count(), table="campaigns_campaign",
    ),
    "launch": Write(
        path=lambda w: f"/campaigns/{w.draft.id}/launch", body=lambda w: {},
        effects=lambda: Event.objects.filter(kind="campaign.launched").count(), table="campaigns_campaign",
    ),
    "reply": Write(
        path=lambda w: "/replies", body=lambda w: {"thread_id": str(w.thread.id), "body_text": "Thursday works."},
        effects=lambda: Message.objects.filter(kind="manual").count(), table="sending_message",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory, django_db_setup):
    with web(tmp_path_factory.mktemp("web"), processes=2, REPLY_WAIT_SECONDS="1") as running:
        yield running


@pytest.fixture
def world(db) -> SimpleNamespace:
    workspace = make.workspace("Acme")
    mailbox, lead = make.mailbox(workspace), make.lead(workspace, "ok+1@sandbox.test")
    draft, _ = draft_campaign(
        workspace=workspace, name="Draft", steps=[make.step()], leads=[lead], mailboxes=[mailbox],
        schedule=make.ALL_HOURS, now=make.NOW,
    )  # fmt: skip
    thread = Thread.objects.create(
        workspace=workspace, mailbox=mailbox, lead=lead, contact_email=lead.email, subject="Hi", created_at=make.NOW
    )
    return SimpleNamespace(key=make.key(workspace), lead=lead, draft=draft, thread=thread)


def asked(server, world, write: Write, body=None) -> Answer | None:
    """The answer, None when the process that was to give it died."""
    try:
        return server.ask(
            "POST", write.path(world), body or write.body(world), key=world.key, Idempotency_Key="the same"
        )
    except (urllib.error.URLError, HTTPException, ConnectionError):
        return None


def at_once(server, world, write: Write, *, meanwhile: Callable = lambda: None) -> list[Answer | None]:
    barrier = threading.Barrier(FIFTY + 1)

    def ask(_):
        barrier.wait()
        return asked(server, world, write)

    with ThreadPoolExecutor(FIFTY) as pool:
        found = pool.map(ask, range(FIFTY))
        barrier.wait()
        meanwhile()
        return list(found)


def replayed(answer: Answer) -> bool:
    return answer.headers.get("Idempotency-Replayed") == "true"


def without_status(answer: Answer) -> dict:
    """Of a mail the present status is told, so that alone may differ."""
    return {name: value for name, value in answer.data.items() if name != "status"}


def said_done(answers: list[Answer]) -> list[Answer]:
    """Those that were answered alike; the others were told to ask again in a second."""
    done = [answer for answer in answers if answer.status in (200, 201)]
    for answer in answers:
        if answer not in done:
            assert (answer.status, answer.code) == (409, "idempotency_in_progress")
            assert answer.headers["Retry-After"] == "1"
    assert all(without_status(answer) == without_status(done[0]) for answer in done)
    return done


@pytest.mark.parametrize("name", WRITES)
def test_fifty_at_once_have_one_effect(server, world, name):
    write = WRITES[name]

    done = said_done(at_once(server, world, write))

    assert [replayed(answer) for answer in done].count(False) == 1
    assert write.effects() == 1
    assert StoredResponse.objects.count() == 1
    if write.other:
        assert asked(server, world, write, write.other).code == "idempotency_key_reused"
    run_until_idle()
    assert Message.objects.count() == {"launch": 1, "reply": 1}.get(name, 0)


@pytest.mark.parametrize("name", ["bulk import", "reply"])
def test_fifty_at_once_and_a_process_that_dies_have_one_effect(server, world, name):
    write = WRITES[name]

    answers = at_once(server, world, write, meanwhile=server.kill_one)

    said_done([answer for answer in answers if answer])
    retry = asked_until_answered(server, world, write)
    assert retry.status == 200
    assert write.effects() == 1
    assert replayed(asked_until_answered(server, world, write))


@on_postgres
@pytest.mark.parametrize("name", WRITES)
def test_a_process_killed_in_the_middle_leaves_no_half_effect_and_no_key(server, world, name):
    write, before = WRITES[name], WRITES[name].effects()
    with ThreadPoolExecutor(1) as pool:
        with locked(write.table):
            first = pool.submit(asked, server, world, write)
            wait_until(lambda: waiting_for(write.table), why="the request to be at it", log=server.log)
            for pid in server.processes():
                server.kill(pid)
            assert first.result() is None
    wait_until(lambda: not waiting_for(write.table), why="the database to notice")
    assert (write.effects(), StoredResponse.objects.count()) == (before, 0)

    retry = asked_until_answered(server, world, write)

    assert retry.status in (200, 201)
    assert not replayed(retry)
    assert write.effects() == before + 1
    assert replayed(asked(server, world, write))


def asked_until_answered(server, world, write: Write) -> Answer:
    """As a client with a retry loop does it: lost connections and 409 are tried again."""

    def answer():
        found = asked(server, world, write)
        return found if found and found.status != 409 else None

    return wait_until(answer, why="an answer", log=server.log)


@contextmanager
def locked(table: str) -> Iterator[None]:
    """By another connection: whoever writes to the table waits, whoever reads it does not."""
    other = connections.create_connection("default")
    try:
        with other.cursor() as cursor:
            cursor.execute(f"BEGIN; LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield
            cursor.execute("ROLLBACK")
    finally:
        other.close()


def waiting_for(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            [table],
        )
        return cursor.fetchone()[0]
