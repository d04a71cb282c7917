"""SMTP servers on real sockets.

`CountingSmtp` takes every mail and counts it. It also runs on its own, for tests that kill the sender's process:

    python -m tests.servers.smtp --port 2525 --log accepted.jsonl

writes one JSON line for each accepted mail, before the server answers 250. With --imap it also keeps a copy of each in
the Sent folder of an IMAP server, as Google's does, and prints that one's port, too. `ScriptedSmtp` (scripted_smtp.py)
is the one that misbehaves.
"""

import argparse
import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import compat32
from pathlib import Path

from aiosmtpd.smtp import SMTP as Protocol

from tests.servers.imap import ImapServer


@dataclass(frozen=True)
class Accepted:
    """One mail that was answered 250 to its dot. `headers` keeps order and repetition."""

    message_id: str
    mail_from: str
    rcpt_to: list[str]
    raw: bytes
    headers: list[tuple[str, str]] = field(default_factory=list)
    at: float = 0.0  # when its dot was read, by time.time()

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def line(self) -> str:
        wanted = ("x-", "in-reply-to", "subject")
        kept = {name: value for name, value in self.headers if name.lower().startswith(wanted)}
        entry = {"message_id": self.message_id, "rcpt": self.rcpt_to, "date": self.header("Date"), "headers": kept}
        return json.dumps({**entry, "at": self.at}) + "\n"


class CountingSmtp:
    """Takes every mail, counts Message-IDs. `with CountingSmtp() as server: … server.port, server.messages`.

    Addresses in `unknown` get 550 5.1.1 at RCPT. With `log`, one JSON line per mail is appended before the 250; `keep`
    is given the bytes of each then.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        log: Path | None = None,
        unknown: Iterable[str] = (),
        keep: Callable[[bytes], object] = lambda raw: None,
    ):
        self.keep = keep
        self.host, self.port = "127.0.0.1", port
        self.messages: list[Accepted] = []
        self.connections = 0
        self.unknown = {address.lower() for address in unknown}
        self.lock = threading.Lock()
        self.log = log
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True, name="counting-smtp")

    def __enter__(self) -> "CountingSmtp":
        self.thread.start()
        if not self.ready.wait(10):
            raise RuntimeError("The SMTP server did not start.")
        return self

    def __exit__(self, *_) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def counts(self) -> Counter:
        """How often each Message-ID was accepted."""
        with self.lock:
            return Counter(message.message_id for message in self.messages)

    def to(self, address: str) -> list[Accepted]:
        with self.lock:
            return [message for message in self.messages if address.lower() in map(str.lower, message.rcpt_to)]

    def run(self) -> None:
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(self.loop.create_server(self.protocol, self.host, self.port))
        self.port = server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()
        server.close()

    def protocol(self) -> Protocol:
        self.connections += 1
        return Protocol(self, hostname="sink.test", enable_SMTPUTF8=False, loop=self.loop)

    # --- what aiosmtpd calls ------------------------------------------------------------------------------------------

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.lower() in self.unknown:
            return "550 5.1.1 No such user here"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server, session, envelope):
        mail = accepted(envelope)
        with self.lock:
            self.messages.append(mail)
            number = len(self.messages)
            if self.log:
                with self.log.open("a") as file:
                    file.write(mail.line())
            self.keep(mail.raw)
        return f"250 2.0.0 OK queued as Q{number:06d}"


def accepted(envelope) -> Accepted:
    raw = envelope.content if isinstance(envelope.content, bytes) else envelope.content.encode()
    parsed: Message = BytesHeaderParser(policy=compat32).parsebytes(raw)
    headers = [(name, str(value)) for name, value in parsed.items()]
    return Accepted(
        message_id=str(parsed.get("Message-ID", "")).strip(),
        mail_from=envelope.mail_from,
        rcpt_to=list(envelope.rcpt_tos),
        raw=raw,
        headers=headers,
        at=time.time(),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="An SMTP server that takes every mail and writes down its Message-ID.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--imap", action="store_true", help="keep copies in a Sent folder")
    options = parser.parse_args()
    imap = ImapServer(idle=False).__enter__() if options.imap else None
    keep = (lambda raw: imap.put("Sent", raw)) if imap else (lambda raw: None)
    server = CountingSmtp(port=options.port, log=options.log, keep=keep)
    server.thread.start()
    if not server.ready.wait(10):
        raise SystemExit("The port could not be opened.")
    print(f"listening on {server.host}:{server.port}", flush=True)
    if imap:
        print(f"and for readers on {imap.host}:{imap.port}", flush=True)
    server.thread.join()


if __name__ == "__main__":
    main()
