"""The seed's nine calls with the official `mcp` SDK, 2.x or 1.x, whichever this interpreter has.

Run from outside the repository, whose top-level package has the SDK's name:
    OUTBOUND_URL=http://127.0.0.1:8000 OUTBOUND_KEY=aiob_test_… python -I python_client.py MODE STEPS.json TAG
MODE: legacy (the handshake), auto, or a modern version (2.x only).
"""

import asyncio
import importlib.metadata
import json
import os
import re
import sys
from contextlib import asynccontextmanager

URL = os.environ["OUTBOUND_URL"].rstrip("/") + "/api/mcp"
HEADERS = {"Authorization": f"Bearer {os.environ['OUTBOUND_KEY']}"}
MODE, STEPS, TAG = sys.argv[1:]
POLLS = 60
VERSION = importlib.metadata.version("mcp")


@asynccontextmanager
async def connected_2():
    import httpx2
    from mcp.client.streamable_http import streamable_http_client

    from mcp import Client

    async with httpx2.AsyncClient(headers=HEADERS, timeout=30) as http:
        async with Client(streamable_http_client(URL, http_client=http), mode=MODE) as client:
            yield client, client.protocol_version


@asynccontextmanager
async def connected_1():
    from mcp.client.streamable_http import streamablehttp_client

    from mcp import ClientSession

    async with streamablehttp_client(URL, headers=HEADERS) as (read, write, _):
        async with ClientSession(read, write) as session:
            handshake = await session.initialize()
            await session.send_ping()
            yield session, handshake.protocolVersion


def filled(value, known):
    """`${create_group.id}` in a step is what an earlier call answered."""
    if isinstance(value, str):
        return re.sub(r"\$\{([^}]+)\}", lambda found: str(looked_up(found[1], known)), value)
    if isinstance(value, dict):
        return {key: filled(each, known) for key, each in value.items()}
    if isinstance(value, list):
        return [filled(each, known) for each in value]
    return value


def looked_up(path, known):
    found = known
    for part in path.split("."):
        found = found[int(part) if part.isdigit() else part]
    return found


def field(result, snake, camel):
    return getattr(result, snake, None) if hasattr(result, snake) else getattr(result, camel)


async def answer(client, step, arguments):
    """What the tool answers; where the step says until when, asked again until it is so."""
    for _ in range(POLLS):
        result = await client.call_tool(step["tool"], arguments)
        assert not field(result, "is_error", "isError"), f"{step['tool']}: {result.content[0].text}"
        shown = field(result, "structured_content", "structuredContent")
        if "until" not in step or looked_up(step["until"]["path"], shown) == step["until"]["is"]:
            return shown
        await asyncio.sleep(1)
    raise AssertionError(f"{step['tool']} did not come to {step['until']}: {shown}")


async def main():
    with open(STEPS) as file:
        steps = json.load(file)
    known = {"tag": TAG}
    async with (connected_2 if VERSION[0] == "2" else connected_1)() as (client, protocol):
        tools = [tool.name for tool in (await client.list_tools()).tools]
        assert len(tools) == 24, f"{len(tools)} tools: {tools}"
        for step in steps:
            known[step["tool"]] = await answer(client, step, filled(step["arguments"], known))
        wrong = await client.call_tool("create_group", {"nam": "x"})
        assert field(wrong, "is_error", "isError")
        assert "Did you mean 'name'?" in wrong.content[0].text
    print(f"ok: mcp {VERSION}, {MODE}, protocol {protocol}, {len(steps)} calls, {len(tools)} tools")


asyncio.run(main())
