"""A stand-in for Resend on a real socket: accepts mail, remembers keys, and fails where it is told to.

Follows https://resend.com/docs/api-reference/emails/send-email, …/errors, …/rate-limit, …/domains/list-domains,
https://resend.com/docs/dashboard/emails/idempotency-keys and https://resend.com/docs/webhooks (OpenAPI 1.5.0):

- `Authorization: Bearer re_…`, else 401 missing_api_key or 403 invalid_api_key; a sending key lists nothing (401)
- a request that breaks its schema is 422; a domain that is not verified 403 validation_error
- `Idempotency-Key`, 1 to 256 characters, remembered for 24 h: same body, same answer and no second mail; another body
  409 invalid_idempotent_request; while the first is worked on 409 concurrent_idempotent_requests
- so many requests a second, told in ratelimit-limit, -remaining, -reset; above 429 with retry-after
- events are signed as Svix does (svix-id, svix-timestamp, svix-signature over the raw body, base64 HMAC-SHA256)

Stricter than the document: a field that it does not name is refused.
"""

import json
import re
import select
import socket
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook

KEY, SENDING_KEY = "re_test_full_access", "re_test_sending_only"
SECRET = "whsec_" + "c2VjcmV0LW9mLXRoZS1zdGFuZC1pbg=="
FIELDS = {
    "from", "to", "subject", "bcc", "cc", "reply_to", "html", "text", "template", "headers", "scheduled_at",
    "attachments", "tags", "topic_id",
}  # fmt: skip
FROM = re.compile(r"(?:[^<>@]+ )?<?[^<>@\s]+@([a-z0-9.-]+)>?")
TAG = re.compile(r"[A-Za-z0-9_-]{1,256}")
DAY = 24 * 3600
SLOWLY = 30.0  # seconds, of a fault that is slow: longer than any test waits
GIGABYTE = 1 << 30


@dataclass
class Mail:
    """One that was accepted."""

    id: str
    key: str
    fields: dict
    created_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat())


@dataclass
class Known:
    """An idempotency key: its request, and the answer once there is one."""

    body: bytes
    at: float
    answer: tuple[int, dict] | None = None


def error(status: int, name: str, message: str) -> tuple[int, dict]:
    return status, {"statusCode": status, "name": name, "message": message}


class ResendStandIn:
    """`with ResendStandIn() as server: … server.url`. Seen afterwards: `accepted`, `requests` (path, status).

    `faults` are used up by POSTs, one each: drop_before, drop_after (the mail is accepted, no answer), down (500, not
    accepted), down_after (500, accepted), hang_after, html, html_after, redirect, huge, huge_after, limit (429), quota.
    """

    def __init__(self, *, domains: dict[str, str] | None = None, per_second: int = 1000):
        self.domains = domains or {"you.example": "verified", "new.example": "pending"}
        self.per_second = per_second
        self.accepted: list[Mail] = []
        self.requests: list[tuple[str, int]] = []
        self.faults: list[str] = []
        self.keys: dict[str, Known] = {}
        self.clock = 0.0  # seconds that this server is ahead
        self.open = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.moments: list[float] = []
        self.server = Listener(("127.0.0.1", 0), Conversation)
        self.server.owner = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> "ResendStandIn":
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def sends(self) -> Counter:
        """How often each message was accepted, by our id."""
        with self.lock:
            return Counter(mail.fields["tags"][0]["value"] for mail in self.accepted)

    # --- answers ------------------------------------------------------------------------------------------------------

    def limits(self) -> tuple[dict, bool]:
        """(headers, whether this request is one too many). A window is a second."""
        now = time.monotonic()
        with self.lock:
            self.moments = [moment for moment in self.moments if moment > now - 1]
            full = len(self.moments) >= self.per_second
            if not full:
                self.moments.append(now)
            left = self.per_second - len(self.moments)
        headers = {"ratelimit-limit": self.per_second, "ratelimit-remaining": left, "ratelimit-reset": 1}
        return headers | ({"retry-after": 1} if full else {}), full

    def domain_list(self) -> tuple[int, dict]:
        rows = [
            {"id": str(uuid.uuid5(uuid.NAMESPACE_DNS, name)), "name": name, "status": status, "region": "eu-west-1",
             "created_at": "2026-04-26T20:21:26.347412+00:00",
             "capabilities": {"sending": "enabled", "receiving": "disabled"}}
            for name, status in self.domains.items()
        ]  # fmt: skip
        return 200, {"object": "list", "has_more": False, "data": rows}

    def send(self, raw: bytes, key: str | None) -> tuple[int, dict]:
        """POST /emails, through the memory of keys."""
        if key is None:
            return self.accept(raw, "")
        if not 1 <= len(key) <= 256:
            return error(400, "invalid_idempotency_key", "The key must be between 1-256 chars.")
        now = time.time() + self.clock
        with self.lock:
            known = self.keys.get(key)
            if known and known.at > now - DAY:
                return self.repeat(known, raw)
            known = self.keys[key] = Known(raw, now)
        answer = self.accept(raw, key)
        with self.lock:
            if answer[0] == 200:
                known.answer = answer
            else:
                del self.keys[key]  # what was refused may be tried again under its key
        return answer

    def repeat(self, known: Known, raw: bytes) -> tuple[int, dict]:
        if known.body != raw:
            sentence = "This idempotency key has been used on a request that had a different payload."
            return error(409, "invalid_idempotent_request", sentence)
        sentence = "Another request with the same idempotency key is in progress."
        return known.answer or error(409, "concurrent_idempotent_requests", sentence)

    def accept(self, raw: bytes, key: str) -> tuple[int, dict]:
        try:
            fields = json.loads(raw)
        except ValueError:
            return error(400, "validation_error", "The body is not JSON.")
        if refusal := self.refusal(fields):
            return refusal
        mail = Mail(str(uuid.uuid4()), key, fields)
        with self.lock:
            self.accepted.append(mail)
        return 200, {"id": mail.id}

    def refusal(self, fields: dict) -> tuple[int, dict] | None:
        if unknown := set(fields) - FIELDS:
            return error(422, "validation_error", f"Unknown fields: {sorted(unknown)}.")
        if missing := [name for name in ("from", "to", "subject") if not fields.get(name)]:
            return error(422, "missing_required_field", f"Missing `{missing[0]}` field.")
        if not (fields.get("html") or fields.get("text")):
            return error(422, "missing_required_field", "Missing `html` or `text` field.")
        sender = FROM.fullmatch(fields["from"])
        if not sender:
            return error(422, "invalid_from_address", "Invalid `from` field.")
        if self.domains.get(sender[1]) != "verified":
            return error(403, "validation_error", f"The {sender[1]} domain is not verified.")
        if any(not TAG.fullmatch(tag.get(part, "")) for tag in fields.get("tags", []) for part in ("name", "value")):
            return error(422, "validation_error", "Tags should only contain ASCII letters, numbers, _ and -.")
        if not all(isinstance(value, str) and value.isascii() for value in fields.get("headers", {}).values()):
            return error(422, "validation_error", "Headers should only contain ASCII.")
        return None

    # --- events -------------------------------------------------------------------------------------------------------

    def event(
        self, kind: str, mail: Mail, *, event_id: str = "", at: float | None = None, **more
    ) -> tuple[dict, bytes]:
        """(headers, body) of an event about a mail, signed as of `at` (unix seconds)."""
        sent = mail.fields
        data = {
            "email_id": mail.id, "created_at": mail.created_at, "from": sent["from"], "to": sent["to"],
            "subject": sent["subject"], "tags": {tag["name"]: tag["value"] for tag in sent.get("tags", [])}, **more,
        }  # fmt: skip
        body = {"type": kind, "created_at": datetime.now(UTC).isoformat(), "data": data}
        return signed(json.dumps(body).encode(), event_id=event_id, at=at)


def signed(body: bytes, *, event_id: str = "", at: float | None = None, secret: str = SECRET) -> tuple[dict, bytes]:
    event_id = event_id or f"msg_{uuid.uuid4().hex}"
    moment = datetime.fromtimestamp(at if at is not None else time.time(), UTC)
    signature = Webhook(secret).sign(event_id, moment, body.decode())
    return {
        "svix-id": event_id, "svix-timestamp": str(int(moment.timestamp())), "svix-signature": signature,
    }, body  # fmt: skip


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    owner: ResendStandIn

    def handle_error(self, request, client_address):
        """A client that is gone is what many tests are about."""


class Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: ResendStandIn

    def setup(self) -> None:
        super().setup()
        self.owner = self.server.owner  # type: ignore[attr-defined]
        with self.owner.lock:
            self.owner.open += 1

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            with self.owner.lock:
                self.owner.open -= 1

    def do_GET(self) -> None:
        self.serve(b"")

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length)
        if len(raw) == length:  # else the client died while it spoke
            self.serve(raw)

    def serve(self, raw: bytes) -> None:
        headers, too_many = self.owner.limits()
        limited = error(429, "rate_limit_exceeded", "Too many requests.")
        refusal = self.not_signed_in() or (limited if too_many else None)
        if refusal:
            return self.reply(*refusal, headers)
        path = self.path.split("?")[0]
        if (self.command, path) == ("GET", "/domains"):
            if self.bearer() == SENDING_KEY:
                name = "restricted_api_key"
                return self.reply(*error(401, name, "This API key is restricted to only send emails."), headers)
            return self.reply(*self.owner.domain_list(), headers)
        if (self.command, path) != ("POST", "/emails"):
            return self.reply(*error(404, "not_found", "The requested endpoint does not exist."), headers)
        return self.send_mail(raw, headers)

    def bearer(self) -> str:
        return (self.headers.get("authorization") or "").removeprefix("Bearer ")

    def not_signed_in(self) -> tuple[int, dict] | None:
        if not self.bearer():
            return error(401, "missing_api_key", "Missing API key in the authorization header.")
        if self.bearer() not in (KEY, SENDING_KEY):
            return error(403, "invalid_api_key", "API key is invalid.")
        return None

    def send_mail(self, raw: bytes, headers: dict) -> None:
        with self.owner.lock:
            fault = self.owner.faults.pop(0) if self.owner.faults else ""
        answer = None
        if fault in ("", "drop_after", "down_after", "hang_after", "html_after", "huge_after"):
            answer = self.owner.send(raw, self.headers.get("idempotency-key"))
        match fault.removesuffix("_after").removesuffix("_before"):
            case "":
                self.reply(*answer, headers)
            case "drop":
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
            case "hang":
                self.wait_for_the_client_to_go()
                self.close_connection = True
            case "down":
                self.reply(*error(500, "internal_server_error", "An unexpected error occurred."), headers)
            case "limit":
                self.reply(*error(429, "rate_limit_exceeded", "Too many requests."), headers | {"retry-after": 2})
            case "quota":
                self.reply(*error(429, "daily_quota_exceeded", "You have reached your daily quota."), headers)
            case "concurrent":
                name = "concurrent_idempotent_requests"
                self.reply(*error(409, name, "Another request is in progress."), headers)
            case "html":
                self.reply_raw(200, b"<html>Sign in to the Wi-Fi</html>", {"content-type": "text/html"})
            case "redirect":
                self.reply_raw(302, b"", {"location": f"{self.owner.url}/elsewhere"})
            case "huge":
                self.reply_huge()

    def wait_for_the_client_to_go(self) -> None:
        until = time.monotonic() + SLOWLY
        while time.monotonic() < until and not self.owner.closing.is_set():
            if select.select([self.connection], [], [], 0.05)[0]:
                return

    def reply(self, status: int, body: dict, headers: dict) -> None:
        self.reply_raw(status, json.dumps(body).encode(), {"content-type": "application/json", **headers})

    def reply_raw(self, status: int, body: bytes, headers: dict) -> None:
        self.owner.requests.append((self.path, status))
        self.send_response(status)
        for name, value in {**headers, "content-length": len(body)}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body)

    def reply_huge(self) -> None:
        """As much as the client takes of a gigabyte."""
        self.close_connection = True
        self.owner.requests.append((self.path, 200))
        self.send_response(200)
        self.send_header("content-length", str(GIGABYTE))
        self.end_headers()
        for _ in range(GIGABYTE >> 20):
            self.wfile.write(b" " * (1 << 20))

    def log_message(self, *_) -> None:
        """Quiet."""
