"""An IMAP connection that can hold neither its thread nor its memory.

IMAPClient and imaplib give the protocol; this gives what they lack: the connection goes to an address that was checked,
a deadline counts every byte of a step (a time-out per read lets one byte per 20 s hold a thread for hours), and a step
may cost so many bytes and no more (a literal is as long as the server says it is).
"""

import base64
import imaplib
import logging
import ssl
import time
from typing import Any

from imapclient import IMAPClient

from sending.providers import net
from sending.providers.smtp_wire import tls_context, xoauth2

LINE_BYTES = 2_000_000  # an answer to SEARCH is one line
CHUNK = 16 * 1024

# At DEBUG it writes down what is said, passwords among it.
logging.getLogger("imapclient").setLevel(logging.INFO)


class Wire(imaplib.IMAP4):
    """One connection. Set `until` (a monotonic moment) and `budget` (bytes it may receive) before each step."""

    def __init__(self, targets: list[net.Target], *, host: str, tls: bool, until: float, budget: int):
        self.targets, self.tls = targets, tls
        self.until, self.budget = until, budget
        self.pending = b""
        super().__init__(host, targets[0].port)

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        self.host, self.port = host, port
        self.sock: Any = net.connect(self.targets, timeout=self.left())
        try:
            if self.tls:
                self.encrypt()
        except OSError:
            self.sock.close()
            raise

    def encrypt(self) -> None:
        """TLS with the certificate checked against the host's name, not the address connected to."""
        if self.pending:
            raise ConnectionError("The server sent more than its answer before encryption.")
        self.sock.settimeout(self.left())
        self.sock = tls_context().wrap_socket(self.sock, server_hostname=self.host)

    def starttls(self, ssl_context: ssl.SSLContext | None = None) -> tuple[str, list[Any]]:
        typ, data = self._simple_command("STARTTLS")
        if typ == "OK":
            self.encrypt()
            self._get_capabilities()  # what was learned in clear is forgotten (RFC 9051 6.2.1)
        return typ, data

    def sign_in_with_token(self, username: str, token: str) -> None:
        """AUTHENTICATE XOAUTH2, its one message in the command itself where the server takes that (SASL-IR, RFC 4959).

        Raises imaplib's errors. A refusal begins as a continuation with details in it; an empty line is the documented
        answer (developers.google.com/workspace/gmail/imap/xoauth2-protocol), and brings the NO.
        """
        message = base64.b64encode(xoauth2(username, token).encode())
        at_once = "SASL-IR" in self.capabilities
        self.literal = _Once(b"" if at_once else message).answer
        args = ["XOAUTH2", message.decode("ascii")] if at_once else ["XOAUTH2"]
        typ, data = self._simple_command("AUTHENTICATE", *args)
        if typ != "OK":
            raise self.error(data[-1].decode("utf-8", "replace"))
        self.state = "AUTH"

    def left(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("out of time")
        return left

    def read(self, size: int) -> bytes:
        self.spend(size)
        parts, missing = [self.pending[:size]], size - len(self.pending)
        self.pending = self.pending[size:]
        while missing > 0:
            parts.append(self.receive(min(missing, CHUNK)))
            missing -= len(parts[-1])
        return b"".join(parts)

    def readline(self) -> bytes:
        while b"\n" not in self.pending:
            if len(self.pending) > min(LINE_BYTES, self.budget):
                raise ConnectionError("The server's answer has no end.")
            self.pending += self.receive(CHUNK)
        line, _, self.pending = self.pending.partition(b"\n")
        self.spend(len(line) + 1)
        return line + b"\n"

    def spend(self, size: int) -> None:
        self.budget -= size
        if self.budget < 0:
            raise ConnectionError("The server's answer is larger than it may be.")

    def receive(self, size: int) -> bytes:
        self.sock.settimeout(self.left())
        got = self.sock.recv(size)
        if not got:
            raise ConnectionError("The server closed the connection.")
        return got

    def send(self, data: bytes) -> None:
        for start in range(0, len(data), CHUNK):
            self.sock.settimeout(self.left())
            self.sock.sendall(data[start : start + CHUNK])

    def has_news(self) -> bool:
        """Whether something was read from the socket that nobody has looked at: no poll of the socket would tell."""
        return bool(self.pending) or (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending() > 0)

    def shutdown(self) -> None:
        self.pending = b""
        self.sock.close()


class _Once:
    """Answers the first continuation with `message`, every other with an empty line."""

    def __init__(self, message: bytes):
        self.message = message

    def answer(self, _challenge: bytes) -> bytes:
        message, self.message = self.message, b""
        return message


class Client(IMAPClient):
    """IMAPClient on our wire: its parsing and its commands, our connection."""

    def __init__(self, wire: Wire):
        self.wire = wire
        super().__init__(wire.host, wire.port, ssl=wire.tls)
        wire.debug = 0  # it would keep a log of its own

    def _create_IMAP4(self) -> Wire:  # noqa: N802  IMAPClient's name
        return self.wire

    def _set_read_timeout(self) -> None:
        """The wire has deadlines instead."""
