"""PATCH /account {"require_validation": true}: nobody is written to before their address has a verdict."""

import pytest

from campaigns.models import Enrollment
from campaigns.runner import tick
from leads.models import Lead
from leads.queries import NOT_VALIDATED, awaits_validation
from leads.validation import validate_due
from sending.models import Message
from tests import make
from tests.world import run_until_idle


@pytest.fixture
def strict(acme, api):
    assert api.data("patch", "/account", {"require_validation": True})["require_validation"] is True
    acme.refresh_from_db()
    return acme


def test_who_was_never_validated_is_not_green_and_is_held_at_enrollment(strict, api):
    lead = make.lead(strict, "jo@acme.example")
    made = api.data("post", "/campaigns", {"name": "C", "steps": [make.step()], "lead_ids": [str(lead.pk)]}, status=201)

    [row] = api.data("get", f"/campaigns/{made['id']}")["leads"]

    assert (made["leads_assigned"], made["leads_held"]) == (1, 1)
    assert (row["status"], row["reason"]) == ("held", NOT_VALIDATED)
    assert (api.data("get", f"/leads/{lead.pk}")["health"], api.data("get", "/leads")[0]["health"]) == (
        "yellow", "yellow",
    )  # fmt: skip


def test_a_run_holds_them_says_so_and_writes_once_they_are_validated(strict, api):
    lead = make.lead(strict, "jo@acme.example")
    run = make.run(strict)
    run_until_idle()
    assert not Message.objects.exists()
    shown = api.data("get", f"/runs/{run.pk}")
    assert NOT_VALIDATED in str(shown) and any(NOT_VALIDATED in line["summary"] for line in shown["logs"])

    api.data("post", "/leads/validate", {"lead_ids": [str(lead.pk)]})
    validate_due()
    Enrollment.objects.update(due_at=make.NOW)
    run_until_idle()

    assert Message.objects.get().state == "sent"


def test_it_is_asked_again_at_the_send(acme, api):
    make.lead(acme, "jo@acme.example")
    make.run(acme)
    tick()
    api.data("patch", "/account", {"require_validation": True})

    run_until_idle()

    assert {(row.state, row.state_reason) for row in Message.objects.all()} == {("canceled", NOT_VALIDATED)}
    assert Enrollment.objects.values_list("status", "reason", "position").get() == ("held", NOT_VALIDATED, 0)


@pytest.mark.parametrize(
    ("verdict", "score", "waits"),
    [
        (None, None, True), ("pending", None, True), ("unknown", None, True), ("valid", 100, False),
        ("valid", None, False), ("risky", 60, False), ("unknown", 30, False), ("pending", 90, False),
    ],
)  # fmt: skip
def test_a_verdict_is_what_counts(strict, verdict, score, waits):
    lead = Lead(workspace=strict, email="a@b.example", validation_status=verdict, validation_score=score)
    assert awaits_validation(lead, strict) is waits
