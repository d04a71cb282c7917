"""The methods of both eras. Each takes (session, params) and returns a result; RpcError is a protocol error."""

from dataclasses import dataclass

from django.conf import settings

from apikeys.authentication import Caller
from mcp import calls
from mcp.eras import LEGACY, NEWEST_LEGACY, SUPPORTED
from mcp.instructions import INSTRUCTIONS
from mcp.jsonrpc import INVALID_PARAMS, METHOD_NOT_FOUND, Message, RpcError
from mcp.registry import Tool

CAPABILITIES = {"tools": {}}
# A key's scopes may change; five minutes is as stale as a list may be.
FRESH = {"ttlMs": 300_000, "cacheScope": "private"}


@dataclass(frozen=True)
class Session:
    """One request's caller and the tools it may see. Nothing outlives the request."""

    caller: Caller
    tools: dict[str, Tool]


def server_info() -> dict:
    return {"name": "outbound", "title": "Outbound", "version": settings.SPECTACULAR_SETTINGS["VERSION"]}


def initialize(session: Session, params: dict) -> dict:
    """Echo a version we know, offer the newest handshake one otherwise. No session id is minted."""
    wanted = params.get("protocolVersion")
    if not isinstance(wanted, str):
        raise RpcError(INVALID_PARAMS, "protocolVersion is missing or no text.")
    return {
        "protocolVersion": wanted if wanted in LEGACY else NEWEST_LEGACY,
        "capabilities": CAPABILITIES,
        "serverInfo": server_info(),
        "instructions": INSTRUCTIONS,
    }


def ping(session: Session, params: dict) -> dict:
    return {}


def discover(session: Session, params: dict) -> dict:
    return {
        "supportedVersions": list(SUPPORTED),
        "capabilities": CAPABILITIES,
        "instructions": INSTRUCTIONS,
        "_meta": {"io.modelcontextprotocol/serverInfo": server_info()},
        **FRESH,
    }


def tools_list(session: Session, params: dict) -> dict:
    """All in one page, so any cursor is one we never gave."""
    if params.get("cursor") is not None:
        raise RpcError(INVALID_PARAMS, "Unknown cursor: the list has one page.")
    return {"tools": [tool.definition for tool in session.tools.values()]}


def tools_list_modern(session: Session, params: dict) -> dict:
    return tools_list(session, params) | FRESH


def tools_call(session: Session, params: dict) -> dict:
    """A tool this key may not use is as unknown as one that never was."""
    name, arguments = params.get("name"), params.get("arguments")
    if not isinstance(name, str) or name not in session.tools:
        raise RpcError(INVALID_PARAMS, f"Unknown tool: {str(name)[:80]}. tools/list shows those this key may use.")
    if arguments is not None and not isinstance(arguments, dict):
        raise RpcError(INVALID_PARAMS, "The arguments are an object.")
    return calls.call(session.tools[name], session.caller, arguments or {})


LEGACY_METHODS = {"initialize": initialize, "ping": ping, "tools/list": tools_list, "tools/call": tools_call}
MODERN_METHODS = {"server/discover": discover, "tools/list": tools_list_modern, "tools/call": tools_call}


def answer_legacy(session: Session, message: Message) -> dict:
    return _method(LEGACY_METHODS, message)(session, message.params)


def answer_modern(session: Session, message: Message) -> dict:
    return {"resultType": "complete", **_method(MODERN_METHODS, message)(session, message.params)}


def _method(methods: dict, message: Message):
    if message.method not in methods:
        raise RpcError(METHOD_NOT_FOUND, f"Unknown method: {message.method[:80]}.")
    return methods[message.method]
