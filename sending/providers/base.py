"""What every transport promises: three moments per message, and an outcome as a value.

    with transport_for("smtp").open(mailbox) as session:      # one per drain of a mailbox, reused
        handoff = session.prepare(parcel)                     # everything but the point of no return, or NotAccepted
        ...                                                   # the ledger commits the message here
        result = handoff.commit()                             # the point of no return; or handoff.abort()

A transport reports; retrying, suppressing and counting belong to `sending.services`.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal, Protocol

Outcome = Literal["sent", "try_later", "refused", "unknown"]
Blame = Literal["", "recipient", "sender", "connection"]


@dataclass(frozen=True)
class SendResult:
    """How one attempt ended.

    `code` is the enhanced status (5.1.1) where the server gave one, else its reply code (550), else a word of ours
    (auth_failed). `blame` says whose problem it is: the recipient's address, the sender (content, reputation,
    policy), or the connection (host, TLS, sign-in), which concerns every message of the mailbox and not this one.
    `retry_after` is the server's own hint, in seconds.
    """

    outcome: Outcome
    provider_id: str = ""
    code: str = ""
    detail: str = ""
    retry_after: int | None = None
    blame: Blame = ""


class NotAccepted(Exception):
    """Raised by `prepare()`: the server has not taken the message. Carries a try_later or a refused."""

    def __init__(self, result: SendResult):
        if result.outcome not in ("try_later", "refused"):
            raise ValueError(f"Before the point of no return nothing can be {result.outcome}.")
        super().__init__(result.detail)
        self.result = result


@dataclass(frozen=True)
class Parcel:
    """One rendered message: `raw` holds the exact bytes that every attempt sends."""

    message_id: str
    rfc_message_id: str
    mail_from: str
    rcpt_to: str
    raw: bytes


class Handoff(Protocol):
    """A message that needs one last act. Exactly one of the two may be called, once."""

    def commit(self) -> SendResult:
        """The point of no return. Never raises for what the network does: what cannot be known is `unknown`."""
        ...

    def abort(self) -> None:
        """Make sure that the message is not accepted."""
        ...


class Session(Protocol):
    """A connection for one mailbox's due messages, one after the other, in one thread."""

    def prepare(self, parcel: Parcel) -> Handoff:
        """Do everything but the point of no return. Raises NotAccepted."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> "Session": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Transport(Protocol):
    """A way to send. Holds no state: sessions do."""

    name: str

    def open(self, mailbox: Any) -> Session:
        """A session for this mailbox. Connects at the first `prepare()`, so that errors have one way out."""
        ...

    def check(self, mailbox: Any) -> tuple[bool, str]:
        """Try the connection without sending: (works, a sentence for the person who typed the settings)."""
        ...
