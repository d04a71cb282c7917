"""Clients that are not ours, and the product they speak to. Each is installed in a place of its own outside the
repository (our package `mcp` would hide the SDK of that name), once, into MCP_CLIENTS_CACHE.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ops.processes import ROOT

CACHE = Path(os.environ.get("MCP_CLIENTS_CACHE", "~/.cache/outbound-mcp-clients")).expanduser()
NODE = "node@22.23.3"  # brings its own: some clients want 22, whatever the machine has
READY_WITHIN = 90  # seconds
needs_npm = pytest.mark.skipif(
    shutil.which("npm") is None and not os.environ.get("CI"), reason="npm is not installed; CI has it"
)


def python_with(*packages: str) -> Path:
    """An interpreter that has these packages."""
    folder = CACHE / "-".join(packages).replace("==", "-")
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        run([sys.executable, "-m", "venv", folder])
        run([python, "-m", "pip", "install", "--quiet", *packages])
        (folder / "ready").touch()
    return python


def node_folder(*packages: str) -> Path:
    """A folder whose node_modules has these packages."""
    folder = CACHE / f"node-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:8]}"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text('{"type": "module"}')
        for package in packages:
            run(["npm", "install", "--no-audit", "--no-fund", "--loglevel=error", package], cwd=folder)
        (folder / "ready").touch()
    return folder


def run(command, *, cwd=None, environment=None, seconds: int = 300) -> str:
    """What it printed; AssertionError with all of it when it failed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd or CACHE,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def product(home: Path):
    """{"OUTBOUND_URL", "OUTBOUND_KEY"} of a running product with this data folder, as `manage.py up` starts it."""
    foreign = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in foreign}
    environment["OUTBOUND_HOME"] = str(home)
    started = subprocess.Popen([sys.executable, "manage.py", "up", "--port", "0"], cwd=ROOT, env=environment)
    try:
        url = _ready(started, home / "up.json")
        command = [sys.executable, "manage.py", "create_key", "--workspace", "Clients", "--test"]
        key = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout
        yield {"OUTBOUND_URL": url, "OUTBOUND_KEY": key.strip()}
    finally:
        started.send_signal(signal.SIGTERM)
        started.wait(60)


def _ready(started, file: Path) -> str:
    give_up_at = time.monotonic() + READY_WITHIN
    while not file.exists():
        assert started.poll() is None, "up ended by itself"
        assert time.monotonic() < give_up_at, "up was not ready in time"
        time.sleep(0.2)
    return json.loads(file.read_text())["url"]
