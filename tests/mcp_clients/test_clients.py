"""The seed's nine calls with clients that are not ours, against the product as `manage.py up` starts it.

Run with `make test-clients`; the first time it installs the clients (pip, npm).
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.mcp_clients import clients

pytestmark = pytest.mark.clients

ROOT = Path(__file__).parents[2]
READY_WITHIN = 90  # seconds
needs_npm = pytest.mark.skipif(
    shutil.which("npm") is None and not os.environ.get("CI"), reason="npm is not installed; CI has it"
)


@pytest.fixture(scope="module")
def outbound(tmp_path_factory):
    """{"OUTBOUND_URL", "OUTBOUND_KEY"} of a running product with a data folder of its own."""
    clients.CACHE.mkdir(parents=True, exist_ok=True)
    home = tmp_path_factory.mktemp("home")
    foreign = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment["OUTBOUND_HOME"] = str(home)
    product = subprocess.Popen([sys.executable, "manage.py", "up", "--port", "0"], cwd=ROOT, env=environment)
    try:
        url = ready(product, home / "up.json")
        command = [sys.executable, "manage.py", "create_key", "--workspace", "Clients", "--test"]
        key = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
        yield {"OUTBOUND_URL": url, "OUTBOUND_KEY": key.strip()}
    finally:
        product.send_signal(signal.SIGTERM)
        product.wait(60)


def ready(product, file: Path) -> str:
    give_up_at = time.monotonic() + READY_WITHIN
    while not file.exists():
        assert product.poll() is None, "up ended by itself"
        assert time.monotonic() < give_up_at, "up was not ready in time"
        time.sleep(0.2)
    return json.loads(file.read_text())["url"]


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
