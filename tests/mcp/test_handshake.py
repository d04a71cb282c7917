"""The versions with a handshake: 2024-11-05 to 2025-11-25."""

import pytest

from mcp.eras import LEGACY


@pytest.mark.parametrize("version", LEGACY)
def test_it_echoes_a_version_it_knows(door, version):
    result = door.rpc("initialize", {"protocolVersion": version, "capabilities": {}})["result"]

    assert result["protocolVersion"] == version
    assert result["capabilities"] == {"tools": {}}
    assert result["serverInfo"]["name"] == "outbound"
    assert len(result["instructions"]) <= 2048


@pytest.mark.parametrize("version", ["2026-07-28", "1999-01-01", ""])
def test_it_offers_the_newest_handshake_to_a_version_it_does_not_know(door, version):
    assert door.rpc("initialize", {"protocolVersion": version})["result"]["protocolVersion"] == "2025-11-25"


def test_it_says_when_initialize_names_no_version(door):
    assert door.rpc("initialize", {})["error"]["code"] == -32602


def test_it_mints_no_session(door):
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
    assert "Mcp-Session-Id" not in door.post(message).headers


def test_tools_work_without_a_handshake(door):
    assert [tool["name"] for tool in door.rpc("tools/list")["result"]["tools"]] == [
        "list_notes",
        "write_note",
        "burn_notes",
    ]


def test_it_answers_ping(door):
    assert door.rpc("ping", message_id="a")["result"] == {}


@pytest.mark.parametrize("message", [{"method": "notifications/initialized"}, {"id": 7, "result": {}}])
def test_it_accepts_what_wants_no_answer(door, message):
    response = door.post({"jsonrpc": "2.0", **message})

    assert response.status_code == 202
    assert response.content == b""


def test_an_unknown_method_is_an_error_on_http_200(door):
    response = door.post({"jsonrpc": "2.0", "id": 1, "method": "resources/list"}, MCP_Protocol_Version="2025-06-18")

    assert response.status_code == 200
    assert response.json()["error"]["code"] == -32601


def test_a_cursor_it_never_gave_is_an_error(door):
    assert door.rpc("tools/list", {"cursor": "abc"})["error"]["code"] == -32602


def test_it_has_nothing_of_the_modern_era(door):
    result = door.rpc("tools/list", MCP_Protocol_Version="2025-11-25")["result"]
    assert set(result) == {"tools"}


def ping(n):
    return {"jsonrpc": "2.0", "id": n, "method": "ping"}


class TestBatches:
    @pytest.mark.parametrize("headers", [{}, {"MCP_Protocol_Version": "2025-03-26"}])
    def test_each_message_has_its_answer(self, door, headers):
        response = door.post([ping(1), {"jsonrpc": "2.0", "method": "notifications/x"}, ping(2)], **headers)

        assert response.status_code == 200
        assert [answer["id"] for answer in response.json()] == [1, 2]

    def test_one_wrong_message_does_not_spoil_the_others(self, door):
        answers = door.post([ping(1), 5, {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {}}]).json()

        assert [answer.get("error", {}).get("code") for answer in answers] == [None, -32600, -32600]

    def test_notifications_alone_are_accepted(self, door):
        assert door.post([{"jsonrpc": "2.0", "method": "notifications/x"}]).status_code == 202

    def test_twenty_is_the_most(self, door):
        assert door.post([ping(n) for n in range(20)]).status_code == 200
        assert door.post([ping(n) for n in range(21)]).status_code == 400

    @pytest.mark.parametrize("version", ["2024-11-05", "2025-06-18", "2025-11-25", "2026-07-28"])
    def test_other_versions_have_none(self, door, version):
        response = door.post([ping(1)], MCP_Protocol_Version=version)

        assert response.status_code == 400
        assert response.json()["error"]["code"] == -32600

    def test_an_empty_one_is_no_batch(self, door):
        assert door.post([]).status_code == 400
