import json

import jsonschema
import pytest
from django.test import Client

from mcp.eras import CAPABILITIES_KEY, VERSION_KEY
from mcp.registry import TOOLS
from tests import make
from tests.mcp import sample

MODERN = "2026-07-28"


class Door:
    """Talks to /api/mcp as a client would."""

    def __init__(self, raw_key=None):
        self.http = Client(raise_request_exception=True)
        self.headers = {"Authorization": f"Bearer {raw_key}"} if raw_key else {}

    def post(self, body, *, path="/api/mcp", content_type="application/json", **headers):
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.post(path, data, content_type=content_type, headers={**self.headers, **names})

    def rpc(self, method, params=None, *, message_id=1, **headers):
        message = {"jsonrpc": "2.0", "id": message_id, "method": method}
        return self.post(message | ({} if params is None else {"params": params}), **headers).json()

    def call(self, name, /, **arguments):
        """The result of tools/call; what the product's tools answer is held to their output schema, as clients do."""
        result = self.rpc("tools/call", {"name": name, "arguments": arguments})["result"]
        if name in TOOLS and "structuredContent" in result:
            jsonschema.validate(result["structuredContent"], TOOLS[name].definition["outputSchema"])
        return result

    def modern(self, method, params=None, *, version=MODERN, capabilities=True, **headers):
        meta = {VERSION_KEY: version} | ({CAPABILITIES_KEY: {}} if capabilities else {})
        params = {**(params or {}), "_meta": meta}
        given = {"MCP_Protocol_Version": version, "Mcp_Method": method}
        if "name" in params:
            given["Mcp_Name"] = params["name"]
        given = {name: value for name, value in {**given, **headers}.items() if value is not None}
        return self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, **given)


@pytest.fixture
def raw_key(acme):
    return make.key(acme)


@pytest.fixture
def tools(raw_key):
    """The product's own tools, with a key of Acme's."""
    return Door(raw_key)


@pytest.fixture
def door(raw_key, settings):
    settings.ROOT_URLCONF = "tests.mcp.sample"
    sample.SHELF.clear()
    return Door(raw_key)


@pytest.fixture
def reader(acme, settings):
    """A door whose key may only read leads."""
    settings.ROOT_URLCONF = "tests.mcp.sample"
    return Door(make.key(acme, scopes=["leads:read"]))


@pytest.fixture
def stranger(db, settings):
    settings.ROOT_URLCONF = "tests.mcp.sample"
    return Door()
