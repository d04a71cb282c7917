"""An SMTP server that does as it is told, to see what a client makes of it.

    with ScriptedSmtp({"rcpt": "550 5.1.1 No such user"}) as server: …
    with ScriptedSmtp({"rcpt": ["450 4.2.1 Later", OK]}) as server: …      # the first time, then from then on

Stages: connect, ehlo, starttls, auth, mail, rcpt, data, body, dot, rset, quit. An action is a reply (str, may hold
several lines joined by CR LF) or one of the objects below. `body` acts after its first bytes and waits for no dot.
"""

import base64
import binascii
import contextlib
import select
import socket
import socketserver
import ssl
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from tests.servers.scripted import OK, XOAUTH2, Scripted


@dataclass(frozen=True)
class Drop:
    """Close the connection; with `accept`, keep the mail first."""

    accept: bool = False


@dataclass(frozen=True)
class Hang:
    """Say nothing more until the client leaves; with `accept`, keep the mail first."""

    accept: bool = False


@dataclass(frozen=True)
class Drip:
    """Say it one byte at a time, `seconds` apart."""

    text: str
    seconds: float


@dataclass(frozen=True)
class Endless:
    """One line for ever, or (with `lines`) continuation lines for ever."""

    lines: bool = True


@dataclass(frozen=True)
class Call:
    """Do something in the world, then close the connection."""

    what: Callable[[], object]


Action = Call | str | Drop | Hang | Drip | Endless
ORDINARY = {
    "connect": "220 scripted.test ESMTP",
    "starttls": "220 2.0.0 Go ahead",
    "auth": "235 2.7.0 Accepted",
    "mail": "250 2.1.0 OK",
    "rcpt": "250 2.1.5 OK",
    "data": "354 End with a dot",
    "dot": "250 2.0.0 OK queued as ABC123",
    "rset": "250 2.0.0 OK",
    "quit": "221 2.0.0 Bye",
}


class Gone(Exception):
    """The connection is over."""


class ScriptedSmtp(Scripted):
    """`features` are EHLO's lines; `tls` is a server context, used at once with `tls_first`, else after STARTTLS.

    `tokens`: the access tokens that XOAUTH2 takes; any, without.

    Seen afterwards: `connections`, `commands` (every line, in order), `bodies` (mails accepted, dots still doubled),
    `dots` (how many were read), `starts` (bytes of bodies begun), `credentials` ((user, password) pairs).
    """

    def __init__(
        self,
        script: dict[str, Action | list[Action]] | None = None,
        *,
        features: tuple[str, ...] = ("SIZE 10000000", "8BITMIME"),
        tls: ssl.SSLContext | None = None,
        tls_first: bool = False,
        tokens: Container[str] | None = None,
    ):
        super().__init__(script, Conversation)
        self.tokens = tokens
        self.features, self.tls, self.tls_first = features, tls, tls_first
        self.connections = 0
        self.open = 0  # conversations under way
        self.bodies: list[bytes] = []
        self.dots = 0  # read, and the mail kept or not
        self.starts: list[bytes] = []
        self.credentials: list[tuple[str, str]] = []

    def verbs(self) -> list[str]:
        return [line.split(" ")[0].upper() for line in self.commands]


@dataclass
class Envelope:
    body: bytes = b""
    rcpt: list[str] = field(default_factory=list)


class Conversation(socketserver.BaseRequestHandler):
    """One connection, command by command."""

    request: socket.socket

    def handle(self) -> None:
        self.owner: ScriptedSmtp = self.server.owner  # type: ignore[attr-defined]
        with self.owner.lock:
            self.owner.connections += 1
            self.owner.open += 1
        self.buffer = b""
        self.encrypted = False
        with contextlib.suppress(Gone, OSError):
            if self.owner.tls_first:
                self.encrypt()
            self.act("connect")
            while True:
                self.command(self.line().decode("latin-1").rstrip("\r\n"))

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            self.request.close()
        with self.owner.lock:
            self.owner.open -= 1

    def command(self, line: str) -> None:
        self.owner.commands.append(line)
        verb = line.split(" ")[0].upper()
        if verb == "EHLO":
            self.act("ehlo", "\r\n".join(self.greeting()))
        elif verb == "STARTTLS":
            self.act("starttls")
            self.encrypt()
        elif verb == "AUTH":
            self.auth(line)
        elif verb == "DATA":
            self.data()
        elif verb in ("MAIL", "RCPT", "RSET", "QUIT"):
            self.act(verb.lower())
            if verb == "QUIT":
                raise Gone
        else:
            self.say("502 5.5.2 Not known")

    def greeting(self) -> list[str]:
        features = list(self.owner.features)
        if self.owner.tls and not self.encrypted and not self.owner.tls_first:
            features.append("STARTTLS")
        words = ["scripted.test", *features]
        return [f"250-{word}" for word in words[:-1]] + [f"250 {words[-1]}"]

    def auth(self, line: str) -> None:
        _, method, *first = line.split(" ")
        if method.upper() == "XOAUTH2":
            return self.consent(first[0])
        if method.upper() == "PLAIN":
            _, user, password = decoded(first[0]).split("\0")
        else:
            user, password = self.challenge("Username:"), self.challenge("Password:")
        self.owner.credentials.append((user, password))
        return self.act("auth")

    def consent(self, first: str) -> None:
        """XOAUTH2 (developers.google.com/workspace/gmail/imap/xoauth2-protocol): a refusal is first a 334 with details,
        and the client answers it with an empty line."""
        found = XOAUTH2.fullmatch(decoded(first))
        if not found:
            return self.say("501 5.5.2 Not XOAUTH2")
        self.owner.credentials.append((found[1], found[2]))
        if self.owner.tokens is None or found[2] in self.owner.tokens:
            return self.act("auth")
        self.say("334 " + base64.b64encode(b'{"status":"401","schemes":"bearer"}').decode())
        self.owner.commands.append(said := self.line().decode("latin-1").rstrip("\r\n"))
        return self.say("535 5.7.8 Username and Password not accepted" if said == "" else "501 5.5.2 Cannot decode")

    def challenge(self, word: str) -> str:
        self.say("334 " + base64.b64encode(word.encode()).decode())
        return decoded(self.line().decode("ascii").strip())

    def data(self) -> None:
        action = self.owner.action("data")
        self.do(action, ORDINARY["data"])
        if isinstance(action, str) and action and not action.startswith("354"):
            return
        body = self.body()
        ending = self.owner.action("dot")
        if takes(ending):
            self.owner.bodies.append(body)
        self.owner.dots += 1
        self.do(ending, ORDINARY["dot"])

    def body(self) -> bytes:
        while not (self.buffer.endswith(b"\r\n.\r\n") or self.buffer == b".\r\n"):
            self.more()
            self.owner.starts.append(self.buffer[:4096])
            if (action := self.owner.action("body")) != OK:
                self.do(action, "")
                raise Gone
        body, self.buffer = self.buffer.removesuffix(b".\r\n"), b""
        return body

    # --- words on the wire --------------------------------------------------------------------------------------------

    def act(self, stage: str, ordinary: str = "") -> None:
        self.do(self.owner.action(stage), ordinary or ORDINARY[stage])

    def do(self, action: Action, ordinary: str) -> None:
        match action:
            case Drop():
                raise Gone
            case Call(what=what):
                what()
                raise Gone
            case Hang():
                self.wait_for_the_end()
                raise Gone
            case Drip(text=text, seconds=seconds):
                for letter in text + "\r\n":
                    self.request.sendall(letter.encode())
                    self.wait(seconds)
            case Endless(lines=lines):
                while not self.owner.closing.is_set():
                    self.request.sendall(b"250-and more\r\n" * 100 if lines else b"250 and more " * 100)
            case _:
                text = str(action) or ordinary
                self.say(text)
                if text.startswith("421"):
                    raise Gone

    def wait(self, seconds: float) -> None:
        """Until the server of the test stops, or the time is over."""
        if self.owner.closing.wait(seconds):
            raise Gone

    def wait_for_the_end(self) -> None:
        """Until the client leaves, or the server of the test stops. Nothing is read: a client that writes is stuck."""
        poll = select.poll()
        poll.register(self.request, select.POLLRDHUP)
        while not self.owner.closing.is_set() and not poll.poll(50):
            pass

    def say(self, text: str) -> None:
        self.request.sendall(text.encode() + b"\r\n")

    def line(self) -> bytes:
        while b"\n" not in self.buffer:
            self.more()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line + b"\n"

    def more(self) -> None:
        got = self.request.recv(65536)
        if not got:
            raise Gone
        self.buffer += got

    def encrypt(self) -> None:
        assert self.owner.tls is not None
        self.request = self.owner.tls.wrap_socket(self.request, server_side=True)
        self.encrypted = True


def takes(ending: Action) -> bool:
    """Whether the mail is kept when its dot is answered so."""
    if isinstance(ending, (Drop, Hang)):
        return ending.accept
    return isinstance(ending, str) and ending[:1] in ("", "2")


def decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise Gone from None
