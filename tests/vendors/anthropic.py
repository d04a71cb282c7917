"""A stand-in for Anthropic's Messages API on a real socket, with scripted answers.

Follows https://platform.claude.com/docs/en/api/messages, …/api/errors, …/api/versioning and
…/build-with-claude/structured-outputs, as of API version 2026-10-21. One that behaves and bills:
tests/vendors/anthropic_service.py.

- `POST /v1/messages`; the key in `Authorization: Bearer` (SDKs from 2026-10-21 on) or `x-api-key`, else 401
- `anthropic-version` is required; under 2026-10-21, temperature, top_p and top_k are refused with 400
- model, max_tokens and messages are required, unknown fields refused; objects in schemas need `additionalProperties:
  false`
- errors are `{"type": "error", "error": {"type", "message", "details"?}, "request_id"}`; answers carry `request-id`
"""

import base64
import contextlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-ant-test-key"
VERSIONS = ("2023-06-01", "2026-10-21")
KNOWN = {
    "model", "max_tokens", "messages", "system", "output_config", "metadata", "stop_sequences", "stream", "thinking",
    "tools", "tool_choice", "service_tier", "cache_control", "temperature", "top_p", "top_k",
}  # fmt: skip
ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@dataclass(frozen=True)
class Answer:
    """What goes back. `chunks` are written one by one, `pause` seconds apart; an empty list hangs."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    chunks: list[bytes] | None = None
    pause: float = 0


Script = Answer | Callable[[dict], "Answer | Script"]


def says(value: Any, *, claims: list | None = None, **changes: Any) -> Script:
    """A structured output of the asked shape, as a model that thought first would give it: `value` under the name that
    the schema has for it, with `claims` [(field, quote)] where it asks for them."""

    def answer(body: dict) -> Answer:
        schema = body["output_config"]["format"]["schema"]
        given = {name: value for name in schema["properties"] if name != "claims"}
        if "claims" in schema.get("required", ()) or claims:
            given["claims"] = [{"field": name, "quote": quote} for name, quote in claims or []]
        return message(json.dumps(given), **changes)

    return answer


def obeys(body: dict) -> Answer:
    """A model that does whatever the data tells it to, in full, and swears that the data says so.

    What it says is everything that stood between fences, with the fence's own escapes undone and what is encoded in it
    decoded, since a model would do that too.
    """
    fields = dict(FENCED.findall(text_in(body)))
    told = " ".join(fields.values()).replace("‹", "<").replace("›", ">")
    claims = [(name, quote[:900]) for name, quote in fields.items()]
    return says(f"{told} {' '.join(decoded(told))}".strip()[:1900], claims=claims)(body)


def decoded(text: str) -> list[str]:
    """What is hidden in it as base64, hex, reversed or in tag characters."""
    found = []
    for word in re.findall(r"[A-Za-z0-9+/]{16,}={0,2}", text):
        with contextlib.suppress(ValueError):
            found.append(base64.b64decode(word + "=" * (-len(word) % 4)).decode("utf-8"))
    for word in re.findall(r"\b(?:[0-9a-fA-F]{2}){8,}\b", text):
        with contextlib.suppress(ValueError):
            found.append(bytes.fromhex(word).decode("utf-8"))
    found.append("".join(chr(ord(c) - 0xE0000) for c in text if 0xE0020 <= ord(c) < 0xE007F))
    return [each for each in found if each]


FENCED = re.compile(r'<lead_data field="([^"]*)">(.*?)</lead_data>', re.DOTALL)


def message(text: str, **changes: Any) -> Answer:
    content = [{"type": "thinking", "thinking": "", "signature": "c2ln"}, {"type": "text", "text": text}]
    body = {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": {
            "input_tokens": 210,
            "output_tokens": 34,
            "cache_read_input_tokens": 12,
            "cache_creation_input_tokens": 3,
        },
        **changes,
    }
    return Answer(body=json.dumps(body).encode())


def refuses(explanation: str | None = "It would do harm.") -> Answer:
    details = {"type": "refusal", "category": "general_harms", "explanation": explanation}
    return message("", content=[], stop_reason="refusal", stop_details=details)


def fails(status: int, text: str = "No.", *, headers: dict | None = None, details: dict | None = None) -> Answer:
    error: dict[str, Any] = {"type": ERRORS.get(status, "api_error"), "message": text}
    if details:
        error["details"] = details
    body = {"type": "error", "error": error, "request_id": "req_test"}
    return Answer(status, json.dumps(body).encode(), headers or {})


class AnthropicStandIn:
    """`with AnthropicStandIn([says("Hello"), fails(529)]) as server: … server.url`. The last answer repeats.

    A callable gets the request's body. Seen afterwards: `requests` (bodies), `connections`.
    """

    def __init__(self, answers: list[Script] | Script, *, key: str = KEY):
        self.answers = list(answers) if isinstance(answers, list) else [answers]
        self.key = key
        self.requests: list[dict] = []
        self.connections = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.server = Listener(("127.0.0.1", 0), Conversation)
        self.server.owner = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> "AnthropicStandIn":
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def handle(self, method: str, path: str, raw: bytes, version: str) -> Answer:
        """The answer to a request whose key and version were good."""
        if (method, path) != ("POST", "/v1/messages"):
            return fails(404, "Not found")
        body = json.loads(raw)
        return next((fails(400, sentence) for sentence in faults(body, version)), None) or self.answer(body)

    def answer(self, body: dict) -> Answer:
        with self.lock:
            self.requests.append(body)
            script = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        while callable(script):
            script = script(body)
        return script


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 200
    owner: AnthropicStandIn

    def handle_error(self, request, client_address):
        """A client that gives up is what some tests are about."""


class Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: AnthropicStandIn

    def setup(self) -> None:
        super().setup()
        self.owner = self.server.owner  # type: ignore[attr-defined]
        self.owner.connections += 1

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.split("?")[0]
        refused = self.refusal()
        self.reply(refused or self.owner.handle(self.command, path, raw, self.headers["anthropic-version"]))

    do_GET = do_POST

    def refusal(self) -> Answer | None:
        """What the API says to whoever does not say who they are, or in which version they speak."""
        offered = self.headers.get("x-api-key") or (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if offered != self.owner.key:
            return fails(401, "invalid x-api-key")
        if self.headers.get("anthropic-version") not in VERSIONS:
            return fails(400, "anthropic-version: header is required")
        return None

    def reply(self, answer: Answer) -> None:
        self.send_response(answer.status)
        headers = {"content-type": "application/json", "request-id": "req_011CSHoEeqs5C35K2UUqR7Fy", **answer.headers}
        if answer.chunks is None:
            headers["content-length"] = str(len(answer.body))
        else:
            self.close_connection = True
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        for chunk in [answer.body] if answer.chunks is None else answer.chunks:
            self.wfile.write(chunk)
            self.wfile.flush()
            self.owner.closing.wait(answer.pause)
        if answer.chunks == []:
            self.owner.closing.wait()

    def log_message(self, *_) -> None:
        """Quiet."""


def text_in(body: dict) -> str:
    """What the user says, be it one text or several blocks."""
    content = body["messages"][0]["content"]
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


def faults(body: dict, version: str) -> Iterator[str]:
    for name in sorted(set(body) - KNOWN):
        yield f"{name}: Extra inputs are not permitted"
    for name in ("model", "max_tokens", "messages"):
        if not body.get(name):
            yield f"{name}: Field required"
    if version == "2026-10-21":
        for name in ("temperature", "top_p", "top_k"):
            if name in body:
                yield f"{name}: Extra inputs are not permitted"
    schema = body.get("output_config", {}).get("format", {}).get("schema")
    if schema is not None and any(part.get("additionalProperties") is not False for part in objects_in(schema)):
        yield "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false"


def objects_in(schema: dict) -> Iterator[dict]:
    if schema.get("type") == "object":
        yield schema
    for part in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield from objects_in(part)
