"""The real MCP clients, each run on the nine calls of workflow.json."""

import shutil
from pathlib import Path

from tests.ops.clients import NODE, node_folder, python_with, run

HERE = Path(__file__).parent
PYTHON_SDKS = ("mcp==2.3.0", "mcp==1.30.0")
TYPESCRIPT_SDKS = (NODE, "@modelcontextprotocol/sdk@1.32.2", "@modelcontextprotocol/client@2.4.0")
INSPECTOR = (NODE, "@modelcontextprotocol/inspector@2.12.0")
INSPECTOR_PROGRAM = "node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"


def python_client(package: str, mode: str, tag: str, environment: dict) -> str:
    command = [python_with(package), "-I", HERE / "python_client.py", mode, HERE / "workflow.json", tag]
    return run(command, environment=environment)


def typescript_client(mode: str, tag: str, environment: dict) -> str:
    folder = node_folder(*TYPESCRIPT_SDKS)
    shutil.copy(HERE / "typescript_client.mjs", folder)
    command = [folder / "node_modules/.bin/node", "typescript_client.mjs", mode, HERE / "workflow.json", tag]
    return run(command, cwd=folder, environment=environment)


def inspector(era: str, environment: dict, *arguments: str) -> str:
    """The Inspector's command line, JSON on stdout."""
    folder = node_folder(*INSPECTOR)
    command = [folder / "node_modules/.bin/node", INSPECTOR_PROGRAM, "--cli"]
    where = [f"{environment['OUTBOUND_URL']}/api/mcp", "--transport", "http", "--protocol-era", era, "--format", "json"]
    header = ["--header", f"Authorization: Bearer {environment['OUTBOUND_KEY']}"]
    # Its own home: it keeps a catalog of servers there.
    return run([*command, *where, *header, *arguments], cwd=folder, environment={"HOME": str(folder)})
