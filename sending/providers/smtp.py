"""Sending over SMTP: prepare through the body, commit with the dot.

Before the dot the server has accepted nothing, so any trouble there may be tried again; after it, only an answer tells.
One session drains one mailbox: one connection, RSET between messages. What is wrong with the connection itself (host,
TLS, sign-in) is remembered for the session, so that fifty due messages make one attempt and not fifty.
"""

import logging
import re
import time
from types import TracebackType
from typing import Any

from django.conf import settings

from sending import oauth
from sending.providers import net
from sending.providers.base import NotAccepted, Parcel, SendResult
from sending.providers.smtp_replies import AUTH_FAILED, readable, result_of
from sending.providers.smtp_wire import OutOfTurn, Wire, on_the_wire, without, xoauth2

logger = logging.getLogger(__name__)

BEFORE_DOT_SECONDS = 80  # all steps together; the ledger's lease (90 s) is built on it
CHECK_SECONDS = 15
PROBE_SECONDS = 5  # RSET on a connection that may have died while it waited

ADDRESS = re.compile(r"[!-;=?-~]{1,64}@[!-;=?-~]{1,253}")  # printable ASCII without space and <>

# One sentence for every cause, so that this form is no port scanner; the cause is in the log.
CHECK_FAILED = (
    "Could not sign in to the mail server with these settings. Check host, port, security, user name and password."
)
CHECK_WORKS = "The mail server accepted the sign-in."


class NoConsent(NotAccepted):
    """The vendor gives no token. Its sentence is ours, and tells nothing of any mail server."""


class Smtp:
    """The transport. `mailbox` needs email, smtp_host, smtp_port, smtp_security, username, password, sign_in."""

    name = "smtp"

    def open(self, mailbox: Any) -> "SmtpSession":
        return SmtpSession(mailbox)

    def check(self, mailbox: Any) -> tuple[bool, str]:
        """Connect, encrypt, sign in, leave."""
        session = SmtpSession(mailbox)
        session.finish = time.monotonic() + CHECK_SECONDS
        try:
            session.connect()
        except NotAccepted as refused:
            logger.info("Mailbox check failed: %s %s", refused.result.code, refused.result.detail)
            return False, refused.result.detail if isinstance(refused, NoConsent) else CHECK_FAILED
        session.close()
        return True, CHECK_WORKS


class SmtpSession:
    """One mailbox's connection, made at the first `prepare()` and made again when lost."""

    def __init__(self, mailbox: Any):
        self.mailbox = mailbox
        self.wire: Wire | None = None
        self.handoff: SmtpHandoff | None = None
        self.down: SendResult | None = None
        self.finish = 0.0  # the monotonic moment by which everything before the dot is over
        self.token = ""  # of a person's consent
        self.renewed = False  # for the message at hand: a refused token is renewed once

    def prepare(self, parcel: Parcel) -> "SmtpHandoff":
        """Everything but the dot. Raises NotAccepted; takes at most BEFORE_DOT_SECONDS."""
        if self.handoff is not None:
            raise RuntimeError("Commit or abort the message at hand first.")
        refuse_bad_addresses(parcel)
        if self.down is not None:
            raise NotAccepted(self.down)
        self.finish = time.monotonic() + min(BEFORE_DOT_SECONDS, settings.SMTP_STEP_TIMEOUT_SECONDS * 4 / 3)
        self.renewed = False
        if not self.is_ready():
            self.connect()
        try:
            self.up_to_the_dot(parcel)
        except NotAccepted as refused:
            if not self.may_renew(refused.result):
                raise
            self.connect()  # the token ended while the connection was open
            self.up_to_the_dot(parcel)
        self.handoff = SmtpHandoff(self, self.connected())
        return self.handoff

    def close(self) -> None:
        """Leave; a message whose dot was not sent is not accepted."""
        if self.handoff is not None:
            self.handoff.abort()
        elif self.wire is not None:
            self.wire.leave()
            self.wire = None

    def __enter__(self) -> "SmtpSession":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the connection -----------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Connect, encrypt, sign in. What fails here fails the session: `down` repeats it without another attempt."""
        try:
            self.enter()
        except NotAccepted as refused:
            if self.may_renew(refused.result):
                self.connect()
                return
            self.down = refused.result
            raise

    def enter(self) -> None:
        try:
            self.take_token()
            self.greet()
            self.encrypt()
            self.sign_in()
        except NotAccepted:
            self.drop()
            raise
        except (OSError, net.AddressRefused, ValueError) as error:
            self.drop()
            raise NotAccepted(trouble(error)) from error

    def take_token(self) -> None:
        """Before the connection is made: it need not wait for the vendor, and is not needed without a token."""
        if not oauth.uses_consent(self.mailbox):
            return
        refused, left = self.token if self.renewed else "", self.finish - time.monotonic()
        try:
            self.token = oauth.token_for(self.mailbox, refused=refused, seconds=left)
        except oauth.NoToken as none:
            result = SendResult("try_later", code=none.code, detail=none.sentence, retry_after=none.retry_after,
                                blame="connection")  # fmt: skip
            raise NoConsent(result) from None

    def may_renew(self, refused: SendResult) -> bool:
        """Whether another token may help: once for each message, and only while nothing of it is past its dot."""
        if self.renewed or not self.token or refused.code != AUTH_FAILED:
            return False
        self.renewed = True
        self.drop()
        return True

    def greet(self) -> None:
        box = self.mailbox
        until = self.next_deadline()
        targets = net.targets_for(box.smtp_host, box.smtp_port, timeout=until - time.monotonic())
        if box.smtp_security == "none" and not all(target.private for target in targets):
            raise NotAccepted(in_clear("Mail in clear is allowed inside OUTBOUND_PRIVATE_NETWORKS only."))
        self.wire = Wire(host=net.ascii_name(box.smtp_host), ehlo_name=net.ascii_name(box.email.rpartition("@")[2]))
        self.wire.until = until
        code, text = self.wire.open(targets, tls=box.smtp_security == "tls")
        if code != 220:
            raise NotAccepted(result_of("connect", code, readable(text)))
        self.hello()

    def hello(self) -> None:
        wire = self.next_step()
        code, text = wire.ehlo()
        if code != 250:
            raise NotAccepted(result_of("ehlo", code, readable(text)))

    def encrypt(self) -> None:
        """STARTTLS, unless the connection is private or encrypted already. There is no way on without it."""
        if self.mailbox.smtp_security in ("none", "tls"):
            return
        if not self.connected().has_extn("starttls"):
            raise NotAccepted(in_clear("The server does not offer STARTTLS, and mail in clear is not sent."))
        self.ask("starttls", "STARTTLS", want=220)
        self.next_step().encrypt()
        self.hello()

    def sign_in(self) -> None:
        box, wire = self.mailbox, self.next_step()
        if self.token:
            name, secret = box.username or box.email, self.token
            code, text = wire.sign_in_with_token(name, secret)
        elif box.username:
            name, secret = box.username, box.password
            code, text = wire.sign_in(name, secret)
        else:
            return
        if code != 235:
            # What a server says ends on the record; one that repeats what it was told must not put a secret there.
            said = without(readable(text), secret, f"\0{name}\0{secret}", xoauth2(name, secret) if self.token else "")
            raise NotAccepted(result_of("auth", code, said))

    def is_ready(self) -> bool:
        """Whether the connection of the last message serves for the next; it is dropped if not."""
        if self.wire is None:
            return False
        try:
            self.wire.until = time.monotonic() + PROBE_SECONDS
            if self.wire.docmd("RSET")[0] == 250:
                return True
        except OSError:
            pass
        self.drop()
        return False

    def drop(self) -> None:
        """Close without a word."""
        if self.wire is not None:
            self.wire.close()
        self.wire = None

    # --- the message --------------------------------------------------------------------------------------------------

    def up_to_the_dot(self, parcel: Parcel) -> None:
        try:
            self.say(parcel)
        except OSError as error:
            self.drop()
            raise NotAccepted(trouble(error)) from error

    def say(self, parcel: Parcel) -> None:
        wire, body = self.connected(), on_the_wire(parcel.raw)
        self.ask("mail", "MAIL", f"FROM:<{parcel.mail_from}>{options(wire, body)}", want=250)
        self.ask("rcpt", "RCPT", f"TO:<{parcel.rcpt_to}>", want=250)
        self.ask("data", "DATA", want=354)
        try:
            self.next_step().send(body)
        except OSError:
            # A server that has seen enough answers first and closes then; its answer says more than the broken pipe.
            raise NotAccepted(self.last_words()) from None

    def ask(self, step: str, command: str, args: str = "", *, want: int) -> None:
        """One command. Raises NotAccepted for any other answer (251 and 252 stand for 250 after RCPT)."""
        code, text = self.next_step().docmd(command, args)
        if code == want or (step == "rcpt" and code in (251, 252)):
            return
        if code == 421 or code < 400:
            self.drop()  # closing, or speaking out of turn
        raise NotAccepted(result_of(step, code, readable(text)))

    def last_words(self) -> SendResult:
        """What the server said before it let go, or that it let go. Drops the connection."""
        wire = self.connected()
        wire.until = time.monotonic() + 1
        try:
            code, text = wire.getreply()
            return result_of("data", code, readable(text))
        except OSError as error:
            return trouble(error)
        finally:
            self.drop()

    def next_step(self) -> Wire:
        wire = self.connected()
        wire.until = self.next_deadline()
        return wire

    def next_deadline(self) -> float:
        return min(self.finish, time.monotonic() + settings.SMTP_STEP_TIMEOUT_SECONDS)

    def connected(self) -> Wire:
        if self.wire is None:
            raise ConnectionError("not connected")
        return self.wire


class SmtpHandoff:
    """A message whose body the server has, and whose fate is open until the dot."""

    def __init__(self, session: SmtpSession, wire: Wire):
        self.session = session
        self.wire = wire

    def commit(self) -> SendResult:
        """Send the dot and read the answer. What cannot be known is `unknown`; the connection is dropped then."""
        self.settle()
        if not self.wire.is_quiet():
            return self.session.last_words()  # no dot was sent, so nothing was accepted
        self.wire.until = time.monotonic() + settings.SMTP_DOT_TIMEOUT_SECONDS
        try:
            code, text = self.wire.dot()
        except OSError as error:
            self.session.drop()
            return SendResult("unknown", code=trouble(error).code, detail=f"No answer to the dot: {error}")
        result = result_of("dot", code, readable(text))
        if result.outcome == "unknown" or code == 421:
            self.session.drop()
        return result

    def abort(self) -> None:
        """Close without the dot: after the body, RSET would be read as one more line of it."""
        self.settle()
        self.session.drop()

    def settle(self) -> None:
        if self.session.handoff is not self:
            raise RuntimeError("This message was committed or aborted before.")
        self.session.handoff = None


def refuse_bad_addresses(parcel: Parcel) -> None:
    """Only what can stand between < and > goes into a command. Raises NotAccepted(refused)."""
    if not ADDRESS.fullmatch(parcel.mail_from):
        sentence = "The sender's address is not valid."
        raise NotAccepted(SendResult("refused", code="5.1.7", detail=sentence, blame="sender"))
    if not ADDRESS.fullmatch(parcel.rcpt_to):
        sentence = "The recipient's address is not valid."
        raise NotAccepted(SendResult("refused", code="5.1.3", detail=sentence, blame="recipient"))


def options(wire: Wire, body: bytes) -> str:
    """SIZE and BODY for MAIL. Raises NotAccepted(refused) for a message that this server cannot take at all."""
    limit = wire.esmtp_features.get("size", "")
    if limit.isdigit() and 0 < int(limit) < len(body):
        raise NotAccepted(SendResult("refused", code="5.3.4", detail=f"The server takes at most {int(limit)} bytes."))
    size = f" SIZE={len(body)}" if wire.has_extn("size") else ""
    if body.isascii():
        return size
    if not wire.has_extn("8bitmime"):
        raise NotAccepted(SendResult("refused", code="5.6.3", detail="The server takes no 8-bit text."))
    return size + " BODY=8BITMIME"


def in_clear(sentence: str) -> SendResult:
    return SendResult("try_later", code="tls_required", detail=sentence, blame="connection")


def trouble(error: Exception) -> SendResult:
    """A broken connection in our words: always worth another try, never the recipient's fault."""
    code = net.word_for(error) or ("bad_answer" if isinstance(error, OutOfTurn) else "connection_lost")
    text = f"The server's certificate is not valid: {getattr(error, 'verify_message', error)}"
    sentence = text if code == "certificate_invalid" else str(error) or type(error).__name__
    return SendResult("try_later", code=code, detail=sentence[:500], blame="connection")
