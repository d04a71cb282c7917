"""A stand-in for Anthropic's Messages API on a real socket, with scripted answers.

Follows https://platform.claude.com/docs/en/api/messages, …/api/errors, …/api/versioning and
…/build-with-claude/structured-outputs, as of API version 2026-10-21:

- `POST /v1/messages`; the key in `Authorization: Bearer` (SDKs from 2026-10-21 on) or `x-api-key`, else 401
- `anthropic-version` is required; under 2026-10-21, temperature, top_p and top_k are refused with 400
- model, max_tokens and messages are required; every object in a schema needs `additionalProperties: false`
- errors are `{"type": "error", "error": {"type", "message", "details"?}, "request_id"}`; answers carry `request-id`
"""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-ant-test-key"
VERSIONS = ("2023-06-01", "2026-10-21")
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


Script = Answer | Callable[[dict], Answer]


def says(value: Any, **changes: Any) -> Answer:
    """A structured output `{"value": …}`, as a model that thought first would give it."""
    return message(json.dumps({"value": value}), **changes)


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

    def answer(self, body: dict) -> Answer:
        with self.lock:
            self.requests.append(body)
            script = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return script(body) if callable(script) else script


class Listener(ThreadingHTTPServer):
    daemon_threads = True
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
        self.reply(self.refusal(raw) or self.owner.answer(json.loads(raw)))

    def refusal(self, raw: bytes) -> Answer | None:
        """What the API would say to a request that breaks its rules."""
        if self.path.split("?")[0] != "/v1/messages":
            return fails(404, "Not found")
        offered = self.headers.get("x-api-key") or (self.headers.get("authorization") or "").removeprefix("Bearer ")
        if offered != self.owner.key:
            return fails(401, "invalid x-api-key")
        version = self.headers.get("anthropic-version")
        if version not in VERSIONS:
            return fails(400, "anthropic-version: header is required")
        return next((fails(400, sentence) for sentence in faults(json.loads(raw), version)), None)

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


def faults(body: dict, version: str) -> Iterator[str]:
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
    for part in schema.get("properties", {}).values():
        yield from objects_in(part)
