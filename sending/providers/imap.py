"""Reading a mailbox over IMAP: sign in, list folders, look for what is new, fetch it, be told of more.

Folders are opened read-only (EXAMINE) and mails are peeked at, so a person's unread mails stay unread. Everything the
network or the server does wrong is an ImapTrouble; after a Refused the connection still serves.
"""

import imaplib
import logging
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.conf import settings

from sending import oauth
from sending.providers import net
from sending.providers.imap_wire import Client, Wire
from sending.providers.smtp_wire import without, xoauth2
from sending.raw_mail import MAX_BYTES

logger = logging.getLogger(__name__)

CHECK_SECONDS = 15
ANSWER_BYTES = 4_000_000
# Of a mail beyond the limit this much is read: enough for its headers and what a person wrote at its top.
HEAD_BYTES = 1_000_000
_MESSAGE_ID = re.compile(r"<[!#-\[\]-~]{1,900}>")  # no quote, no backslash
_UNSPEAKABLE = re.compile(r"[\x00-\x1f\x7f]")

CHECK_FAILED = (
    "Could not sign in to the IMAP server with these settings. Check host, port, security, user name and password."
)
CHECK_WORKS = "The IMAP server accepted the sign-in."


class ImapTrouble(Exception):
    """`code`: auth_failed, certificate_invalid, tls_required, timeout, connection_lost …; the text is for the log."""

    def __init__(self, code: str, detail: str):
        super().__init__(detail)
        self.code = code


class Refused(ImapTrouble):
    """The server said no to one command; the connection is as it was."""


class NoConsent(ImapTrouble):
    """The vendor gives no token. Its sentence is ours, and tells nothing of any mail server."""


@dataclass(frozen=True)
class Folder:
    name: str
    flags: frozenset[str]  # lower case, with the backslash: \sent, \noselect …


@dataclass(frozen=True)
class Mail:
    """One mail as fetched. `raw` is cut to HEAD_BYTES when `size` is beyond the limit."""

    raw: bytes
    size: int
    arrived_at: datetime


@dataclass(frozen=True)
class Notice:
    """What is known of a mail before it is fetched."""

    size: int
    arrived_at: datetime
    message_id: str


def check(mailbox: Any) -> tuple[bool, str]:
    """Connect, encrypt, sign in, leave: (works, one sentence for every cause); the cause is in the log."""
    session = ImapSession(mailbox, seconds=CHECK_SECONDS)
    try:
        session.connect()
    except ImapTrouble as trouble:
        logger.info("IMAP check failed: %s %s", trouble.code, trouble)
        return False, str(trouble) if isinstance(trouble, NoConsent) else CHECK_FAILED
    session.close()
    return True, CHECK_WORKS


class ImapSession:
    """One connection. `mailbox` needs imap_host, imap_port, imap_security, and user name and password, or a consent.

    `seconds` bounds all of it together; without, each step has IMAP_STEP_TIMEOUT_SECONDS of its own.
    """

    def __init__(self, mailbox: Any, *, seconds: float | None = None):
        self.mailbox = mailbox
        self.finish = time.monotonic() + seconds if seconds else None
        self.wire: Wire | None = None
        self.idling = False
        self.token = ""  # of a person's consent

    def connect(self) -> None:
        """Connect, encrypt, sign in. A token that the server does not take is renewed once."""
        self._take_token()
        try:
            self._enter()
        except ImapTrouble as trouble:
            if not self.token or trouble.code != "auth_failed":
                raise
            self._take_token(refused=self.token)
            self._enter()

    def _take_token(self, *, refused: str = "") -> None:
        if not oauth.uses_consent(self.mailbox):
            return
        try:
            self.token = oauth.token_for(self.mailbox, refused=refused, seconds=self._deadline() - time.monotonic())
        except oauth.NoToken as none:
            raise NoConsent(none.code, none.sentence) from None

    def _enter(self) -> None:
        try:
            with self._step():
                self._greet()
            with self._step() as client:
                self._encrypt(client)
            with self._step() as client:
                self._sign_in(client)
        except ImapTrouble:
            self.drop()
            raise

    def _greet(self) -> None:
        box = self.mailbox
        until = self._deadline()
        targets = net.targets_for(box.imap_host, box.imap_port, ports=net.IMAP_PORTS, timeout=until - time.monotonic())
        if box.imap_security == "none" and not all(target.private for target in targets):
            raise ImapTrouble("tls_required", "Mail in clear is read inside OUTBOUND_PRIVATE_NETWORKS only.")
        tls = box.imap_security == "tls"
        self.wire = Wire(targets, host=net.ascii_name(box.imap_host), tls=tls, until=until, budget=ANSWER_BYTES)
        self.client = Client(self.wire)

    def _encrypt(self, client: Client) -> None:
        if self.mailbox.imap_security != "starttls":
            return
        if not client.has_capability("STARTTLS"):
            raise ImapTrouble("tls_required", "The server does not offer STARTTLS, and mail in clear is not read.")
        client.starttls()

    def _sign_in(self, client: Client) -> None:
        name, secret = credentials(self.mailbox)
        secret = self.token or secret
        try:
            if self.token:
                client.wire.sign_in_with_token(name, secret)
            elif client.has_capability("AUTH=PLAIN"):
                client.plain_login(name, secret)
            else:
                client.login(name, secret)
        except imaplib.IMAP4.abort:
            raise
        except (imaplib.IMAP4.error, UnicodeEncodeError) as error:
            said = without(str(error), secret, f"\0{name}\0{secret}", xoauth2(name, secret))
            raise ImapTrouble("auth_failed", f"The server did not accept the sign-in: {said}"[:300]) from None

    # --- what is there ------------------------------------------------------------------------------------------------

    def folders(self) -> list[Folder]:
        with self._step() as client:
            listed = client.list_folders()
        return [Folder(name, frozenset(flag.decode("ascii", "replace").lower() for flag in flags))
                for flags, _, name in listed if name]  # fmt: skip

    def status(self, folder: str) -> tuple[int, int]:
        """(UIDVALIDITY, UIDNEXT) without opening it."""
        with self._step() as client:
            answer = client.folder_status(folder, ["UIDVALIDITY", "UIDNEXT"])
        return int(answer.get(b"UIDVALIDITY", 0)), int(answer.get(b"UIDNEXT", 0))

    def examine(self, folder: str) -> int:
        """Open it read-only; its UIDVALIDITY. Raises Refused when it may not be read."""
        with self._step() as client:
            answer = client.select_folder(folder, readonly=True)
        return int(answer.get(b"UIDVALIDITY", 0))

    def after(self, uid: int) -> list[int]:
        """The UIDs beyond `uid`, ascending. `n:*` names the last mail even when n is beyond it."""
        return [found for found in self._search(["UID", f"{uid + 1}:*"]) if found > uid]

    def since(self, day: date) -> list[int]:
        return self._search(["SINCE", day])

    def highest(self) -> int:
        return max(self._search(["UID", "*"]), default=0)

    def find(self, message_id: str) -> list[int]:
        """The UIDs in the open folder whose Message-ID is this one."""
        if not _MESSAGE_ID.fullmatch(message_id):
            raise ValueError("This is no Message-ID that can be looked for.")
        return self._search(f'HEADER Message-ID "{message_id}"')

    def _search(self, criteria: list | str) -> list[int]:
        with self._step() as client:
            return sorted(client.search(criteria))

    # --- mails --------------------------------------------------------------------------------------------------------

    def notice(self, uid: int) -> Notice | None:
        """None when it is gone by now."""
        with self._step() as client:
            found = client.fetch([uid], ["RFC822.SIZE", "INTERNALDATE", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"])
        data = found.get(uid, {})
        return _notice(data) if b"RFC822.SIZE" in data else None

    def fetch(self, uid: int, notice: Notice) -> Mail | None:
        """None when it is gone by now."""
        whole = notice.size <= MAX_BYTES
        item = "BODY.PEEK[]" if whole else f"BODY.PEEK[]<0.{HEAD_BYTES}>"
        with self._step(budget=(notice.size if whole else HEAD_BYTES) + 100_000) as client:
            data = client.fetch([uid], [item]).get(uid, {})
        raw = data.get(b"BODY[]", data.get(b"BODY[]<0>"))
        return Mail(raw, notice.size, notice.arrived_at) if isinstance(raw, bytes) else None

    def append(self, folder: str, raw: bytes, *, at: datetime) -> None:
        with self._step() as client:
            client.append(folder, raw, flags=[b"\\Seen"], msg_time=at)

    # --- being told ---------------------------------------------------------------------------------------------------

    def can_idle(self) -> bool:
        with self._step() as client:
            return client.has_capability("IDLE")

    def idle(self) -> None:
        """From here on the server says by itself what comes into the open folder (RFC 2177)."""
        with self._step() as client:
            client.idle()
        self.idling = True

    def wake(self) -> None:
        """End IDLE, if it idles: only then can commands be given."""
        if self.idling:
            self.idling = False
            with self._step() as client:
                client.idle_done()

    def has_news(self) -> bool:
        return self.wire is not None and self.wire.has_news()

    def fileno(self) -> int:
        if self.wire is None:
            raise ValueError("not connected")
        return self.wire.sock.fileno()

    # --- the connection -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """LOGOUT where it costs nothing. Never raises."""
        if self.wire is not None:
            try:
                self.finish = time.monotonic() + 1
                self.wake()
                with self._step() as client:
                    client.logout()
            except ImapTrouble:
                pass
        self.drop()

    def drop(self) -> None:
        """Close without a word."""
        if self.wire is not None:
            self.wire.shutdown()
        self.wire = None

    @contextmanager
    def _step(self, *, budget: int = ANSWER_BYTES) -> Iterator[Client]:
        if self.wire is not None:
            self.wire.until, self.wire.budget = self._deadline(), budget
        try:
            yield self.client if self.wire is not None else None  # type: ignore[misc]
        except (ImapTrouble, GeneratorExit):
            raise
        except (OSError, net.AddressRefused, imaplib.IMAP4.error, ValueError, LookupError, TypeError,
                AssertionError, RecursionError) as error:  # fmt: skip
            raise trouble(error) from error

    def _deadline(self) -> float:
        until = time.monotonic() + settings.IMAP_STEP_TIMEOUT_SECONDS
        return min(until, self.finish) if self.finish else until


def credentials(mailbox: Any) -> tuple[str, str]:
    """The IMAP sign-in, which mostly is that of SMTP. Control characters would end the command and begin another."""
    own = bool(mailbox.imap_username)
    name = mailbox.imap_username or mailbox.username or mailbox.email
    secret = mailbox.imap_password if own or mailbox.imap_password else mailbox.password
    if _UNSPEAKABLE.search(name + secret):
        raise ImapTrouble("auth_failed", "The user name or password holds a control character.")
    return name, secret


def _notice(data: dict) -> Notice:
    header = next((value for key, value in data.items() if key.startswith(b"BODY[HEADER")), None) or b""
    arrived = data.get(b"INTERNALDATE")
    if isinstance(arrived, datetime):  # IMAPClient gives the machine's local time, naive
        arrived = arrived.astimezone(UTC)
    found = re.search(rb"<[^<>\s]{1,900}>", header)
    return Notice(
        size=int(data[b"RFC822.SIZE"]),
        arrived_at=arrived or datetime.now(UTC),
        message_id=found.group().decode("utf-8", "replace") if found else "",
    )


def trouble(error: Exception) -> ImapTrouble:
    lost = "connection_lost" if isinstance(error, OSError | imaplib.IMAP4.abort) else "bad_answer"
    code = net.word_for(error) or lost
    detail = (str(error) or type(error).__name__)[:300]
    if code == "bad_answer" and isinstance(error, imaplib.IMAP4.error):
        return Refused("refused", detail)
    return ImapTrouble(code, detail)
