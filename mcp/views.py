"""The one address of MCP. A plain Django view: DRF would negotiate, parse and envelope; MCP wants none of the three.

Order of refusals: origin (403), method (405), key (401), rate (429), toolset (400), type (415), size (413), then
JSON-RPC's own.
"""

import json
from urllib.parse import urlsplit

from django.conf import settings
from django.http import HttpResponse
from django.utils.decorators import method_decorator
from django.utils.http import parse_header_parameters
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import AuthenticationFailed

from apikeys.authentication import REALM, authenticate_request
from apikeys.throttling import RateLimited, charge
from mcp import jsonrpc
from mcp.capability import document
from mcp.exchange import MOST_IN_A_BATCH, exchange
from mcp.jsonrpc import REFUSED, RpcError
from mcp.methods import Session
from mcp.registry import ALL, TOOLS, TOOLSETS, Registry
from outbound.api.errors import TooLarge
from outbound.api.parsers import read_body

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


class Refused(Exception):
    """Refused by HTTP, before any message was read."""

    def __init__(self, status: int, message: str, headers: dict | None = None):
        self.status, self.message, self.headers = status, message, headers or {}
        super().__init__(message)


@method_decorator(csrf_exempt, name="dispatch")
class McpView(View):
    registry = TOOLS

    def dispatch(self, request, *args, **kwargs):
        try:
            check_origin(request)
            response = super().dispatch(request, *args, **kwargs)
        except Refused as refused:
            body = jsonrpc.failure(None, RpcError(REFUSED, refused.message))
            response = as_json(body, refused.status, refused.headers)
        for name, value in getattr(request, "rate_headers", {}).items():
            response[name] = value
        return response

    def get(self, request):
        """The capability document; 405 for whoever wants a stream, since a 200 has two SDKs ask again for ever."""
        wants_stream = "text/event-stream" in request.headers.get("Accept", "").lower()
        if wants_stream or "Mcp-Session-Id" in request.headers or "Last-Event-ID" in request.headers:
            raise Refused(405, "There is no stream here. POST JSON-RPC messages.", {"Allow": "POST"})
        caller = authenticated(request) if "Authorization" in request.headers else None
        tools = visible_tools(request, self.registry, scopes=caller and caller.scopes)
        address = request.build_absolute_uri(request.path)
        return as_json(document(tools=tools, address=address), 200, {"Vary": "Accept, Authorization"})

    def head(self, request):
        response = self.get(request)
        response.headers["Content-Length"] = str(len(response.content))
        response.content = b""
        return response

    def post(self, request):
        caller = authenticated(request)
        session = Session(caller, visible_tools(request, self.registry, scopes=caller.scopes))
        body = json_body(request)
        if more := messages_in(body) - 1:
            pay(request, caller, cost=more)
        status, answer = exchange(session, body, request.headers)
        return HttpResponse(status=status) if answer is None else as_json(answer, status)

    def http_method_not_allowed(self, request, *args, **kwargs):
        raise Refused(405, "POST JSON-RPC messages, or GET what this is.", {"Allow": "GET, HEAD, POST"})

    options = http_method_not_allowed


def as_json(data, status: int, headers: dict | None = None) -> HttpResponse:
    # ASCII: whatever is in the data, the bytes can be written.
    body = json.dumps(data, separators=(",", ":"), allow_nan=False)
    headers = {"Cache-Control": "no-store", **(headers or {})}
    return HttpResponse(body, status=status, content_type="application/json", headers=headers)


def check_origin(request) -> None:
    """Browsers say where a script comes from; only our own pages may speak to us (DNS rebinding, S27)."""
    origin = request.headers.get("Origin")
    if origin is not None and not is_allowed_origin(origin, request.get_host()):
        raise Refused(403, "This origin may not call the tools.")


def is_allowed_origin(origin: str, host: str) -> bool:
    """PUBLIC_URL and the trusted origins; and, on one's own machine, whatever runs on that machine."""
    allowed = {settings.PUBLIC_URL, *settings.CSRF_TRUSTED_ORIGINS, *settings.MCP_ALLOWED_ORIGINS}
    if origin in allowed - {""}:
        return True
    return _name(host) in LOOPBACK and _name(urlsplit(origin).netloc) in LOOPBACK


def _name(netloc: str) -> str:
    """A host without its port; the brackets of IPv6 stay."""
    return netloc if netloc.endswith("]") else netloc.rpartition(":")[0] or netloc


def authenticated(request):
    """The caller, who has paid for one message; or 401 in words a person reading an agent's log understands."""
    header = request.headers.get("Authorization", "")
    try:
        caller = authenticate_request(request)
    except RateLimited as limited:
        raise Refused(429, limited.message, limited.headers) from None
    except AuthenticationFailed as failed:
        # No resource_metadata: clients would start an OAuth dance that we do not dance.
        challenge = f'{REALM}, error="invalid_token"' if header else REALM
        raise Refused(401, str(failed.detail), {"WWW-Authenticate": challenge}) from None
    pay(request, caller)
    return caller


def pay(request, caller, *, cost: int = 1) -> None:
    """Take from the buckets that REST takes from, too; what is left stands on the answer."""
    verdict = charge(caller.id, cost=cost)
    request.rate_headers = verdict.headers
    if not verdict.allowed:
        raise Refused(429, RateLimited.message)


def messages_in(body: bytes) -> int:
    """How many there are to pay for. What cannot be read, or is too long to be answered, is told so for less."""
    if body.lstrip()[:1] != b"[":
        return 1
    try:
        return min(max(1, len(jsonrpc.parse(body))), MOST_IN_A_BATCH)
    except RpcError:
        return 1


def visible_tools(request, registry: Registry, *, scopes) -> dict:
    """The tools of the asked toolsets that these scopes may use; `X-MCP-Readonly: true` hides all that write."""
    asked = request.headers.get("X-MCP-Toolsets") or request.GET.get("toolsets") or "outbound"
    toolsets = [name.strip().lower() for name in asked.split(",") if name.strip()]
    unknown = [name for name in toolsets if name not in (*TOOLSETS, ALL)]
    if unknown:
        raise Refused(400, f"Unknown toolset: {unknown[0][:40]}. Known: {', '.join((*TOOLSETS, ALL))}.")
    read_only = request.headers.get("X-MCP-Readonly", "").strip().lower() in ("true", "1")
    return registry.visible(scopes=scopes, toolsets=toolsets, read_only=read_only)


def json_body(request) -> bytes:
    kind, parameters = parse_header_parameters(request.headers.get("Content-Type", ""))
    plain = request.headers.get("Content-Encoding", "identity").lower() == "identity"
    if kind != "application/json" or parameters.get("charset", "utf-8").lower() != "utf-8" or not plain:
        raise Refused(415, "Send Content-Type: application/json, in UTF-8, not compressed.")
    try:
        return read_body(request, request)
    except TooLarge as error:
        raise Refused(413, error.message) from None
