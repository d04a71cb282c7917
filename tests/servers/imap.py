"""A small, strict IMAP server on a real socket (RFC 3501, RFC 2177, RFC 6154), with scripted faults.

    with ImapServer() as server:
        server.put("INBOX", raw)
    with ImapServer(script={"FETCH": [Cut(200), OK]}) as server: …        # the first time, then from then on

Stages: GREET, and the commands (LOGIN, AUTHENTICATE, LIST, STATUS, EXAMINE, SEARCH, FETCH, APPEND, IDLE). An action is
OK, No(text), or one of the objects below. It knows what the product needs and refuses the rest with BAD; folders can
only be examined, and a body can only be peeked at, so nothing a person has not read is marked as read.
"""

import base64
import contextlib
import re
import socket
import socketserver
import ssl
import time
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tests.servers.scripted import OK as OK  # one of its actions
from tests.servers.scripted import XOAUTH2, Scripted

TOKEN = re.compile(rb'"((?:[^"\\]|\\.)*)"|(\((?:[^()"]|"[^"]*"|\([^()]*\))*\))|([^\s"()]+(?:\([^()]*\)\S*)?)')
BODY = re.compile(r"BODY\.PEEK\[(HEADER\.FIELDS \(([^)]*)\))?\](?:<(\d+)\.(\d+)>)?", re.IGNORECASE)


@dataclass(frozen=True)
class No:
    text: str = "Not now"


@dataclass(frozen=True)
class Cut:
    """Send so many bytes of the answer, then close the connection."""

    after: int = 0


@dataclass(frozen=True)
class Hang:
    """Say nothing more until the client leaves."""


@dataclass(frozen=True)
class Endless:
    """Untagged lines for ever."""


@dataclass(frozen=True)
class Boast:
    """Announce a literal of so many bytes, and send them as long as the client reads."""

    size: int = 1_000_000_000


Action = str | No | Cut | Hang | Endless | Boast


class Gone(Exception):
    """The connection is over."""


@dataclass
class Stored:
    uid: int
    raw: bytes
    at: datetime
    flags: tuple[str, ...] = ()


@dataclass
class Box:
    name: str
    flags: tuple[str, ...] = ()
    uidvalidity: int = 1
    uidnext: int = 1
    mails: list[Stored] = field(default_factory=list)


USUAL = (
    ("INBOX", ()),
    ("Sent", ("\\Sent",)),
    ("Drafts", ("\\Drafts",)),
    ("Junk", ("\\Junk",)),
    ("Trash", ("\\Trash",)),
)


class ImapServer(Scripted):
    """`tls` is a server context, used at once with `tls_first`, else after STARTTLS.

    `tokens`: the access tokens that XOAUTH2 takes; it is not offered without. `sasl_ir`: whether the sign-in may
    stand in the command itself.

    Seen afterwards: `connections`, `commands` (every line but the secrets), `fetched` (UIDs whose body was read),
    `sign_ins`.
    """

    def __init__(
        self,
        *,
        user: str = "hi@you.example",
        password: str = "secret",
        folders=USUAL,
        script: dict[str, Action | list[Action]] | None = None,
        tls: ssl.SSLContext | None = None,
        tls_first: bool = False,
        idle: bool = True,
        tokens: Container[str] | None = None,
        sasl_ir: bool = True,
    ):
        super().__init__(script, Conversation)
        self.tokens, self.sasl_ir = tokens, sasl_ir
        self.user, self.password, self.idle = user, password, idle
        self.folders = {name: Box(name, tuple(flags)) for name, flags in folders}
        self.tls, self.tls_first = tls, tls_first
        self.connections, self.sign_ins, self.idling = 0, 0, 0
        self.fetched: list[tuple[str, int]] = []

    def put(self, folder: str, raw: bytes, *, at: datetime | None = None) -> int:
        """Deliver a mail; its UID."""
        with self.lock:
            box = self.folders[folder]
            stored = Stored(box.uidnext, raw, at or datetime.now(UTC))
            box.mails.append(stored)
            box.uidnext += 1
            return stored.uid

    def renumber(self, folder: str) -> None:
        """A new UIDVALIDITY: every UID means another mail now."""
        with self.lock:
            box = self.folders[folder]
            box.uidvalidity += 1
            for number, stored in enumerate(reversed(box.mails), start=1):
                stored.uid = number
            box.mails.sort(key=lambda stored: stored.uid)
            box.uidnext = len(box.mails) + 1

    def holds(self, folder: str, text: bytes) -> int:
        with self.lock:
            return sum(text in stored.raw for stored in self.folders[folder].mails)

    def verbs(self) -> list[str]:
        return [line.upper().removeprefix("UID ").split(" ")[0] for line in self.commands]


class Conversation(socketserver.BaseRequestHandler):
    """One connection, command by command."""

    request: socket.socket

    def handle(self) -> None:
        self.owner: ImapServer = self.server.owner  # type: ignore[attr-defined]
        self.owner.connections += 1
        self.buffer, self.encrypted, self.known, self.box = b"", False, False, None
        with contextlib.suppress(Gone, OSError):
            if self.owner.tls_first:
                self.encrypt()
            self.act("GREET", [b"* OK [CAPABILITY IMAP4rev1] Ready"])
            while True:
                self.command()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            self.request.close()

    # --- commands -----------------------------------------------------------------------------------------------------

    def command(self) -> None:
        line = self.line()
        tag, _, rest = line.decode("utf-8", "replace").partition(" ")
        self.tag = tag
        verb, _, args = rest.partition(" ")
        uid = verb.upper() == "UID"
        if uid:
            verb, _, args = args.partition(" ")
        verb = verb.upper()
        self.owner.commands.append(verb if verb in ("LOGIN", "AUTHENTICATE") else rest)
        answer = getattr(self, f"do_{verb.lower()}", None)
        if answer is None or (verb in ("SEARCH", "FETCH")) != uid or not self.allowed(verb):
            return self.say([f"{tag} BAD {verb} is not known, or not now".encode()])
        return answer(args)

    def allowed(self, verb: str) -> bool:
        free = ("CAPABILITY", "LOGIN", "AUTHENTICATE", "STARTTLS", "LOGOUT", "NOOP")
        return verb in free or (self.known and (verb not in ("SEARCH", "FETCH", "IDLE") or self.box is not None))

    def capabilities(self) -> bytes:
        words = ["IMAP4rev1", "SPECIAL-USE", "LITERAL+"]
        words += ["IDLE"] if self.owner.idle else []
        offers_tls = self.owner.tls and not self.encrypted
        words += ["STARTTLS", "LOGINDISABLED"] if offers_tls else ["AUTH=PLAIN"]
        words += [] if self.owner.tokens is None else ["AUTH=XOAUTH2", *(["SASL-IR"] if self.owner.sasl_ir else [])]
        return " ".join(words).encode()

    def do_capability(self, args) -> None:
        self.done("CAPABILITY", [b"* CAPABILITY " + self.capabilities()])

    def do_noop(self, args) -> None:
        self.done("NOOP", [])

    def do_starttls(self, args) -> None:
        self.done("STARTTLS", [])
        self.encrypt()

    def do_login(self, args) -> None:
        self.enter([unquoted(token) for token in tokens(args.encode())], "LOGIN")

    def do_authenticate(self, args) -> None:
        method, _, first = args.partition(" ")
        if method.upper() == "XOAUTH2":
            return self.consent(first)
        self.say([b"+ "])
        return self.enter(base64.b64decode(self.line()).decode().split("\0")[1:], "AUTHENTICATE")

    def consent(self, first: str) -> None:
        """XOAUTH2 (developers.google.com/workspace/gmail/imap/xoauth2-protocol): a refusal is first a continuation with
        details, and the client answers it with an empty line."""
        if first and not self.owner.sasl_ir:
            return self.say([f"{self.tag} BAD Unexpected argument".encode()])
        if not first:
            self.say([b"+ "])
            first = self.line().decode()
        found = XOAUTH2.fullmatch(base64.b64decode(first).decode())
        self.owner.sign_ins += 1
        if not found:
            return self.say([f"{self.tag} BAD Invalid SASL argument".encode()])
        if found[1] == self.owner.user and found[2] in (self.owner.tokens or ()):
            self.known = True
            return self.done("AUTHENTICATE", [])
        self.say([b"+ " + base64.b64encode(b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}')])
        word = "NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)" if self.line() == b"" else "BAD Cannot decode"
        return self.say([f"{self.tag} {word}".encode()])

    def enter(self, pair: list[str], stage: str) -> None:
        self.owner.sign_ins += 1
        if pair != [self.owner.user, self.owner.password]:
            return self.say([f"{self.tag} NO [AUTHENTICATIONFAILED] Wrong user or password".encode()])
        self.known = True
        return self.done(stage, [])

    def do_logout(self, args) -> None:
        self.say([b"* BYE", f"{self.tag} OK".encode()])
        raise Gone

    def do_list(self, args) -> None:
        with self.owner.lock:
            lines = [f'* LIST ({" ".join(box.flags)}) "/" "{box.name}"'.encode() for box in self.owner.folders.values()]
        self.done("LIST", lines)

    def do_status(self, args) -> None:
        box = self.folder(args)
        if box is None:
            return self.say([f"{self.tag} NO No such folder".encode()])
        values = f"UIDVALIDITY {box.uidvalidity} UIDNEXT {box.uidnext} MESSAGES {len(box.mails)}"
        return self.done("STATUS", [f'* STATUS "{box.name}" ({values})'.encode()])

    def do_examine(self, args) -> None:
        self.box = self.folder(args)
        if self.box is None:
            return self.say([f"{self.tag} NO No such folder".encode()])
        lines = [
            b"* FLAGS (\\Seen)", f"* {len(self.box.mails)} EXISTS".encode(), b"* 0 RECENT",
            f"* OK [UIDVALIDITY {self.box.uidvalidity}]".encode(), f"* OK [UIDNEXT {self.box.uidnext}]".encode(),
        ]  # fmt: skip
        return self.done("EXAMINE", lines, code="[READ-ONLY] ")

    def folder(self, args: str) -> Box | None:
        return self.owner.folders.get(unquoted(tokens(args.encode())[0]))

    def do_search(self, args) -> None:
        words = [unquoted(token) for token in tokens(args.encode())]
        with self.owner.lock:
            found = [stored.uid for stored in self.box.mails if matches(stored, words, self.box)]
        self.done("SEARCH", [("* SEARCH " + " ".join(map(str, found))).strip().encode()])

    def do_fetch(self, args) -> None:
        which, _, items = args.partition(" ")
        with self.owner.lock:
            wanted = uids_of(which, self.box)
            chosen = [(n, stored) for n, stored in enumerate(self.box.mails, start=1) if stored.uid in wanted]
            answers = [self.fetch_line(number, stored, items) for number, stored in chosen]
        self.done("FETCH", answers)

    def fetch_line(self, number: int, stored: Stored, items: str) -> bytes:
        parts = [b"UID " + str(stored.uid).encode()]
        if "RFC822.SIZE" in items:
            parts.append(b"RFC822.SIZE " + str(len(stored.raw)).encode())
        if "INTERNALDATE" in items:
            parts.append(b'INTERNALDATE "' + stored.at.strftime("%d-%b-%Y %H:%M:%S +0000").encode() + b'"')
        for found in BODY.finditer(items):
            parts.append(self.body(stored, found))
        return b"* " + str(number).encode() + b" FETCH (" + b" ".join(parts) + b")"

    def body(self, stored: Stored, found: re.Match) -> bytes:
        if found[1]:
            name, data = b"BODY[HEADER.FIELDS (MESSAGE-ID)]", header_field(stored.raw, b"message-id")
        else:
            self.owner.fetched.append((self.box.name, stored.uid))
            name, data = b"BODY[]", stored.raw
        if found[3] is not None:
            start, size = int(found[3]), int(found[4])
            name, data = name + f"<{start}>".encode(), data[start : start + size]
        return name + b" {" + str(len(data)).encode() + b"}\r\n" + data

    def do_append(self, args) -> None:
        found = re.search(r"\{(\d+)(\+?)\}$", args)
        if not found[2]:
            self.say([b"+ Go on"])
        raw = self.exactly(int(found[1]))
        self.line()
        name = unquoted(tokens(args.encode())[0])
        if name not in self.owner.folders:
            return self.say([f"{self.tag} NO [TRYCREATE] No such folder".encode()])
        self.owner.put(name, raw)
        return self.done("APPEND", [])

    def do_idle(self, args) -> None:
        told = len(self.box.mails)  # before the answer: what comes right after it is news
        self.act("IDLE", [b"+ idling"])
        self.owner.idling += 1
        try:
            while b"\n" not in self.buffer:
                if self.owner.closing.is_set():
                    raise Gone
                if len(self.box.mails) != told:
                    told = len(self.box.mails)
                    self.say([f"* {told} EXISTS".encode()])
                self.peek()
        finally:
            self.owner.idling -= 1
        if self.line().upper() != b"DONE":
            raise Gone
        self.say([f"{self.tag} OK IDLE done".encode()])

    # --- words on the wire --------------------------------------------------------------------------------------------

    def done(self, stage: str, lines: list[bytes], *, code: str = "") -> None:
        action = self.owner.action(stage)
        if isinstance(action, No):
            return self.say([f"{self.tag} NO {action.text}".encode()])
        return self.act(stage, [*lines, f"{self.tag} OK {code}{stage} done".encode()], action)

    def act(self, stage: str, lines: list[bytes], action: Action | None = None) -> None:
        match self.owner.action(stage) if action is None else action:
            case Cut(after=after):
                self.request.sendall((b"\r\n".join(lines) + b"\r\n")[:after])
                raise Gone
            case Hang():
                self.owner.closing.wait()
                raise Gone
            case Endless():
                while not self.owner.closing.is_set():
                    self.request.sendall(b"* OK and more\r\n" * 500)
                raise Gone
            case Boast(size=size):
                self.request.sendall(b"* 1 FETCH (UID 1 BODY[] {%d}\r\n" % size)
                while not self.owner.closing.is_set():
                    self.request.sendall(b"x" * 65536)
                raise Gone
            case _:
                self.say(lines)

    def say(self, lines: list[bytes]) -> None:
        self.request.sendall(b"".join(line + b"\r\n" for line in lines))

    def line(self) -> bytes:
        while b"\n" not in self.buffer:
            self.more()
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            self.more()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data

    def more(self) -> None:
        got = self.request.recv(65536)
        if not got:
            raise Gone
        self.buffer += got

    def peek(self) -> None:
        """What the client says within 20 ms, if anything."""
        self.request.settimeout(0.02)
        try:
            self.more()
        except TimeoutError:
            pass
        finally:
            self.request.settimeout(None)

    def encrypt(self) -> None:
        assert self.owner.tls is not None
        self.request = self.owner.tls.wrap_socket(self.request, server_side=True)
        self.encrypted = True


def tokens(text: bytes) -> list[bytes]:
    return [found.group() for found in TOKEN.finditer(text)]


def unquoted(token: bytes) -> str:
    text = token.decode("utf-8", "replace")
    return re.sub(r"\\(.)", r"\1", text[1:-1]) if text.startswith('"') else text


def uids_of(text: str, box: Box) -> set[int]:
    """`*` is the highest there is, and a range may be written either way round (RFC 3501 9: seq-range)."""
    last = max((stored.uid for stored in box.mails), default=0)
    found: set[int] = set()
    for part in text.split(","):
        first, _, end = part.partition(":")
        low, high = (last if word == "*" else int(word) for word in (first, end or first))
        found |= set(range(min(low, high), max(low, high) + 1))
    return found


def matches(stored: Stored, words: list[str], box: Box) -> bool:
    match [word.upper() if number == 0 else word for number, word in enumerate(words)]:
        case ["UID", which]:
            return stored.uid in uids_of(which, box)
        case ["SINCE", day]:
            return stored.at.date() >= datetime.strptime(day, "%d-%b-%Y").replace(tzinfo=UTC).date()
        case ["HEADER", name, text]:
            return text.encode() in header_field(stored.raw, name.lower().encode())
    raise Gone


def header_field(raw: bytes, name: bytes) -> bytes:
    head = re.split(rb"\r?\n\r?\n", raw, maxsplit=1)[0] + b"\r\n"
    found = re.findall(rb"(?im)^" + re.escape(name) + rb":.*(?:\r?\n[ \t].*)*\r?\n", head)
    return b"".join(found) + b"\r\n"


def wait_until(what, *, seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not what():
        if time.monotonic() > until:
            raise AssertionError("It did not come to be.")
        time.sleep(0.01)
