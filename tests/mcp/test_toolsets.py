"""The toolsets beside the default one: what each lists, what its tools do and refuse, and for whom."""

import json
import threading
import time

import jsonschema
import pytest
from django.db import connection

from apikeys.scopes import ALL_SCOPES
from apikeys.webhooks import create_endpoint
from campaigns.models import Campaign
from leads.models import Lead
from mcp.registry import TOOLS
from sending.models import Message, Thread
from sending.services import dispatch
from tests import make
from tests.mcp.conftest import Door
from tests.mcp.test_parity import bare
from tests.mcp.test_tools import NAMES, walk
from tests.world import pass_time, run_until_idle

CAMPAIGNS = [
    "create_campaign", "get_campaign", "update_campaign", "launch_campaign", "pause_campaign", "add_campaign_leads",
    "archive_campaign", "get_campaign_report", "get_campaign_replies", "explain_run", "explain_lead", "send_reply",
    "list_parked_sends", "decide_parked_send", "list_variable_values", "edit_variable_value", "approve_variable_values",
    "set_variable_checks", "sample_variable",
]  # fmt: skip
INFRA = [
    "import_leads", "list_leads", "validate_leads", "get_validation_results", "list_mailboxes", "list_domains",
    "list_webhooks", "get_account",
]  # fmt: skip
MORE = [*CAMPAIGNS, *INFRA]
READING = {
    "list_parked_sends", "list_variable_values",
    "explain_run", "explain_lead",
    "get_campaign", "get_campaign_report", "get_campaign_replies", "list_leads", "get_validation_results",
    "list_mailboxes", "list_domains", "list_webhooks", "get_account",
}  # fmt: skip
DESTRUCTIVE = {
    "decide_parked_send", "update_campaign", "launch_campaign", "archive_campaign", "send_reply",
    "approve_variable_values", "sample_variable",
}  # fmt: skip
OPEN_WORLD = {
    "decide_parked_send", "launch_campaign", "add_campaign_leads", "send_reply", "validate_leads", "sample_variable",
}  # fmt: skip
THIRD_PARTY = {
    "list_parked_sends", "decide_parked_send", "list_variable_values", "edit_variable_value",
    "explain_run", "explain_lead",
    "get_campaign", "launch_campaign", "get_campaign_replies", "list_leads", "list_mailboxes", "list_domains",
}  # fmt: skip
STEPS = [make.step("Hello {{first_name}}"), make.step("Again", delay_days=3)]


class WideDoor(Door):
    """Asks for every toolset."""

    def post(self, body, **headers):
        return super().post(body, **{"X_MCP_Toolsets": "all", **headers})


def names_of(answer) -> list[str]:
    return [tool["name"] for tool in answer.json()["result"]["tools"]]


def listed(door, **headers) -> list[str]:
    return names_of(door.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, **headers))


def data_of(result):
    assert result["isError"] is False, result
    return result["structuredContent"]


def error_of(result) -> dict:
    assert result["isError"] is True, result
    return json.loads(result["content"][0]["text"])


@pytest.fixture
def wide(raw_key):
    return WideDoor(raw_key)


class TestTheLists:
    @pytest.mark.parametrize(
        ("asked", "names"),
        [
            ("outbound", NAMES),
            ("campaigns", CAMPAIGNS),
            ("infra", INFRA),
            ("campaigns,outbound", [*NAMES, *CAMPAIGNS]),
            ("all", [*NAMES, *MORE]),
        ],
    )
    def test_each_toolset_is_its_own(self, tools, asked, names):
        assert listed(tools, X_MCP_Toolsets=asked) == names

    def test_an_unknown_one_is_400_and_told_which_there_are(self, tools):
        answer = tools.post({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}, X_MCP_Toolsets="campaign")

        assert answer.status_code == 400
        assert "outbound, campaigns, infra, all" in answer.content.decode()

    def test_a_tool_of_another_toolset_is_unknown(self, tools):
        assert tools.rpc("tools/call", {"name": MORE[0], "arguments": {}})["error"]["code"] == -32602

    def test_read_only_hides_what_writes(self, wide):
        assert set(listed(wide, X_MCP_Readonly="true")) & set(MORE) == READING

    @pytest.mark.parametrize("name", MORE)
    def test_a_key_without_its_scope_does_not_see_it(self, acme, name):
        blind = WideDoor(make.key(acme, scopes=[scope for scope in ALL_SCOPES if scope != TOOLS[name].scope]))
        only = WideDoor(make.key(acme, scopes=[TOOLS[name].scope]))

        assert name not in listed(blind)
        assert blind.rpc("tools/call", {"name": name, "arguments": {}})["error"]["code"] == -32602
        assert name in listed(only)

    @pytest.mark.parametrize("name", MORE)
    def test_its_schemas_suit_every_client(self, name):
        definition = TOOLS[name].definition
        for schema in (definition["inputSchema"], definition["outputSchema"]):
            jsonschema.Draft202012Validator.check_schema(schema)
            assert schema["additionalProperties"] is False
            assert all("$ref" not in part and not isinstance(part.get("type"), list) for part in walk(schema))
        for part in walk(definition["inputSchema"]):
            for parameter, schema in part.get("properties", {}).items() if part.get("type") == "object" else ():
                assert schema.get("description"), parameter

    def test_the_hints_are_true(self):
        hints = {name: TOOLS[name].definition["annotations"] for name in MORE}

        assert {name for name in MORE if hints[name]["readOnlyHint"]} == READING
        assert {name for name in MORE if hints[name]["destructiveHint"]} == DESTRUCTIVE
        assert {name for name in MORE if hints[name]["openWorldHint"]} == OPEN_WORLD
        assert {name for name in MORE if TOOLS[name].third_party} == THIRD_PARTY


def draft(door, workspace, emails=("ok+1@sandbox.test",), **fields) -> dict:
    leads = [str(make.lead(workspace, email).pk) for email in emails]
    given = {"name": "Q2", "steps": STEPS, "lead_ids": leads, "schedule": make.ALL_HOURS, **fields}
    return data_of(door.call("create_campaign", **given))


@pytest.fixture
def campaign(wide, acme) -> str:
    make.mailbox(acme)
    return draft(wide, acme)["id"]


@pytest.fixture
def answered(wide, acme) -> str:
    """The id of a campaign that one lead has replied to."""
    make.mailbox(acme)
    campaign = draft(wide, acme, ["reply+1@sandbox.test"])["id"]
    data_of(wide.call("launch_campaign", campaign_id=campaign))
    run_until_idle()
    pass_time(acme, days=1)
    return campaign


def send_once_queued():
    """A worker beside the test: sends the answer as soon as its row can be seen, 20 s at most."""
    deadline = time.monotonic() + 20
    while not Message.objects.filter(kind="manual").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    dispatch()
    connection.close()


ON_A_CAMPAIGN = {
    "get_campaign": {}, "update_campaign": {"name": "Mine"}, "launch_campaign": {}, "pause_campaign": {},
    "add_campaign_leads": {"lead_ids": []}, "archive_campaign": {}, "get_campaign_report": {},
    "get_campaign_replies": {},
}  # fmt: skip


@pytest.mark.parametrize("name", list(ON_A_CAMPAIGN))
def test_a_strangers_campaign_is_unknown(wide, rival, campaign, name):
    stranger = WideDoor(make.key(rival))
    before = Campaign.objects.values().get()

    error = error_of(stranger.call(name, campaign_id=campaign, **ON_A_CAMPAIGN[name]))

    assert error["details"]["campaign_id"] == [
        f"There is no campaign '{campaign}'. list_campaigns shows those there are."
    ]
    assert Campaign.objects.values().get() == before


class TestDrafting:
    def test_the_draft_is_the_one_of_the_other_door(self, wide, acme, api):
        made = draft(wide, acme, ["ok+1@sandbox.test", "info@acme.example", "x@mailinator.com"])

        assert (made["status"], made["steps_count"]) == ("draft", 2)
        assert (made["leads_assigned"], made["leads_blocked"], made["leads_paused"]) == (2, 1, 1)
        assert api.data("GET", f"/campaigns/{made['id']}")["name"] == "Q2"

    def test_a_strangers_leads_and_mailboxes_are_unknown(self, wide, rival):
        theirs = {"lead_ids": [str(make.lead(rival).pk)], "mailbox_ids": [str(make.mailbox(rival).pk)]}

        error = error_of(wide.call("create_campaign", name="Q2", steps=STEPS, **theirs))

        assert set(error["details"]) == {"lead_ids", "mailbox_ids"}
        assert not Campaign.objects.exists()

    def test_it_is_shown_as_rest_shows_it(self, wide, api, campaign):
        shown = data_of(wide.call("get_campaign", campaign_id=campaign, response_format="detailed"))

        rest = api.data("GET", f"/campaigns/{campaign}")
        assert [lead["email"] for lead in shown["leads"]] == ["ok+1@sandbox.test"]
        assert {name: rest[name] for name in shown if name not in ("steps", "leads")} == {
            name: shown[name] for name in shown if name not in ("steps", "leads")
        }

    def test_who_may_not_read_leads_sees_no_address(self, acme, campaign):
        narrow = WideDoor(make.key(acme, scopes=["campaigns:read"]))
        assert "sandbox.test" not in json.dumps(narrow.call("get_campaign", campaign_id=campaign))

    def test_its_schedule_changes_and_what_is_absent_stays(self, wide, campaign):
        shown = data_of(wide.call("update_campaign", campaign_id=campaign, daily_limit=7))
        assert (shown["name"], shown["daily_limit"]) == ("Q2", 7)

    def test_an_active_one_does_not_change(self, wide, campaign):
        wide.call("launch_campaign", campaign_id=campaign)
        error = error_of(wide.call("update_campaign", campaign_id=campaign, daily_limit=7))
        assert error["error"] == "Cannot update an active campaign. Pause it first."

    def test_leads_are_added_once(self, wide, acme, campaign):
        more = [str(make.lead(acme, "ok+2@sandbox.test").pk)]

        for _ in range(2):
            data_of(wide.call("add_campaign_leads", campaign_id=campaign, lead_ids=more))

        assert data_of(wide.call("get_campaign", campaign_id=campaign))["leads_count"] == 2

    def test_an_ended_one_takes_none(self, wide, acme, campaign):
        wide.call("archive_campaign", campaign_id=campaign)
        more = [str(make.lead(acme, "ok+2@sandbox.test").pk)]
        error = error_of(wide.call("add_campaign_leads", campaign_id=campaign, lead_ids=more))
        assert error["code"] == "wrong_state"


class TestLaunching:
    def test_it_answers_a_handle_and_the_campaign_is_a_run(self, wide, campaign):
        shown = data_of(wide.call("launch_campaign", campaign_id=campaign))

        assert (shown["status"], shown["leads"], shown["steps"]) == ("active", 1, 2)
        assert shown["poll_with"] == "get_campaign_report"
        assert data_of(wide.call("get_run_status", run_id=campaign))["status"] == "running"

    def test_a_dry_run_changes_nothing_and_its_token_launches(self, wide, campaign):
        shown = data_of(wide.call("launch_campaign", campaign_id=campaign, dry_run=True))

        assert Campaign.objects.get().status == "draft"
        assert shown["counts"] == {"enrolled": 1, "paused": 0, "steps": 2, "senders": 1}
        assert shown["estimate"] == {"mails_at_most": 2, "sending_days_at_least": 1}
        assert shown["sample"][0]["subject"] == "Hello Jo"
        token = shown["confirm_token"]
        assert data_of(wide.call("launch_campaign", campaign_id=campaign, confirm_token=token))["status"] == "active"

    @pytest.mark.parametrize("change", ["leads", "schedule"])
    def test_a_token_is_void_once_what_it_showed_has_changed(self, wide, acme, campaign, change):
        token = data_of(wide.call("launch_campaign", campaign_id=campaign, dry_run=True))["confirm_token"]
        if change == "leads":
            more = [str(make.lead(acme, "ok+2@sandbox.test").pk)]
            wide.call("add_campaign_leads", campaign_id=campaign, lead_ids=more)
        else:
            wide.call("update_campaign", campaign_id=campaign, send_gap_minutes=3)

        error = error_of(wide.call("launch_campaign", campaign_id=campaign, confirm_token=token))

        assert error["code"] == "confirm_token_void"
        assert Campaign.objects.get().status == "draft"

    def test_a_large_one_needs_a_token(self, wide, acme, campaign):
        acme.confirm_launch_above = 0
        acme.save()
        assert error_of(wide.call("launch_campaign", campaign_id=campaign))["code"] == "confirmation_required"
        assert Campaign.objects.get().status == "draft"

    @pytest.mark.parametrize("dry_run", [True, False])
    def test_what_is_missing_is_named(self, wide, acme, dry_run):
        make.mailbox(acme)
        empty = draft(wide, acme, [])["id"]
        error = error_of(wide.call("launch_campaign", campaign_id=empty, dry_run=dry_run))
        assert error["error"] == "This campaign has no lead. Add leads before you launch it."

    def test_one_key_launches_once(self, wide, campaign):
        first = wide.call("launch_campaign", campaign_id=campaign, idempotency_key="k")
        again = wide.call("launch_campaign", campaign_id=campaign, idempotency_key="k")

        assert data_of(again) == data_of(first)
        assert again["_meta"] == {"outbound/idempotencyReplayed": True}

    def test_pausing_holds_it_and_a_launch_goes_on(self, wide, campaign):
        assert error_of(wide.call("pause_campaign", campaign_id=campaign))["code"] == "wrong_state"
        wide.call("launch_campaign", campaign_id=campaign)

        assert data_of(wide.call("pause_campaign", campaign_id=campaign))["status"] == "paused"
        run_until_idle()
        assert not Message.objects.filter(state="sent").exists()
        assert data_of(wide.call("launch_campaign", campaign_id=campaign))["status"] == "active"

    def test_archiving_is_for_good(self, wide, campaign):
        assert data_of(wide.call("archive_campaign", campaign_id=campaign))["status"] == "archived"
        assert data_of(wide.call("archive_campaign", campaign_id=campaign))["status"] == "archived"
        assert error_of(wide.call("launch_campaign", campaign_id=campaign))["code"] == "wrong_state"


class TestAfterwards:
    def test_the_report_is_the_one_of_the_other_door(self, wide, api, answered):
        shown = data_of(wide.call("get_campaign_report", campaign_id=answered))

        report = api.data("GET", f"/campaigns/{answered}/report")
        assert shown == {name: value for name, value in report.items() if value is not None}  # tools leave nulls out
        assert (shown["emails_sent"], shown["replies"]) == (1, 1)

    def test_replies_say_how_many_more_there_are(self, wide, answered):
        shown = data_of(wide.call("get_campaign_replies", campaign_id=answered))

        assert (shown["total_replies"], shown["next"]) == (1, "That is all.")
        assert shown["replies"][0]["contact_email"] == "reply+1@sandbox.test"

    def test_more_than_100_at_once_are_refused(self, wide, campaign):
        assert "limit" in error_of(wide.call("get_campaign_replies", campaign_id=campaign, limit=101))["details"]

    def test_an_answer_leaves_once_on_its_thread(self, wide, answered):
        thread = str(Thread.objects.get().pk)

        for _ in range(2):
            shown = data_of(wide.call("send_reply", thread_id=thread, body_text="Yes", idempotency_key="k"))
        run_until_idle()

        assert (shown["thread_id"], shown["to"]) == (thread, "reply+1@sandbox.test")
        assert Message.objects.get(kind="manual").state == "sent"

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("given", [{}, {"idempotency_key": "k"}])
    def test_it_waits_for_the_servers_word_once_the_mail_is_committed(self, wide, answered, settings, given):
        settings.REPLY_WAIT_SECONDS = 20
        worker = threading.Thread(target=send_once_queued)
        worker.start()

        shown = data_of(wide.call("send_reply", thread_id=str(Thread.objects.get().pk), body_text="Yes", **given))
        worker.join()

        assert shown["status"] == "sent"
        assert Message.objects.get(kind="manual").state == "sent"

    def test_a_repeat_says_how_it_fared_since(self, wide, answered, settings):
        settings.REPLY_WAIT_SECONDS = 0
        given = {"thread_id": str(Thread.objects.get().pk), "body_text": "Yes", "idempotency_key": "k"}
        assert data_of(wide.call("send_reply", **given))["status"] == "queued"
        run_until_idle()

        again = wide.call("send_reply", **given)

        assert data_of(again)["status"] == "sent"
        assert again["_meta"] == {"outbound/idempotencyReplayed": True}

    def test_an_empty_answer_is_refused(self, wide, answered):
        error = error_of(wide.call("send_reply", thread_id=str(Thread.objects.get().pk)))
        assert "body_text" in error["details"]

    def test_a_strangers_thread_is_unknown(self, answered, rival):
        stranger, thread = WideDoor(make.key(rival)), str(Thread.objects.get().pk)
        error = error_of(stranger.call("send_reply", thread_id=thread, body_text="Hi"))
        assert error["details"]["thread_id"][0].startswith("There is no thread")


class TestInfra:
    def test_an_import_skips_who_is_known_and_harms_no_other_row(self, wide, acme):
        make.lead(acme, "jo@acme.example", first_name="Jo")
        rows = [{"email": "jo@acme.example", "first_name": "Al"}, {"email": "ana@birch.example"}, {"email": "wrong"}]

        shown = data_of(wide.call("import_leads", leads=rows))

        assert [row["status"] for row in shown["results"]] == ["duplicate", "created", "rejected"]
        assert (shown["total"], shown["created"], shown["duplicates"], shown["errors"]) == (3, 1, 1, 1)
        assert Lead.objects.get(email="jo@acme.example").first_name == "Jo"

    def test_an_import_is_bounded(self, wide):
        assert "leads" in error_of(wide.call("import_leads", leads=[]))["details"]
        assert "leads" in error_of(wide.call("import_leads", leads=[{"email": "a@b.example"}] * 5001))["details"]

    def test_an_import_knows_nobody_of_a_stranger(self, wide, rival):
        make.lead(rival, "jo@acme.example")
        shown = data_of(wide.call("import_leads", leads=[{"email": "jo@acme.example"}]))
        assert shown["created"] == 1

    def test_validation_is_queued_and_told_where_to_look(self, wide, acme):
        lead = str(make.lead(acme, "jo@acme.example").pk)

        shown = data_of(wide.call("validate_leads", lead_ids=[lead]))

        assert (shown["queued"], shown["lead_ids"]) == (1, [lead])
        assert shown["poll_with"] == "get_validation_results"
        assert data_of(wide.call("get_validation_results"))["total_validated"] == 0

    def test_validation_takes_ids_or_addresses_and_not_both(self, wide, acme):
        lead = str(make.lead(acme, "jo@acme.example").pk)
        for chosen in ({}, {"lead_ids": [lead], "emails": ["jo@acme.example"]}):
            assert "lead_ids" in error_of(wide.call("validate_leads", **chosen))["details"]

    def test_a_strangers_leads_are_not_validated(self, wide, rival):
        lead = make.lead(rival, "jo@acme.example")
        assert "lead_ids" in error_of(wide.call("validate_leads", lead_ids=[str(lead.pk)]))["details"]
        assert "emails" in error_of(wide.call("validate_leads", emails=[lead.email]))["details"]

    @pytest.mark.parametrize("name", ["import_leads", "validate_leads"])
    def test_bulk_work_is_limited_as_at_the_other_door(self, wide, acme, settings, name):
        settings.RATE_LIMIT_BULK_PER_MINUTE = 1
        email = make.lead(acme).email
        given = {"import_leads": {"leads": [{"email": email}]}, "validate_leads": {"emails": [email]}}[name]

        data_of(wide.call(name, **given))

        assert error_of(wide.call(name, **given))["code"] == "rate_limited"
        data_of(wide.call("get_validation_results"))

    def test_results_are_those_of_the_other_door(self, wide, acme, rival, api):
        Lead.objects.filter(pk=make.lead(acme).pk).update(validation_status="valid")
        Lead.objects.filter(pk=make.lead(rival).pk).update(validation_status="valid")

        shown = data_of(wide.call("get_validation_results"))

        assert shown == api.data("GET", "/validation/results")
        assert shown["status_breakdown"]["valid"] == 1

    def test_results_take_no_parameter(self, wide):
        assert "since" in error_of(wide.call("get_validation_results", since="2026"))["details"]

    @pytest.mark.parametrize(
        ("tool", "listed", "path"),
        [
            ("list_leads", "leads", "/leads"),
            ("list_mailboxes", "mailboxes", "/mailboxes"),
            ("list_domains", "domains", "/domains"),
            ("get_account", None, "/account"),
        ],
    )
    def test_what_is_read_is_what_the_other_door_shows(self, wide, api, acme, rival, tool, listed, path):
        for each in (acme, rival):
            make.lead(each)
            make.mailbox(each)

        shown = data_of(wide.call(tool, response_format="detailed"))

        assert bare(shown[listed] if listed else shown) == bare(api.data("GET", path))

    @pytest.mark.parametrize(
        ("tool", "listed", "by"), [("list_mailboxes", "mailboxes", "email"), ("list_domains", "domains", "domain")]
    )
    def test_alphabetical_lists_go_on_where_they_stopped(self, wide, acme, tool, listed, by):
        for name in ("c", "a", "b"):
            make.mailbox(acme, f"hi@{name}.example")

        first = data_of(wide.call(tool, limit=2))
        rest = data_of(wide.call(tool, limit=2, after=first["next_cursor"]))

        assert [row[by][-9:] for row in first[listed] + rest[listed]] == ["a.example", "b.example", "c.example"]
        assert (first["total"], rest["next"]) == (3, "That is all.")

    def test_webhooks_are_shown_without_their_secret_and_only_ones_own(self, wide, acme, rival):
        mine, _ = (
            create_endpoint(workspace=each, url="https://hooks.example/x", kinds=["*"], now=make.NOW)
            for each in (acme, rival)
        )

        shown = data_of(wide.call("list_webhooks"))

        assert [row["id"] for row in shown["webhooks"]] == [str(mine.pk)]
        assert mine.secret not in json.dumps(shown)

    def test_webhooks_come_100_at_most(self, wide):
        assert "limit" in error_of(wide.call("list_webhooks", limit=101))["details"]
