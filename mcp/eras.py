"""Two eras on one address: the handshake versions ("legacy") and 2026-07-28, where each request speaks for itself.

Sources: modelcontextprotocol.io/specification/2025-11-25/basic/transports,
…/specification/2026-07-28/basic/transports/streamable-http.
"""

import base64
import re

from mcp.jsonrpc import HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_VERSION, Message, RpcError

LEGACY = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
MODERN = ("2026-07-28",)
NEWEST_LEGACY = LEGACY[-1]
SUPPORTED = (*reversed(MODERN), *reversed(LEGACY))
BATCHES = "2025-03-26"  # the one version that has them; also what an absent header means

VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY = "io.modelcontextprotocol/clientCapabilities"

_ENCODED = re.compile(r"=\?base64\?(.*)\?=")


def meta_of(data) -> dict:
    """`params._meta` of a decoded message, empty when there is none."""
    params = data.get("params") if isinstance(data, dict) else None
    meta = params.get("_meta") if isinstance(params, dict) else None
    return meta if isinstance(meta, dict) else {}


def is_modern(header_version: str | None, data) -> bool:
    """Legacy when the body names no version and the header none or an old one; else modern."""
    if VERSION_KEY in meta_of(data):
        return True
    return header_version is not None and header_version not in LEGACY


def may_batch(header_version: str | None) -> bool:
    return header_version in (None, BATCHES)


def check_version(version) -> None:
    if version not in MODERN:
        data = {"supported": list(SUPPORTED), "requested": version}
        raise RpcError(UNSUPPORTED_VERSION, "This protocol version is not supported.", data)


def check_modern(message: Message, headers) -> None:
    """The rungs of a modern request, in order; the first that fails is the answer. The method comes after them."""
    meta = meta_of({"params": message.params})
    missing = [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in meta]
    if missing:
        raise RpcError(INVALID_PARAMS, f"params._meta lacks {' and '.join(missing)}.")
    _same("MCP-Protocol-Version", headers.get("MCP-Protocol-Version"), meta[VERSION_KEY])
    _same("Mcp-Method", headers.get("Mcp-Method"), message.method)
    if message.method == "tools/call" and message.params.get("name") is not None:
        _same("Mcp-Name", decode_header(headers.get("Mcp-Name")), message.params["name"])
    check_version(meta[VERSION_KEY])


def _same(name: str, header: str | None, body) -> None:
    if header is None or header != body:
        raise RpcError(HEADER_MISMATCH, f"The header {name} is missing or differs from the body.")


def decode_header(value: str | None) -> str | None:
    """A header's text; `=?base64?…?=` is decoded. None for a damaged one, so that it never matches by accident."""
    found = _ENCODED.fullmatch(value or "")
    if not found:
        return value
    try:
        return base64.b64decode(found[1], validate=True).decode()
    except ValueError:
        return None
