"""What the scripted servers share: a socket, a script by stage, and an end."""

import re
import socket
import socketserver
import threading
from typing import Any, Self

OK = ""  # the ordinary answer
XOAUTH2 = re.compile(r"user=([^\x00-\x1f]+)\x01auth=Bearer ([!-~]+)\x01\x01")


class Listener(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    owner: "Scripted"

    def server_bind(self):
        # A fixed and small one: with a buffer that grows by itself, a whole mail may be gone into a server that hangs.
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        super().server_bind()

    def handle_error(self, request, client_address):
        """A client that leaves in the middle is the point of these tests, not news."""


class Scripted:
    """`script`: what to do at a stage; of a list, one after the other, and the last from then on."""

    def __init__(self, script: dict | None, conversation: type[socketserver.BaseRequestHandler]):
        self.script = {stage: list(a) if isinstance(a, list) else a for stage, a in (script or {}).items()}
        self.commands: list[str] = []
        self.lock = threading.RLock()
        self.closing = threading.Event()
        self.server = Listener(("127.0.0.1", 0), conversation)
        self.server.owner = self
        self.host, self.port = "127.0.0.1", self.server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()

    def action(self, stage: str) -> Any:
        with self.lock:
            action = self.script.get(stage, OK)
            if isinstance(action, list):
                action = action.pop(0) if len(action) > 1 else action[0]
        return action
