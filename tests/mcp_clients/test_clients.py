"""The seed's nine calls with clients that are not ours, against the product as `manage.py up` starts it.

Run with `make test-clients`; the first time it installs the clients (pip, npm).
"""

import json

import pytest

from tests.mcp_clients import clients
from tests.ops.clients import needs_npm

pytestmark = pytest.mark.clients


@pytest.mark.parametrize(
    ("package", "mode"),
    [(package, mode) for package in clients.PYTHON_SDKS for mode in ("legacy", "auto", "2026-07-28")
     if package.startswith("mcp==2") or mode == "legacy"],
)  # fmt: skip
def test_the_python_sdk_runs_the_nine_calls(outbound, package, mode):
    tag = f"py{package[5]}{mode[:2]}".lower()
    assert clients.python_client(package, mode, tag, outbound).startswith("ok: ")


@needs_npm
@pytest.mark.parametrize("mode", ["v1", "legacy", "auto", "2026-07-28"])
def test_the_typescript_sdk_runs_the_nine_calls(outbound, mode):
    assert clients.typescript_client(mode, f"ts{mode[:2]}", outbound).startswith("ok: ")


@needs_npm
class TestInspector:
    @pytest.mark.parametrize("era", ["legacy", "auto", "modern"])
    def test_it_lists_exactly_24_tools_without_a_schema_error(self, outbound, era):
        # --strict ends with 6 when a schema would not do for every client.
        shown = json.loads(clients.inspector(era, outbound, "--method", "tools/list", "--strict"))
        assert len(shown["result"]["tools"]) == 24

    @pytest.mark.parametrize("era", ["legacy", "modern"])
    def test_it_calls_a_tool(self, outbound, era):
        arguments = json.dumps({"name": f"Inspected {era}"})
        call = ["--method", "tools/call", "--tool-name", "create_group", "--tool-args-json", arguments]
        result = json.loads(clients.inspector(era, outbound, *call))["result"]

        assert result["structuredContent"]["name"] == f"Inspected {era}"
