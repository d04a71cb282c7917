"""The API contract's tables row by row, and the refusals it quotes (tests/seeds/superkabe.md, the rows as printed)."""

import re
from datetime import timedelta

import pytest
from django.db import connection, connections
from django.urls import path
from django.utils import timezone

from apikeys.models import ApiKey
from apikeys.services import create_key
from apikeys.viewsets import WorkspaceViewSet
from campaigns.models import Campaign
from leads.validation import validate_due
from outbound.urls import urlpatterns as product
from sending.models import Mailbox, Thread
from tests import make
from tests.base import Api
from tests.contract import RANDOM_ID, operations
from tests.seeds import table
from tests.world import pass_time, run_until_idle

STEPS = [make.step("Quick question")]


def refused(answer, status: int, sentence: str = "") -> dict:
    assert answer.status_code == status, answer.content
    body = answer.json()
    assert body["success"] is False
    assert sentence in body["error"]
    return body


def campaign(api, *leads, **fields) -> str:
    body = {"name": "Q2", "steps": STEPS, "schedule": make.ALL_HOURS, **fields}
    return api.data("post", "/campaigns", {**body, "lead_ids": [str(lead.id) for lead in leads]})["id"]


@pytest.fixture
def launched(api, acme) -> str:
    make.mailbox(acme)
    made = campaign(api, make.lead(acme, "reply+1@sandbox.test"))
    api.data("post", f"/campaigns/{made}/launch")
    return made


# §3: scopes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scope", "gates", "_"), table("superkabe.md", "3 Scopes"))
def test_a_scope_gates_what_its_row_says(scope, gates, _):
    """That all scopes but this one are a 403 that names it is held for every endpoint in test_contract.py."""
    routes = {(o.method, re.sub(r"<[^>]+>", ":id", f"/{o.path}")): o.scope for o in operations()}
    written = gates.partition(" (")[0].replace("launch, pause", "POST /campaigns/:id/launch, POST /campaigns/:id/pause")
    for gate in written.split(", "):
        assert routes[tuple(gate.split())] == scope


# §5: status codes -----------------------------------------------------------------------------------------------------


class Broken(WorkspaceViewSet):
    scopes = {"list": "leads:read"}

    def list(self, request):
        raise RuntimeError("nobody expected this")


urlpatterns = [path("api/v1/broken", Broken.as_view({"get": "list"})), *product]


def answers_ok(api, acme):
    return api("get", "/account")


def answers_created(api, acme):
    return api("post", "/campaigns", {"name": "Q2", "steps": STEPS})


def answers_no_content(api, acme):
    return api("delete", f"/leads/{make.lead(acme).id}")


def answers_bad_request(api, acme):
    return api("post", "/campaigns", {"name": "Q2"})


def answers_unauthorized(api, acme):
    key, raw = create_key(workspace=acme, name="revoked")
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=timezone.now())
    return Api(raw)("get", "/account")


def answers_forbidden(api, acme):
    return Api(make.key(acme, scopes=["leads:read"]))("get", "/account")


def answers_not_found(api, acme):
    return api("get", f"/leads/{RANDOM_ID}")


def answers_conflict(api, acme):
    """C3: campaigns say 400 as their texts do; a run that is not in the state for it says 409."""
    make.mailbox(acme)
    make.lead(acme)
    run = make.run(acme)
    api.data("post", f"/runs/{run.id}/pause")
    return api("post", f"/runs/{run.id}/pause")


def answers_too_many(api, acme):
    api("get", "/account")
    return api("get", "/account")


def answers_server_error(api, acme):
    return api("get", "/broken")


STATUSES = {
    "200": answers_ok, "201": answers_created, "204": answers_no_content, "400": answers_bad_request,
    "401": answers_unauthorized, "403": answers_forbidden, "404": answers_not_found, "409": answers_conflict,
    "429": answers_too_many, "500": answers_server_error,
}  # fmt: skip
ROWS = {row[0]: row for row in table("superkabe.md", "5 Errors & status codes")}
UPSTREAM = "502 / 503 / 504"  # of these only 503 is ours, below: the others come from what stands before the product


def test_every_row_has_a_test():
    assert set(ROWS) == {*STATUSES, UPSTREAM}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_is_answered_in_the_envelope(api, acme, settings, status):
    settings.ROOT_URLCONF = __name__
    if status == "429":
        settings.RATE_LIMIT_PER_MINUTE = 1

    answer = STATUSES[status](api, acme)

    assert answer.status_code == int(status), answer.content
    if status == "204":
        assert answer.content == b""
    else:
        assert answer.json()["success"] is (int(status) < 400)
    if status == "201":
        assert api.data("get", f"/campaigns/{answer.json()['data']['id']}")
    if status == "429":
        assert int(answer["Retry-After"]) >= 1
    if status == "500":
        assert "nobody expected" not in str(answer.json())


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_busy_is_a_503_to_be_tried_again(api, acme):
    api("get", "/groups")  # the key's use is written down
    other = connections.create_connection("default")
    try:
        with other.cursor() as holding, connection.cursor() as ours:
            if connection.vendor == "postgresql":
                holding.execute("BEGIN; LOCK TABLE leads_group")
                ours.execute("SET lock_timeout = '50ms'")
            else:
                holding.execute("BEGIN IMMEDIATE")
                ours.execute("PRAGMA busy_timeout = 50")
            answer = api("post", "/groups", {"name": "G"})
            holding.execute("ROLLBACK")
        assert refused(answer, 503)["code"] == "busy"
        assert answer["Retry-After"] == "1"
        assert api("post", "/groups", {"name": "G"}).status_code == 201
    finally:
        other.close()
        connection.close()


# §7.2: what a list of leads may be asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "kind", "default", "notes"), table("superkabe.md", "7.2 GET /leads"))
def test_a_query_parameter(api, acme, name, kind, default, notes):
    found = {"validation_status": "pending"} if name == "validation_status" else {}
    for number, word in enumerate(notes.split(" · ") if " · " in notes else []):
        lead = make.lead(acme, f"p{number}@b.example")
        type(lead).objects.filter(pk=lead.pk).update(**{name: word})
        assert [row[name] for row in api.data("get", f"/leads?{name}={word}")] == [word]
        found = {name: word}
    if kind == "integer":
        assert api("get", "/leads").json()["meta"][name] == int(default)
        bounds = re.findall(r"\d+", notes)
        assert api("get", f"/leads?{name}={bounds[0]}").status_code == 200
        assert api("get", f"/leads?{name}={int(bounds[0]) - 1}").status_code == 400
        assert len(bounds) == 1 or api("get", f"/leads?{name}={int(bounds[1]) + 1}").status_code == 400
    elif found:
        assert name in refused(api("get", f"/leads?{name}=else"), 400)["details"]
    else:
        make.lead(acme, "jane@acme.com")
        assert [row["email"] for row in api.data("get", "/leads?search=NE@ACM")] == ["jane@acme.com"]
        assert api.data("get", "/leads?search=bob") == []


# Sentences and codes that the texts quote -----------------------------------------------------------------------------


class TestKeys:
    def test_one_that_was_revoked_or_has_expired_or_is_no_key_is_401(self, acme):
        key, raw = create_key(workspace=acme, name="k", expires_at=timezone.now() + timedelta(hours=1))
        assert Api(raw)("get", "/leads").status_code == 200
        ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
        refused(Api(raw)("get", "/leads"), 401)
        ApiKey.objects.filter(pk=key.pk).update(expires_at=None, revoked_at=timezone.now())
        refused(Api(raw)("get", "/leads"), 401)
        refused(Api("sk_live_abc123")("get", "/leads"), 401)

    def test_a_use_is_written_down(self, acme):
        key, raw = create_key(workspace=acme, name="k")
        Api(raw)("get", "/leads")
        key.refresh_from_db()
        assert timezone.now() - key.last_used_at < timedelta(minutes=1)

    def test_a_missing_scope_is_named(self, acme):
        answer = Api(make.key(acme, scopes=["reports:read"]))("get", "/account")
        assert refused(answer, 403)["error"] == "Missing required scope: account:read"


class TestCampaigns:
    def test_an_active_one_cannot_be_updated(self, api, launched):
        answer = api("patch", f"/campaigns/{launched}", {"name": "New name"})
        assert refused(answer, 400)["error"] == "Cannot update an active campaign. Pause it first."

    def test_steps_are_not_edited_here(self, api, acme):
        made = campaign(api, make.lead(acme))
        assert list(refused(api("patch", f"/campaigns/{made}", {"steps": STEPS}), 400)["details"]) == ["steps"]

    def test_an_active_one_cannot_be_launched(self, api, launched):
        refused(api("post", f"/campaigns/{launched}/launch"), 400, "already active")

    def test_one_without_a_step_cannot_be_made(self, api):
        assert "steps" in refused(api("post", "/campaigns", {"name": "Q2", "steps": []}), 400)["details"]

    def test_one_without_a_step_cannot_be_launched(self, api, acme):
        make.mailbox(acme)
        made = campaign(api, make.lead(acme))
        Campaign.objects.get(pk=made).sequence.versions.all().delete()
        refused(api("post", f"/campaigns/{made}/launch"), 400, "no step")

    def test_one_without_a_lead_cannot_be_launched(self, api, acme):
        make.mailbox(acme)
        refused(api("post", f"/campaigns/{campaign(api)}/launch"), 400, "no lead")

    def test_only_an_active_one_can_be_paused(self, api, launched):
        assert api("post", f"/campaigns/{launched}/pause").status_code == 200
        refused(api("post", f"/campaigns/{launched}/pause"), 400, "Only an active campaign can be paused.")

    def test_it_shows_its_first_hundred_leads(self, api, acme):
        made = campaign(api, *[make.lead(acme) for _ in range(101)])
        shown = api.data("get", f"/campaigns/{made}")
        assert (len(shown["leads"]), shown["leads_count"]) == (100, 101)

    def test_it_is_a_run_of_the_same_id(self, api, launched):
        assert api.data("get", f"/runs/{launched}")["status"] == "running"


class TestHealth:
    """§7.3: the gate that assigned leads pass."""

    def test_red_is_blocked_yellow_is_paused_green_is_active(self, api, acme):
        green, yellow, red = make.lead(acme), make.lead(acme, "info@b.example"), make.lead(acme, "x@mailinator.com")
        api.data("post", "/leads/validate", {"lead_ids": [str(lead.id) for lead in (green, yellow, red)]})
        validate_due()

        made = campaign(api, green, yellow, red)

        shown = api.data("get", f"/campaigns/{made}")
        assert {lead["id"]: lead["status"] for lead in shown["leads"]} == {
            str(green.id): "active", str(yellow.id): "paused",
        }  # fmt: skip


class TestReplies:
    @pytest.fixture
    def thread(self, acme, api, launched) -> Thread:
        run_until_idle()
        pass_time(acme, days=1)
        return Thread.objects.get()

    @pytest.mark.parametrize("status", [each for each in Mailbox.Connection.values if each != "active"])
    def test_a_mailbox_that_is_not_connected_sends_none(self, api, thread, status):
        Mailbox.objects.update(connection_status=status)
        refused(api("post", "/replies", {"thread_id": str(thread.id), "body_text": "Hi"}), 400, status)

    def test_at_least_one_body_is_required(self, api, thread):
        refused(api("post", "/replies", {"thread_id": str(thread.id)}), 400, "body_html or body_text")

    @pytest.mark.parametrize("body", [{"body_html": "<p>Yes</p>"}, {"body_text": "Yes"}])
    def test_one_body_is_enough(self, api, thread, body):
        assert api("post", "/replies", {"thread_id": str(thread.id), **body}).status_code == 200

    def test_a_thread_is_shown_once_by_its_newest_answer(self, api, acme, thread, launched):
        api.data("post", "/replies", {"thread_id": str(thread.id), "body_text": "Tell me more"})
        run_until_idle()
        pass_time(acme, days=1)

        shown = api.data("get", f"/campaigns/{launched}/replies")

        answers = thread.messages.filter(kind="reply").order_by("-created_at")
        assert (len(answers), shown["total_replies"], len(shown["replies"])) == (2, 1, 1)
        assert shown["replies"][0]["body_text"] == answers[0].body.text
