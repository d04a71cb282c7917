"""2026-07-28: every request says its version and what its client can do; the headers repeat it."""

import base64

import pytest


def error_of(response):
    return response.status_code, response.json()["error"]["code"]


def test_discover_says_what_is_here(door):
    result = door.modern("server/discover").json()["result"]

    assert result["resultType"] == "complete"
    assert result["supportedVersions"][0] == "2026-07-28"
    assert result["capabilities"] == {"tools": {}}
    assert result["cacheScope"] == "private"
    assert result["ttlMs"] > 0


def test_tools_list_may_be_kept_for_a_while(door):
    result = door.modern("tools/list").json()["result"]

    assert result["resultType"] == "complete"
    assert result["cacheScope"] == "private"
    assert len(result["tools"]) == 3


def test_a_tool_can_be_called(door):
    result = door.modern("tools/call", {"name": "write_note", "arguments": {"name": "a"}}).json()["result"]

    assert result["resultType"] == "complete"
    assert result["structuredContent"] == {"name": "a", "score": 50}


class TestRungs:
    def test_both_facts_are_needed(self, door):
        assert error_of(door.modern("tools/list", capabilities=False)) == (400, -32602)

    def test_a_modern_header_needs_the_facts(self, door):
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert error_of(door.post(message, MCP_Protocol_Version="2026-07-28")) == (400, -32602)

    @pytest.mark.parametrize("version", ["2025-11-25", None, "2026-07-28, 2026-07-28"])
    def test_the_version_header_must_agree(self, door, version):
        assert error_of(door.modern("tools/list", MCP_Protocol_Version=version)) == (400, -32020)

    @pytest.mark.parametrize("method", ["tools/call", None])
    def test_the_method_header_must_agree(self, door, method):
        assert error_of(door.modern("tools/list", Mcp_Method=method)) == (400, -32020)

    @pytest.mark.parametrize("name", ["burn_notes", None, "=?base64?%%%?="])
    def test_the_name_header_must_agree(self, door, name):
        assert error_of(door.modern("tools/call", {"name": "list_notes"}, Mcp_Name=name)) == (400, -32020)

    def test_the_name_header_may_be_encoded(self, door):
        encoded = f"=?base64?{base64.b64encode(b'list_notes').decode()}?="
        response = door.modern("tools/call", {"name": "list_notes"}, Mcp_Name=encoded)

        assert response.json()["result"]["structuredContent"] == {"notes": [], "total": 0}

    def test_an_unknown_version_is_told_the_known_ones(self, door):
        response = door.modern("tools/list", version="2031-01-01")

        assert error_of(response) == (400, -32022)
        data = response.json()["error"]["data"]
        assert data["requested"] == "2031-01-01"
        assert "2026-07-28" in data["supported"]

    @pytest.mark.parametrize("method", ["initialize", "ping", "resources/list"])
    def test_an_unknown_method_is_404(self, door, method):
        assert error_of(door.modern(method)) == (404, -32601)

    def test_an_unknown_tool_is_400(self, door):
        assert error_of(door.modern("tools/call", {"name": "nothing"})) == (400, -32602)


def test_a_notification_is_accepted(door):
    message = {"jsonrpc": "2.0", "method": "notifications/cancelled"}

    assert door.post(message, MCP_Protocol_Version="2026-07-28").status_code == 202
    assert door.post(message, MCP_Protocol_Version="2031-01-01").status_code == 400


def test_an_answer_from_a_client_is_refused(door):
    message = {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert error_of(door.post(message, MCP_Protocol_Version="2026-07-28")) == (400, -32600)
