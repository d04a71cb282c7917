"""The real clients, each in a place of its own outside the repository: our package `mcp` hides the SDK of that name.

They are installed once into MCP_CLIENTS_CACHE (default ~/.cache/outbound-mcp-clients) and kept while the pins stay.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("MCP_CLIENTS_CACHE", "~/.cache/outbound-mcp-clients")).expanduser()
PYTHON_SDKS = ("mcp==2.3.0", "mcp==1.30.0")
NODE = "node@22.23.3"  # brings its own: the Inspector wants 22, whatever the machine has
TYPESCRIPT_SDKS = (NODE, "@modelcontextprotocol/sdk@1.32.2", "@modelcontextprotocol/client@2.4.0")
INSPECTOR = (NODE, "@modelcontextprotocol/inspector@2.12.0")
INSPECTOR_PROGRAM = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"


def python_with(package: str) -> Path:
    """An interpreter that has this SDK."""
    folder = CACHE / package.replace("==", "-")
    python = folder / "bin/python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        run([sys.executable, "-m", "venv", folder])
        run([python, "-m", "pip", "install", "--quiet", package])
        (folder / "ready").touch()
    return python


def node_folder(packages: tuple[str, ...]) -> Path:
    """A folder whose node_modules has these packages."""
    folder = CACHE / f"node-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:8]}"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        (folder / "package.json").write_text("{}")
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


def python_client(package: str, mode: str, tag: str, environment: dict) -> str:
    command = [python_with(package), "-I", HERE / "python_client.py", mode, HERE / "workflow.json", tag]
    return run(command, environment=environment)


def typescript_client(mode: str, tag: str, environment: dict) -> str:
    folder = node_folder(TYPESCRIPT_SDKS)
    shutil.copy(HERE / "typescript_client.mjs", folder)
    command = [folder / "node_modules/.bin/node", "typescript_client.mjs", mode, HERE / "workflow.json", tag]
    return run(command, cwd=folder, environment=environment)


def inspector(era: str, environment: dict, *arguments: str) -> str:
    """The Inspector's command line, JSON on stdout."""
    folder = node_folder(INSPECTOR)
    command = [folder / "node_modules/.bin/node", INSPECTOR_PROGRAM, "--cli"]
    where = [f"{environment['OUTBOUND_URL']}/api/mcp", "--transport", "http", "--protocol-era", era, "--format", "json"]
    header = ["--header", f"Authorization: Bearer {environment['OUTBOUND_KEY']}"]
    # Its own home: it keeps a catalog of servers there.
    return run([*command, *where, *header, *arguments], cwd=folder, environment={"HOME": str(folder)})
