"""A TCP proxy that loses what it is told to lose.

with Proxy(server.port, up=Line(cut_after=120)) as proxy: …       # connect to proxy.port
proxy.cut_before = b"COMMIT"          # from now on: cut instead of handing this on
proxy.cut_answer_to = b"COMMIT"       # hand it on, wait for the answer, and cut instead of handing that back
"""

import contextlib
import socket
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """One direction of each connection. Bytes count from the start of the connection."""

    cut_after: int | None = None  # then both directions are closed
    lose_after: int | None = None  # then the rest is swallowed, and nobody is told
    pace: float = 0.0  # seconds between two bytes
    delay: float = 0.0  # seconds before each piece


class Proxy:
    def __init__(self, port: int, *, host: str = "127.0.0.1", up: Line = Line(), down: Line = Line()):
        self.target, self.up, self.down = (host, port), up, down
        self.cut_before = self.cut_answer_to = b""
        self.cuts = 0
        self.passed = {"up": 0, "down": 0}  # bytes, over all connections
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.pairs: list[Pair] = []

    def __enter__(self) -> "Proxy":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        # A thread that waits in accept() keeps the socket open; this wakes it.
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()

    def cut(self) -> None:
        """Every connection, now."""
        for pair in self.pairs:
            pair.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                pair = Pair(self, client, socket.create_connection(self.target))
                self.pairs.append(pair)
                pair.start()


class Pair:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket):
        self.proxy, self.client, self.server = proxy, client, server
        self.answer_is_lost = False

    def start(self) -> None:
        for way in (("up", self.client, self.server), ("down", self.server, self.client)):
            threading.Thread(target=self._pump, args=way, daemon=True).start()

    def cut(self) -> None:
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _pump(self, name: str, source: socket.socket, sink: socket.socket) -> None:
        line: Line = getattr(self.proxy, name)
        passed = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self._is_cut_by(name, data):
                    break
                time.sleep(line.delay)
                for piece in [data] if not line.pace else [data[n : n + 1] for n in range(len(data))]:
                    kept = piece if line.cut_after is None else piece[: max(0, line.cut_after - passed)]
                    said = kept if line.lose_after is None else kept[: max(0, line.lose_after - passed)]
                    sink.sendall(said)
                    passed += len(piece)
                    self.proxy.passed[name] += len(said)
                    if kept != piece:
                        self.cut()
                        return
                    time.sleep(line.pace)
        self.cut()

    def _is_cut_by(self, name: str, data: bytes) -> bool:
        proxy = self.proxy
        if name == "up" and proxy.cut_before and proxy.cut_before in data:
            proxy.cut_before = b""
            proxy.cuts += 1
            return True
        if name == "up" and proxy.cut_answer_to and proxy.cut_answer_to in data:
            proxy.cut_answer_to, self.answer_is_lost = b"", True
        elif name == "down" and self.answer_is_lost:
            proxy.cuts += 1
            return True
        return False
