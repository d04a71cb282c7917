"""A test workspace: recipients behave as they are called, a seed tells one story, and nothing leaves it."""

import json
import re
import sys
from collections import defaultdict
from datetime import timedelta

import pytest
from django.conf import settings as configured

from apikeys.models import Event
from apikeys.services import create_workspace
from campaigns.models import Enrollment
from leads.models import Lead, Suppression, VariableValue
from leads.services import queue_validation
from leads.validation import validate_due
from leads.variables import queue_generation
from leads.writing import write_due
from sending.mailboxes import check_connection
from sending.models import Message, SandboxDelivery
from sending.reactions import AWAY_DAYS
from tests import make
from tests.vendors.anthropic import KEY
from tests.world import pass_time, run_until_idle

KINDS = ("ok", "bounce", "soft", "complaint", "reply", "ooo", "unsubscribe", "timeout")
STEPS = [
    {
        **make.step("{Hi|Hello} {{first_name}}", "<p>{{opening_line}} {Really|Truly}.</p>"),
        "variants": [
            {"label": label, "body_html": f"<p>{label} {{{{opening_line}}}}</p>", "weight": 50} for label in "AB"
        ],
    },
    make.step("", "<p>Once more.</p>", delay_days=2),
]


def story(name: str, seed: str):
    """A week of one run to all eight kinds, and to three of whom nothing is known."""
    workspace = create_workspace(name=name, livemode=False, sandbox_seed=seed)
    for kind in (*KINDS, "anna", "ben", "carla"):
        make.lead(workspace, f"{kind}+one@sandbox.test", first_name=kind.title(), company_name=f"{kind} Ltd")
    variable = make.variable(workspace, "opening_line", "Write to {{first_name}} of {{company_name}}.")
    queue_generation(variable=variable, leads=Lead.objects.for_workspace(workspace), now=make.NOW)
    write_due()
    make.run(workspace, sequence=make.sequence(workspace, "Story", STEPS))
    run_until_idle()
    for _ in range(14):
        pass_time(workspace, hours=12)
    return workspace


def log_of(workspace) -> dict[str, list[str]]:
    """What happened to each lead, in order; ids are normalised."""
    emails = dict(Lead.objects.for_workspace(workspace).values_list("id", "email"))
    told = defaultdict(list)
    for event in Event.objects.for_workspace(workspace).order_by("created_at", "id"):
        line = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "<id>", f"{event.kind}: {event.summary} {json.dumps(event.data)}")
        told[emails.get(event.lead_id, "")].append(line)
    return dict(told)


def said_to(workspace) -> dict:
    rows = Message.objects.for_workspace(workspace).filter(direction="out").select_related("body")
    text = {(row.to_email, row.subject, re.sub(r"/u/\S+", "/u/…", row.body.text)) for row in rows}
    waits = {(row.to_email, row.reaction, row.react_at and row.react_at - row.accepted_at)
             for row in SandboxDelivery.objects.filter(workspace_id=workspace.pk)}  # fmt: skip
    return {"text": text, "waits": waits}


@pytest.mark.django_db
class TestTheRecipients:
    def test_each_behaves_as_it_is_called(self):
        workspace = story("Acme", "one")

        rows = Enrollment.objects.filter(campaign__workspace=workspace).select_related("lead")
        ends = {row.lead.email.partition("+")[0]: row.status for row in rows}
        suppressed = dict(Suppression.objects.for_workspace(workspace).values_list("value", "kind"))
        assert ends == {
            "ok": "completed", "bounce": "bounced", "soft": "completed", "complaint": "unsubscribed",
            "reply": "replied", "ooo": "completed", "unsubscribe": "unsubscribed", "timeout": "active",
            "anna": "completed", "ben": "completed", "carla": "completed",
        }  # fmt: skip
        assert suppressed == {
            "bounce+one@sandbox.test": "bounced", "complaint+one@sandbox.test": "complained",
            "unsubscribe+one@sandbox.test": "unsubscribed",
        }  # fmt: skip
        assert Message.objects.get(state="unknown").to_email == "timeout+one@sandbox.test"
        first, second = Message.objects.filter(to_email="ooo+one@sandbox.test", state="sent").order_by("settled_at")
        assert second.settled_at - first.settled_at >= timedelta(days=AWAY_DAYS)  # the step's own wait is two
        assert Message.objects.filter(kind="bounce").count() >= 2  # the hard one and the soft one came in as mail


@pytest.mark.django_db
class TestTheSeed:
    def test_the_same_story_with_the_same_seed_has_the_same_log(self):
        first, second = story("First", "one"), story("Second", "one")
        assert log_of(first) == log_of(second)
        assert said_to(first) == said_to(second)

    def test_with_another_seed_chance_falls_otherwise(self):
        assert said_to(story("First", "one"))["waits"] != said_to(story("Second", "two"))["waits"]


LEFT: list = []
WATCHED = {"socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"}


def _hear(event, args):
    if event in WATCHED and LEFT and LEFT[0] is True:
        LEFT.append((event, args[1:] if event.startswith("socket.connect") else args))


sys.addaudithook(_hear)


@pytest.fixture
def doors():
    """What the process itself asks of the network while the test runs; the broker's own connection is none of it."""
    LEFT[:] = [True]
    yield lambda: [each for each in LEFT[1:] if not _is_ours(each)]
    LEFT.clear()


def _is_ours(each) -> bool:
    port = re.search(r":(\d+)", configured.REDIS_URL.rpartition("@")[2] or "") if configured.REDIS_URL else None
    return bool(port) and port[1] in str(each)


def test_no_door_of_a_test_workspace_leads_outside(acme, doors, settings):
    """A real server in the mailbox, a model's key, a resolver and a third party: none of them is asked."""
    settings.ANTHROPIC_API_KEY, settings.ANTHROPIC_BASE_URL = KEY, "http://127.0.0.1:9"
    settings.OUTBOUND_PRIVATE_NETWORKS = ["127.0.0.0/8"]
    settings.DNS_NAMESERVERS = [("127.0.0.1", 9)]
    settings.VALIDATION_THIRD_PARTY = settings.VALIDATION_CATCH_ALL_PROBE = f"{__name__}.asks_outside"
    mailbox = make.mailbox(
        acme, provider="smtp", smtp_host="smtp.vendor.example", smtp_port=9, smtp_security="none", username="u",
        password="p", imap_host="imap.vendor.example", imap_port=9,
    )  # fmt: skip
    leads = [make.lead(acme, f"{kind}+one@sandbox.test") for kind in KINDS]
    variable = make.variable(acme, "opening_line", "Write to {{first_name}}.")

    check_connection(mailbox)
    queue_generation(variable=variable, leads=Lead.objects.for_workspace(acme), now=make.NOW)
    write_due()
    queue_validation(workspace=acme, leads=leads, now=make.NOW)
    validate_due()
    make.run(acme, steps=STEPS)
    run_until_idle()
    for task in every_tick():
        task()
    pass_time(acme, hours=30)
    for task in every_tick():
        task()

    assert doors() == []
    assert Message.objects.filter(state="sent").count() == SandboxDelivery.objects.count() > 0
    assert set(VariableValue.objects.values_list("writer", flat=True)) == {"sandbox"}


def every_tick() -> list:
    """All that the clock does, as the worker runs it."""
    from outbound.celery import _ticks, app

    app.loader.import_default_modules()
    names = [entry["task"] for entry in _ticks().values()]
    return [app.tasks[name] for name in names]


def asks_outside(*_):
    raise AssertionError("A test workspace asks nobody.")
