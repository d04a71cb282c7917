"""A web server on a real socket that receives webhooks: scripted answers, everything it got, every knock counted."""

import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LOOPBACK = ["127.0.0.0/8"]


@dataclass(frozen=True)
class Got:
    path: str
    headers: dict[str, str]  # lower-case names
    body: bytes


@dataclass(frozen=True)
class Says:
    """What goes back. `hang`: nothing does, until the server closes. `drip`: seconds between the bytes of the body."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    drip: float = 0


class Receiver:
    """`with Receiver([Says(500), Says(200)]) as server: … server.url`. The last answer repeats."""

    def __init__(self, answers: list[Says] | Says | None = None, *, context: ssl.SSLContext | None = None):
        self.answers = answers if isinstance(answers, list) else [answers or Says()]
        self.got: list[Got] = []
        self.connections = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.server = _Listener(("127.0.0.1", 0), _Conversation)
        self.server.owner = self
        self.port = self.server.server_address[1]
        if context:
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}/hooks"

    def __enter__(self) -> "Receiver":
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, got: Got) -> Says:
        with self.lock:
            self.got.append(got)
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    owner: Receiver

    def get_request(self):
        self.owner.connections += 1
        return super().get_request()

    def handle_error(self, request, client_address):
        """A client that gives up is what some tests are about."""


class _Conversation(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        owner = self.server.owner  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        says = owner.answer(Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        if says.hang:
            owner.closing.wait(30)
            return
        self.send_response(says.status)
        for name, value in {"content-length": str(len(says.body)), **says.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        for part in [says.body] if not says.drip else [says.body[i : i + 1] for i in range(len(says.body))]:
            self.wfile.write(part)
            self.wfile.flush()
            owner.closing.wait(says.drip)

    do_GET = do_POST

    def log_message(self, *_) -> None:
        """Quiet."""
