"""An SMTP connection that cannot hold its worker, and whose dot is a step of its own.

smtplib gives the protocol; this gives what it lacks: a deadline per phase that counts every byte (a time-out per read
lets one byte per 20 s hold a worker for hours), bounded replies, DATA, body and dot apart, and a refusal to go on when
the server speaks out of turn (an early answer would be taken for the answer to the dot).
"""

import base64
import re
import smtplib
import ssl
import time
from functools import cache
from typing import Any

from outbound import failpoints
from sending.providers import net

REPLY_BYTES = 16 * 1024
REPLY_LINES = 100
CHUNK = 16 * 1024  # one TLS record: SSLSocket.sendall starts its clock anew for each

REPLY_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?\r?\n\Z", re.DOTALL)
BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
ANY_LINE_END = re.compile(rb"\r\n|\r|\n")


class OutOfTurn(OSError):
    """The server broke the protocol: endless, malformed or unasked-for answers. The connection is of no more use."""


@cache
def tls_context() -> ssl.SSLContext:
    """One for all: building it reads every root certificate, 24 ms a time."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class Wire(smtplib.SMTP):
    """One connection. Set `until` (a monotonic moment) before each phase; every read and write obeys it."""

    def __init__(self, *, host: str, ehlo_name: str):
        # A name is given so that smtplib does not look its own up in the DNS, without any time limit.
        super().__init__(host="", local_hostname=ehlo_name)
        self._host = host
        self.until = 0.0
        self.pending = b""

    def left(self) -> float:
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError("out of time")
        return left

    def open(self, targets: list[net.Target], *, tls: bool) -> tuple[int, bytes]:
        """Connect to the checked addresses and read the greeting."""
        self.sock = net.connect(targets, timeout=self.left())
        self.file = None
        if tls:
            self.encrypt()
        return self.getreply()

    def encrypt(self) -> None:
        """TLS with the certificate checked against the host's name, not the address connected to."""
        if self.pending:
            raise OutOfTurn("The server sent more than its answer before encryption.")
        assert self.sock is not None
        self.sock.settimeout(self.left())
        # do_handshake measures its time-out over the whole handshake, so a dripping one ends too.
        self.sock = tls_context().wrap_socket(self.sock, server_hostname=self._host)
        # RFC 3207: what was learned in clear must be forgotten.
        self.helo_resp = self.ehlo_resp = None
        self.esmtp_features = {}
        self.does_esmtp = False

    def send(self, data: Any) -> None:
        """Text is a command, bytes are a body; in chunks, so that a slow reader meets the deadline too."""
        raw = data.encode("ascii") if isinstance(data, str) else bytes(data)
        if self.sock is None:
            raise ConnectionError("not connected")
        for start in range(0, len(raw), CHUNK):
            self.sock.settimeout(self.left())
            self.sock.sendall(raw[start : start + CHUNK])

    def putcmd(self, command: str, args: str = "") -> None:
        if self.pending:
            raise OutOfTurn("The server answered before it was asked.")
        super().putcmd(command, args)

    def getreply(self) -> tuple[int, bytes]:
        """(code, text) of one reply, several lines joined. Raises OSError: ended, out of time, or OutOfTurn."""
        lines: list[bytes] = []
        budget = REPLY_BYTES
        while len(lines) < REPLY_LINES:
            line = self.read_line(budget)
            budget -= len(line)
            found = REPLY_LINE.match(line)
            if not found:
                raise OutOfTurn("The server's answer is not SMTP.")
            lines.append((found[3] or b"").strip())
            if found[2] != b"-":
                return int(found[1]), b"\n".join(lines)
        raise OutOfTurn("The server's answer has no end.")

    def read_line(self, budget: int) -> bytes:
        while b"\n" not in self.pending:
            if len(self.pending) >= budget:
                raise OutOfTurn("The server's answer has no end.")
            self.pending += self.receive()
        line, _, self.pending = self.pending.partition(b"\n")
        return line + b"\n"

    def receive(self) -> bytes:
        if self.sock is None:
            raise ConnectionError("not connected")
        self.sock.settimeout(self.left())
        got = self.sock.recv(4096)
        if not got:
            raise ConnectionError("The server closed the connection.")
        return got

    def is_quiet(self) -> bool:
        """Whether the server waits for us: nothing said out of turn, and not gone. Does not wait."""
        if self.sock is None or self.pending:
            return False
        try:
            self.sock.settimeout(0)
            self.pending = self.sock.recv(4096)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        except OSError:
            pass
        return False

    def sign_in(self, username: str, password: str) -> tuple[int, bytes]:
        """AUTH PLAIN or LOGIN, in UTF-8 (RFC 4616).

        smtplib's own fails on a password with ß, and offers a wrong one to every method in turn.
        """
        offered = self.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            return self.docmd("AUTH", "PLAIN " + b64(f"\0{username}\0{password}"))
        if "LOGIN" not in offered:
            return 504, b"The server offers no way to sign in that we know (PLAIN, LOGIN)."
        code, text = self.docmd("AUTH", "LOGIN")
        for secret in (username, password):
            if code == 334:
                code, text = self.docmd(b64(secret))
        return code, text

    def sign_in_with_token(self, username: str, token: str) -> tuple[int, bytes]:
        """AUTH XOAUTH2 in one line (developers.google.com/workspace/gmail/imap/xoauth2-protocol).

        A refusal begins as a 334 with details in it; an empty line is the documented answer, and brings the 535.
        """
        if "XOAUTH2" not in self.esmtp_features.get("auth", "").upper().split():
            return 504, b"The server offers no sign-in by consent (XOAUTH2)."
        code, text = self.docmd("AUTH", "XOAUTH2 " + b64(xoauth2(username, token)))
        if code == 334:
            code, text = self.docmd("")
        return code, text

    def dot(self) -> tuple[int, bytes]:
        """The point of no return, and nothing else."""
        self.send(b".\r\n")
        failpoints.hit("dot.sent")
        return self.getreply()

    def close(self) -> None:
        self.pending = b""
        try:
            super().close()
        except OSError:
            self.sock = None

    def leave(self) -> None:
        """QUIT where it costs nothing. Never raises."""
        try:
            self.until = time.monotonic() + 1
            self.docmd("QUIT")
        except (OSError, ValueError):
            pass
        self.close()


def on_the_wire(raw: bytes) -> bytes:
    """The body as it goes after 354: CRLF only, dots doubled at line starts, ended by CRLF but without the dot.

    Servers disagree on what a bare CR or LF means, which lets a text end its mail and begin another (SMTP smuggling);
    so none leaves.
    """
    body = ANY_LINE_END.sub(b"\r\n", raw)
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    if BARE.search(body):
        raise ValueError("A bare CR or LF survived.")
    return re.sub(rb"^\.", b"..", body, flags=re.MULTILINE)


def xoauth2(username: str, token: str) -> str:
    """The one message of SASL XOAUTH2. ValueError for what would be read as a further field of it."""
    if re.search(r"[\x00-\x1f\x7f]", username + token):
        raise ValueError("The user name holds a control character.")
    return f"user={username}\1auth=Bearer {token}\1\1"


def without(text: str, *secrets: str) -> str:
    """`text` of a server, which might repeat what it was told."""
    for secret in filter(None, secrets):
        for form in (secret, b64(secret)):
            text = text.replace(form, "…")
    return text


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode("ascii")
