"""REST and MCP are two doors to one room: the same request gives the same data, whichever is taken."""

import json
import re

import pytest

from leads.models import Group, Lead, Variable
from tests import make
from tests.mcp.conftest import Door

STEPS = [{"subject": "Hello {{first_name}}", "body_html": "<p>Hi {{first_name}}</p>"}]
NEW = {"name": "x", "prompt_template": "y"}
TAKEN = {"name": "email", "prompt_template": "y"}
LEADS = [{"email": "ana@birch.example", "city": "Lyon", "groups": ["London"]}, {"email": "wrong"}]
# tool, arguments, the list's name in its answer, method, path, body. `{lead}` and the like are ids of what is there.
READS = [
    ("query_leads", {}, "leads", "/leads"),
    ("query_leads", {"search": "jo@", "group_id": "London"}, "leads", "/leads?search=jo@&group_id={group}"),
    ("get_lead", {"lead_id": "{lead}"}, None, "/leads/{lead}"),
    ("export_leads", {}, "rows", "/leads/export"),
    ("list_groups", {}, "groups", "/groups"),
    ("list_variables", {}, "variables", "/variables"),
    ("list_sequences", {}, "sequences", "/sequences"),
    ("get_sequence", {"sequence_id": "{sequence}"}, None, "/sequences/{sequence}"),
    ("list_senders", {}, "senders", "/senders"),
    ("list_runs", {"status": "running"}, "runs", "/runs?status=running"),
    ("get_run_status", {"run_id": "{run}"}, None, "/runs/{run}"),
]
WRITES = [
    ("add_leads", {"leads": LEADS}, "POST", "/leads", LEADS),
    ("update_lead", {"lead_id": "{lead}", "city": "Lyon"}, "PATCH", "/leads/{lead}", {"city": "Lyon"}),
    ("create_group", {"name": "New", "color": "red"}, "POST", "/groups", {"name": "New", "color": "red"}),
    ("update_group", {"group_id": "{group}", "name": "New"}, "PATCH", "/groups/{group}", {"name": "New"}),
    ("add_leads_to_group", {"group_id": "{group}", "lead_ids": ["{lead}"]}, "POST", "/groups/{group}",
     {"lead_ids": ["{lead}"]}),
    ("create_variable", NEW, "POST", "/variables", NEW),
    ("generate_variables", {"name": "opening_line"}, "POST", "/variables/opening_line/generate", {}),
    ("create_sequence", {"name": "New", "steps": STEPS}, "POST", "/sequences", {"name": "New", "steps": STEPS}),
    ("preview_email", {"sequence_id": "{sequence}"}, "POST", "/sequences/{sequence}/preview", {}),
    ("launch_sequence", {"sequence_id": "{sequence}", "include_active_elsewhere": True}, "POST", "/runs",
     {"sequence_id": "{sequence}", "include_active_elsewhere": True}),
    ("control_run", {"run_id": "{run}", "action": "stop"}, "POST", "/runs/{run}/stop", {}),
]  # fmt: skip
# What a tool leaves out on purpose, because it was sent a moment ago or a poll shows it.
SHORTER = {"update_lead", "create_sequence", "launch_sequence", "control_run"}
# What a tool adds: how to go on. The door's clock is not the other's.
ADDED = {"next", "poll_with", "poll_after_seconds"}
REFUSALS = [
    ("create_group", {"name": "London"}, "POST", "/groups", {"name": "London"}),
    ("create_group", {"name": "x" * 81, "color": "pinkish"}, "POST", "/groups", {"name": "x" * 81, "color": "pinkish"}),
    ("create_variable", TAKEN, "POST", "/variables", TAKEN),
    ("create_sequence", {"name": "N", "steps": [{}]}, "POST", "/sequences", {"name": "N", "steps": [{}]}),
    ("add_leads", {"leads": [{"email": "wrong"}]}, "POST", "/leads", [{"email": "wrong"}]),
    ("launch_sequence", {"sequence_id": "{sequence}"}, "POST", "/runs", {"sequence_id": "{sequence}"}),
    ("control_run", {"run_id": "{run}", "action": "resume"}, "POST", "/runs/{run}/resume", {}),
]  # fmt: skip


def furnish(workspace) -> dict:
    lead = make.lead(workspace, "jo@acme.example", custom={"team": 5})
    group = make.group(workspace, "London", members=[lead])
    make.mailbox(workspace)
    make.variable(workspace)
    sequence = make.sequence(workspace, "Hello", steps=STEPS)
    return {
        "lead": lead.pk,
        "group": group.pk,
        "sequence": sequence.pk,
        "run": make.run(workspace, sequence=sequence).pk,
    }


def filled(value, ids: dict):
    if isinstance(value, str):
        return re.sub(r"\{(\w+)\}", lambda found: str(ids.get(found[1], found[0])), value)
    if isinstance(value, dict):
        return {key: filled(each, ids) for key, each in value.items()}
    return [filled(each, ids) for each in value] if isinstance(value, list) else value


def bare(value):
    """Without nulls (tools leave them out), and with ids and moments made alike."""
    if isinstance(value, dict):
        return {key: bare(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [bare(each) for each in value]
    if isinstance(value, str):
        value = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", value)
        value = re.sub(r"(?<=/u/)[\w.:-]+", "TOKEN", value)
        return re.sub(r"^\d{4}-\d\d-\d\dT[\d:.]+Z$", "MOMENT", value)
    return value


@pytest.mark.parametrize(("tool", "arguments", "listed", "path"), READS)
def test_reading(acme, api, tools, tool, arguments, listed, path):
    ids = furnish(acme)

    result = tools.call(tool, **filled(arguments, ids), response_format="detailed")["structuredContent"]
    rest = api.data("GET", filled(path, ids))

    shown = result[listed] if listed else {key: each for key, each in result.items() if key not in ADDED}
    assert bare(shown) == bare(rest)


@pytest.mark.parametrize(("tool", "arguments", "method", "path", "body"), WRITES)
def test_writing(acme, api, rival, tool, arguments, method, path, body):
    """Once through each door, in two workspaces furnished alike."""
    rest = bare(api.data(method, filled(path, ids := furnish(acme)), filled(body, ids)))
    result = bare(Door(make.key(rival)).call(tool, **filled(arguments, furnish(rival)))["structuredContent"])

    result = {key: each for key, each in result.items() if key in rest or key not in ADDED}
    if tool == "preview_email":  # a reading tool: concise leaves out what is empty
        rest = {key: each for key, each in rest.items() if each not in ("", {})}
    assert result == ({key: rest[key] for key in result} if tool in SHORTER else rest)


@pytest.mark.parametrize(("tool", "arguments", "method", "path", "body"), REFUSALS)
def test_refusing(acme, api, tools, tool, arguments, method, path, body):
    ids = furnish(acme)

    rest = api(method, filled(path, ids), filled(body, ids)).json()
    result = tools.call(tool, **filled(arguments, ids))

    assert result["isError"] is True
    shown = json.loads(result["content"][0]["text"])
    assert {**shown, "request_id": ""} == {**rest, "request_id": ""}


@pytest.mark.parametrize(
    ("tool", "path", "row", "model"),
    [("delete_lead", "/leads/", "lead", Lead), ("delete_group", "/groups/", "group", Group)],
)
def test_deleting(acme, api, rival, tool, path, row, model):
    api.data("DELETE", f"{path}{furnish(acme)[row]}", status=204)
    Door(make.key(rival)).call(tool, **{f"{row}_id": str(furnish(rival)[row])})

    assert not model.objects.exists()
    assert Variable.objects.count() == 2
