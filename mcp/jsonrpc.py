"""JSON-RPC 2.0 as MCP uses it: read messages, write answers. Knows no HTTP, no eras and no tools.

Ids are text or whole numbers, never null; parameters are an object. Bytes become objects in `outbound.api.parsers`,
which refuses depth, NaN and text that no database takes.
"""

from dataclasses import dataclass, field

from rest_framework.exceptions import ParseError

from outbound.api.parsers import parse_json

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603
REFUSED = -32000  # by HTTP before the message was read: no key, wrong origin, too big
HEADER_MISMATCH = -32020  # 2026-07-28
UNSUPPORTED_VERSION = -32022  # 2026-07-28


class RpcError(Exception):
    """A protocol error: something the client, not the model, has to mend."""

    def __init__(self, code: int, message: str, data=None):
        self.code, self.message, self.data = code, message, data
        super().__init__(message)


@dataclass(frozen=True)
class Message:
    """One request, notification (no id) or answer of the client's (no method)."""

    method: str = ""
    params: dict = field(default_factory=dict)
    id: str | int | None = None
    wants_answer: bool = False


def parse(body: bytes):
    """Bytes → JSON; RpcError −32700 says what is wrong with it."""
    try:
        return parse_json(body)
    except ParseError as error:
        raise RpcError(PARSE_ERROR, str(error.detail)) from None


def read(data) -> Message:
    """One decoded message, or RpcError −32600."""
    if not isinstance(data, dict):
        raise RpcError(INVALID_REQUEST, "Send one JSON-RPC object.")
    if data.get("jsonrpc") != "2.0":
        raise RpcError(INVALID_REQUEST, 'Every message says "jsonrpc": "2.0".')
    if "id" in data and not is_id(data["id"]):
        raise RpcError(INVALID_REQUEST, "The id is a text or a whole number, never null.")
    if "method" not in data and ("result" in data or "error" in data):
        return Message()
    if not isinstance(data.get("method"), str):
        raise RpcError(INVALID_REQUEST, "The method is missing or no text.")
    params = data.get("params", {})
    if not isinstance(params, dict):
        raise RpcError(INVALID_REQUEST, "The params are an object.")
    return Message(data["method"], params, data.get("id"), wants_answer="id" in data)


def is_id(value) -> bool:
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def id_of(data):
    """The id to answer with, null where there is none that could be repeated."""
    found = data.get("id") if isinstance(data, dict) else None
    return found if is_id(found) else None


def answer(message_id, result: dict) -> dict:
    return {"jsonrpc": "2.0", "id": message_id, "result": result}


def failure(message_id, error: RpcError) -> dict:
    body = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return {"jsonrpc": "2.0", "id": message_id, "error": body}
