"""What a tool call gives: structure and the same as text, or a refusal a model can act on."""

import json
import logging

import pytest
from rest_framework import serializers

from mcp.registry import Registry
from mcp.results import cleaned, success
from outbound.api.serializers import Input, Output
from tests import make
from tests.mcp import sample
from tests.mcp.conftest import Door


def body_of(result):
    return json.loads(result["content"][0]["text"])


def test_the_text_is_the_structure(door):
    result = door.call("write_note", name="a", score=7)

    assert result["isError"] is False
    assert body_of(result) == result["structuredContent"] == {"name": "a", "score": 7}


@pytest.mark.parametrize(
    ("response_format", "shown"),
    [("concise", {"name": "a", "score": 0}), ("detailed", {"name": "a", "score": 0, "text": ""})],
)
def test_what_has_no_value_is_left_out(door, response_format, shown):
    sample.SHELF["a"] = {"name": "a", "score": 0, "color": None, "text": ""}

    result = door.call("list_notes", response_format=response_format)

    assert result["structuredContent"]["notes"] == [shown]


def test_an_empty_list_is_still_a_list(door):
    assert door.call("list_notes")["structuredContent"] == {"notes": [], "total": 0}


class TestBadArguments:
    def test_all_are_named_by_their_path(self, door):
        result = door.call("write_note", name="a" * 21, score=101, color="blue", steps=[{"text": "ok"}, {}], scor=1)

        assert result["isError"] is True
        assert "structuredContent" not in result
        body = body_of(result)
        assert body["success"] is False
        assert body["code"] == "invalid"
        assert set(body["details"]) == {"name", "score", "color", "steps.1.text", "scor"}
        assert body["details"]["scor"] == ["Unknown parameter. Did you mean 'score'?"]

    def test_the_doors_own_parameters_are_checked_too(self, door):
        body = body_of(door.call("burn_notes", least=1, dry_run="perhaps", idempotency_key="k" * 256))
        assert set(body["details"]) == {"dry_run", "idempotency_key"}

    def test_nothing_happens(self, door):
        door.call("write_note", name="a", unknown=1)
        assert not sample.SHELF


def test_a_refusal_of_the_house_is_the_body_rest_gives(door):
    door.call("write_note", name="a")
    body = body_of(door.call("write_note", name="a"))

    assert body["error"] == "There is a note of that name."
    assert body["code"] == "conflict"
    assert body["details"] == {"name": ["Taken."]}


def test_a_surprise_is_logged_and_told_without_details(door, caplog):
    answer = door.rpc("tools/call", {"name": "write_note", "arguments": {"name": "explode"}})

    assert answer["error"]["code"] == -32603
    assert "secret" not in json.dumps(answer)
    assert "secret details" in caplog.text


def test_a_tool_out_of_scope_is_as_unknown_as_none(reader):
    forbidden = reader.rpc("tools/call", {"name": "write_note", "arguments": {"name": "a"}})["error"]
    unknown = reader.rpc("tools/call", {"name": "writes_note", "arguments": {"name": "a"}})["error"]

    assert forbidden["code"] == unknown["code"] == -32602
    assert forbidden["message"].replace("write_note", "writes_note") == unknown["message"]
    assert not sample.SHELF


class TestIdempotency:
    def test_the_same_key_has_one_effect(self, door):
        first = door.call("write_note", name="a", idempotency_key="k")
        again = door.call("write_note", name="a", idempotency_key="k")

        assert again["structuredContent"] == first["structuredContent"]
        assert again["_meta"] == {"outbound/idempotencyReplayed": True}
        assert "_meta" not in first

    def test_a_blank_key_is_none(self, door):
        door.call("write_note", name="a", idempotency_key="")
        assert door.call("write_note", name="b", idempotency_key="")["isError"] is False

    def test_another_deed_under_the_same_key_is_refused(self, door):
        door.call("write_note", name="a", idempotency_key="k")
        assert body_of(door.call("write_note", name="b", idempotency_key="k"))["code"] == "idempotency_key_reused"

    def test_a_refusal_does_not_use_the_key_up(self, door):
        door.call("write_note", name="a")
        door.call("write_note", name="a", idempotency_key="k")
        sample.SHELF.clear()

        assert door.call("write_note", name="a", idempotency_key="k")["isError"] is False

    def test_keys_belong_to_their_caller(self, door, rival):
        stranger = Door(make.key(rival))
        door.call("write_note", name="a", idempotency_key="k")

        assert stranger.call("write_note", name="b", idempotency_key="k")["isError"] is False


class TestDryRun:
    @pytest.fixture
    def notes(self, door):
        for name in ("a", "b", "c"):
            door.call("write_note", name=name)
        return sample.SHELF

    def test_it_changes_nothing_and_says_what_would_happen(self, door, notes):
        shown = door.call("burn_notes", dry_run=True)["structuredContent"]

        assert len(notes) == 3
        assert shown["would"] == "Burn 3 notes."
        assert shown["counts"] == {"notes": 3}
        assert shown["token_required"] is True

    def test_the_token_lets_the_call_pass(self, door, notes):
        token = door.call("burn_notes", dry_run=True)["structuredContent"]["confirm_token"]

        assert door.call("burn_notes", confirm_token=token)["structuredContent"] == {"burnt": 3}

    def test_a_large_call_needs_a_token(self, door, notes):
        assert body_of(door.call("burn_notes"))["code"] == "confirmation_required"
        assert len(notes) == 3

    def test_a_small_one_does_not(self, door, notes):
        notes.pop("c")
        assert door.call("burn_notes")["structuredContent"] == {"burnt": 2}

    @pytest.mark.parametrize("change", ["fact", "arguments", "token"])
    def test_the_token_is_void_when_anything_changed(self, door, notes, change):
        token = door.call("burn_notes", dry_run=True)["structuredContent"]["confirm_token"]
        arguments = {"confirm_token": token}
        if change == "fact":
            notes["a"]["color"] = "red"
        if change == "arguments":
            arguments["least"] = 1
        if change == "token":
            arguments["confirm_token"] = token[:-1] + ("A" if token[-1] != "A" else "B")

        assert body_of(door.call("burn_notes", **arguments))["code"] == "confirm_token_void"
        assert len(notes) == 3

    def test_a_token_of_rivals_is_void(self, door, notes, rival):
        stranger = Door(make.key(rival))
        token = stranger.call("burn_notes", dry_run=True)["structuredContent"]["confirm_token"]

        assert body_of(door.call("burn_notes", confirm_token=token))["code"] == "confirm_token_void"

    def test_a_replay_needs_no_fresh_token(self, door, notes):
        token = door.call("burn_notes", dry_run=True)["structuredContent"]["confirm_token"]
        door.call("burn_notes", confirm_token=token, idempotency_key="k")

        assert door.call("burn_notes", idempotency_key="k")["structuredContent"] == {"burnt": 3}


class TestText:
    def test_hidden_characters_are_taken_out(self):
        text = "a\u202eb\u200b\x07\U000e0041c\n\td\u2066"
        assert cleaned({"k\u200e": [text]}, longest=100) == {"k": ["abc\n\td"]}

    def test_joined_letters_and_emoji_stay(self):
        text = "می‌خواهم 👩‍💻 é"
        assert cleaned(text, longest=100) == text

    def test_long_text_is_cut_and_says_so(self):
        shown = success({"text": "a" * 5000}, response_format="concise")["structuredContent"]["text"]
        assert shown.endswith("… [1000 more characters]")
        assert len(success({"text": "a" * 5000}, response_format="detailed")["structuredContent"]["text"]) == 5000


def test_one_row_is_logged_without_what_was_said(door, caplog):
    caplog.set_level(logging.INFO, logger="mcp.calls")
    door.call("write_note", name="jo@acme.test", score=7)

    rows = [record.tool_call for record in caplog.records if hasattr(record, "tool_call")]
    assert [(row["tool"], row["outcome"]) for row in rows] == [("write_note", "ok")]
    assert rows[0]["arguments"] == {"name": "str(12)", "score": 7}
    assert "jo@acme.test" not in caplog.text


class TestRegistry:
    def definition(self, name="write_note"):
        return sample.REGISTRY[name].definition

    def test_the_description_is_the_docstring_on_one_line(self):
        assert self.definition()["description"] == "Write a note on the shelf."

    def test_the_input_is_closed_and_described(self):
        schema = self.definition()["inputSchema"]

        assert schema["additionalProperties"] is False
        assert schema["required"] == ["name"]
        assert all(each.get("description") for each in schema["properties"].values())

    def test_the_door_adds_its_own_parameters(self):
        added = {
            name: set(sample.REGISTRY[name].extras().fields) for name in ("list_notes", "write_note", "burn_notes")
        }

        assert added["list_notes"] == {"response_format"}
        assert added["write_note"] == {"idempotency_key"}
        assert added["burn_notes"] == {"idempotency_key", "dry_run", "confirm_token"}

    def test_all_four_hints_are_given(self):
        assert self.definition("burn_notes")["annotations"] == {
            "readOnlyHint": False,
            "destructiveHint": True,
            "idempotentHint": False,
            "openWorldHint": False,
        }

    def test_two_tools_of_one_name_fail_at_import(self):
        registry = Registry()
        options = {"input": Input, "output": Output, "scope": "leads:read", "title": "Twice"}

        def twice(caller):
            """Twice."""

        registry.tool(**options)(twice)
        with pytest.raises(ValueError, match="two tools called twice"):
            registry.tool(**options)(twice)

    def test_an_unknown_toolset_fails_at_import(self):
        options = {"input": Input, "output": serializers.Serializer, "scope": "leads:read", "title": "Lost"}
        with pytest.raises(ValueError, match="unknown toolset"):
            Registry().tool(**options, toolset="nowhere")(lambda caller: {})
