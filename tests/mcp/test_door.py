"""HTTP before JSON-RPC: who may come in, with what, and how it is told otherwise."""

import json

import pytest
from django.test import Client

from apikeys.models import ApiKey
from tests.mcp.conftest import Door

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}


class TestKeys:
    @pytest.mark.parametrize("header", ["Bearer aiob_live_wrong", "Basic abc", "Bearer", "nonsense"])
    def test_a_wrong_key_is_401(self, stranger, header):
        response = stranger.post(PING, Authorization=header)

        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer realm=")
        assert "resource_metadata" not in response.headers["WWW-Authenticate"]
        assert response.json()["error"]["message"]

    def test_no_key_is_401(self, stranger):
        assert stranger.post(PING).status_code == 401

    def test_a_revoked_key_is_401(self, door):
        ApiKey.objects.update(revoked_at="2026-01-01T00:00:00Z")
        assert door.post(PING).status_code == 401


class TestGet:
    def test_a_stranger_reads_what_this_is(self, stranger):
        response = stranger.http.get("/api/mcp")

        assert response.status_code == 200
        assert response.headers["Vary"].startswith("Accept")
        assert [tool["name"] for tool in response.json()["tools"]] == ["list_notes", "write_note", "burn_notes"]
        assert len(response.json()["workflow"]) == 9

    def test_a_key_reads_what_it_may(self, reader):
        tools = reader.http.get("/api/mcp", headers=reader.headers).json()["tools"]
        assert [tool["name"] for tool in tools] == ["list_notes"]

    def test_a_wrong_key_is_401(self, stranger):
        assert stranger.http.get("/api/mcp", headers={"Authorization": "Bearer aiob_x"}).status_code == 401

    @pytest.mark.parametrize(
        "headers",
        [{"Accept": "application/json, text/event-stream"}, {"Mcp-Session-Id": "a"}, {"Last-Event-ID": "1"}],
    )
    def test_there_is_no_stream(self, stranger, headers):
        response = stranger.http.get("/api/mcp", headers=headers)

        assert response.status_code == 405
        assert response.headers["Allow"] == "POST"

    def test_any_other_accept_is_ignored(self, stranger):
        assert stranger.http.get("/api/mcp", headers={"Accept": "text/csv"}).status_code == 200

    def test_head_is_get_without_a_body(self, stranger):
        response = stranger.http.head("/api/mcp")

        assert response.status_code == 200
        assert response.content == b""
        assert int(response.headers["Content-Length"]) > 1000


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_405(door, method):
    response = getattr(door.http, method)("/api/mcp", headers=door.headers)

    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


def test_both_addresses_answer_without_a_redirect(door):
    assert door.post(PING, path="/api/mcp").status_code == 200
    assert door.post(PING, path="/api/mcp/").status_code == 200


class TestOrigin:
    @pytest.mark.parametrize(
        "origin", ["https://evil.test", "null", "http://localhost.evil.test", "http://evil.test:80"]
    )
    def test_a_stranger_is_403(self, door, origin):
        assert door.post(PING, Origin=origin).status_code == 403

    def test_our_own_page_may(self, door, settings):
        settings.PUBLIC_URL = "https://outbound.example.com"
        assert door.post(PING, Origin="https://outbound.example.com").status_code == 200

    def test_a_page_that_the_operator_named_may(self, door, settings):
        settings.MCP_ALLOWED_ORIGINS = ["https://agent.example.com"]
        assert door.post(PING, Origin="https://agent.example.com").status_code == 200

    @pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
    def test_ones_own_machine_may_speak_to_itself(self, door, host):
        assert door.post(PING, Origin="http://localhost:6274", Host=host).status_code == 200

    def test_ones_own_machine_may_not_speak_to_others(self, door):
        assert door.post(PING, Origin="http://localhost:6274", Host="outbound.example.com").status_code == 403

    def test_a_rebound_name_is_refused(self, door):
        assert door.post(PING, Origin="http://evil.test", Host="evil.test").status_code == 403


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=latin-1", "multipart/form-data", ""])
def test_anything_but_json_is_415(door, content_type):
    assert door.post(json.dumps(PING), content_type=content_type).status_code == 415


def test_a_compressed_body_is_415(door):
    assert door.post(PING, Content_Encoding="gzip").status_code == 415


def test_a_body_above_the_limit_is_413(door, settings):
    settings.MAX_BODY_BYTES = 1000
    assert door.post({**PING, "params": {"x": "a" * 1000}}).status_code == 413


class TestNonsense:
    @pytest.mark.parametrize(
        "body",
        [
            b" ", b"{", b"\xff\xfe", b"[" * 100_000, b'{"a":' * 100_000, b'{"x": NaN}', b'{"x": Infinity}',
            b'{"x": 1e999}', b'{"x": ' + b"9" * 5000 + b"}", b'{"x": "\\u0000"}', b'{"x": "\\ud800"}',
            b'{"x":' + b"[" * 33 + b"]" * 33 + b"}",
        ],
    )  # fmt: skip
    def test_what_is_no_good_json_is_32700(self, door, body):
        response = door.post(body)

        assert response.status_code == 400
        assert response.json()["error"]["code"] == -32700
        assert response.json()["id"] is None

    @pytest.mark.parametrize(
        "body",
        [
            5, None, "a", {}, {"jsonrpc": "1.0", "id": 1, "method": "ping"}, {"jsonrpc": "2.0", "id": 1},
            {"jsonrpc": "2.0", "id": None, "method": "ping"}, {"jsonrpc": "2.0", "id": True, "method": "ping"},
            {"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, {"jsonrpc": "2.0", "id": 1, "method": 5},
            {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": []},
        ],
    )  # fmt: skip
    def test_what_is_no_message_is_32600(self, door, body):
        response = door.post(json.dumps(body))

        assert response.status_code == 400
        assert response.json()["error"]["code"] == -32600

    @pytest.mark.parametrize(
        "params", [{"_meta": 5}, {"_meta": []}, {"name": []}, {"name": "list_notes", "arguments": 3}]
    )
    def test_odd_parameters_are_no_500(self, door, params):
        response = door.post({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})

        assert response.status_code == 200
        assert response.json()["error"]["code"] == -32602


class TestToolsets:
    def names(self, door, **headers):
        return [tool["name"] for tool in door.rpc("tools/list", **headers)["result"]["tools"]]

    def test_the_header_replaces_the_default(self, door):
        assert self.names(door, X_MCP_Toolsets="infra") == ["far_note"]
        assert self.names(door, X_MCP_Toolsets="outbound, infra")[-1] == "far_note"
        assert len(self.names(door, X_MCP_Toolsets="all")) == 4

    def test_the_query_does_too(self, door):
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
        assert len(door.post(message, path="/api/mcp?toolsets=infra").json()["result"]["tools"]) == 1

    def test_an_unknown_one_is_400(self, door):
        assert door.post(PING, X_MCP_Toolsets="nothing").status_code == 400

    def test_read_only_hides_what_writes(self, door):
        assert self.names(door, X_MCP_Readonly="true") == ["list_notes"]


def test_the_list_is_the_same_bytes_every_time(door, raw_key):
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    assert door.post(message).content == Door(raw_key).post(message).content


@pytest.mark.parametrize(
    "path", ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource/api/mcp", "/register"]
)
@pytest.mark.parametrize("method", ["get", "post"])
def test_there_is_no_oauth(path, method):
    response = getattr(Client(enforce_csrf_checks=True), method)(path)

    assert response.status_code == 404
    assert response.json()["success"] is False
