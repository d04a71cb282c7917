"""Sending through Resend: prepare keeps the exact request and opens the connection, commit is the POST.

Every attempt of a message posts the same bytes under the same Idempotency-Key, its id. As long as Resend remembers the
key (24 h), asking again is no second mail, so what is of unknown fate is asked again (sending/replay.py).

Follows https://resend.com/docs/api-reference/emails/send-email and https://resend.com/docs/dashboard/emails/idempotency-keys.
"""

import email.policy
import json
import time
from email.parser import BytesParser
from types import TracebackType
from typing import Any

from django.conf import settings

from outbound import failpoints
from outbound.http import Line, LineFailed
from sending import handover
from sending.providers import resend_api as api
from sending.providers.base import NotAccepted, Parcel, SendResult
from sending.providers.resend_events import TAG
from sending.providers.smtp import refuse_bad_addresses

# What Resend does not write itself. It sets its own Message-ID whatever we ask for; ours goes along for the record.
HEADERS = ("Message-ID", "In-Reply-To", "References", "List-Unsubscribe", "List-Unsubscribe-Post")
LONGEST_WAIT_SECONDS = 30.0  # for a turn, of the 80 before the point of no return
CONNECT_SECONDS = 15.0


def payload_for(parcel: Parcel) -> bytes:
    """The body of POST /emails, from the mail that any other transport would send. The same parcel, the same bytes."""
    mail = BytesParser(policy=email.policy.default).parsebytes(parcel.raw)
    fields = {
        "from": str(mail["From"].addresses[0]),
        "to": [parcel.rcpt_to],
        "subject": str(mail["Subject"]),
        "headers": {name: " ".join(str(mail[name]).split()) for name in HEADERS if mail[name]},
        "tags": [{"name": TAG, "value": parcel.message_id}],
    }
    for name, kind in (("text", "plain"), ("html", "html")):
        if part := mail.get_body((kind,)):
            fields[name] = part.get_content()
    if mail["Reply-To"]:
        fields["reply_to"] = [str(each) for each in mail["Reply-To"].addresses]
    return json.dumps(fields, ensure_ascii=False, sort_keys=True).encode()


class Resend:
    """The transport. `mailbox` needs email, workspace and password, which is the API key."""

    name = "resend"

    def open(self, mailbox: Any) -> "ResendSession":
        return ResendSession(mailbox)

    def check(self, mailbox: Any) -> tuple[bool, str]:
        """Whether the key is good and the address's domain may send, where the key may ask."""
        return api.check(key=mailbox.password, domain=mailbox.email.rpartition("@")[2])


class ResendSession:
    """One mailbox's due messages, one POST each; what is wrong with the connection is remembered for all of them."""

    def __init__(self, mailbox: Any):
        self.mailbox = mailbox
        self.handoff: ResendHandoff | None = None
        self.down: SendResult | None = None
        self.not_before = 0.0  # monotonic: Resend asked to wait until then

    def prepare(self, parcel: Parcel) -> "ResendHandoff":
        """Keep the request, wait for a turn, connect. Raises NotAccepted."""
        if self.handoff is not None:
            raise RuntimeError("Commit or abort the message at hand first.")
        refuse_bad_addresses(parcel)
        if self.down is not None:
            raise NotAccepted(self.down)
        self.wait()
        try:
            line = Line(settings.RESEND_BASE_URL, timeout=CONNECT_SECONDS)
        except LineFailed as failed:
            self.down = api.no_connection(failed.word)
            raise NotAccepted(self.down) from failed
        account = api.fingerprint(self.mailbox.password)
        try:
            kept = handover.keep(parcel.message_id, make=lambda: payload_for(parcel), account=account)
        except BaseException:
            line.close()
            raise
        self.handoff = ResendHandoff(self, line, parcel.message_id, kept)
        return self.handoff

    def wait(self) -> None:
        """For our turn: neither more a second than Resend takes from one key, nor before it said."""
        until = time.monotonic() + LONGEST_WAIT_SECONDS
        pause = self.not_before - time.monotonic()
        while pause > 0 or (pause := api.seconds_to_wait(self.mailbox.password)) > 0:
            if time.monotonic() + pause > until:
                detail = "Its API key has no request left for now."
                raise NotAccepted(SendResult("try_later", code="rate_limited", detail=detail, retry_after=60))
            time.sleep(pause)
            pause = 0

    def close(self) -> None:
        if self.handoff is not None:
            self.handoff.abort()

    def __enter__(self) -> "ResendSession":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class ResendHandoff:
    """A request that stands ready on an open connection."""

    def __init__(self, session: ResendSession, line: Line, message_id: str, kept: handover.Kept):
        self.session, self.line, self.message_id, self.kept = session, line, message_id, kept

    def commit(self) -> SendResult:
        self.settle()
        if not self.line.is_open():
            self.line.close()
            return self.answered(api.no_connection("connect"))  # no byte of it was sent
        headers = api.headers(self.session.mailbox.password) | {
            "content-type": "application/json",
            "idempotency-key": self.message_id,
        }
        answer = self.line.request(
            "POST", "/emails", content=self.kept.request, headers=headers, timeout=api.answer_within()
        )
        failpoints.hit("dot.sent")
        return self.answered(api.result_of(answer))

    def answered(self, result: SendResult) -> SendResult:
        if result.outcome in ("try_later", "refused"):
            handover.not_taken(self.message_id, self.kept)
        if result.blame == "connection":
            self.session.down = result
        elif result.retry_after:
            self.session.not_before = time.monotonic() + result.retry_after
        return result

    def abort(self) -> None:
        self.settle()
        self.line.close()

    def settle(self) -> None:
        if self.session.handoff is not self:
            raise RuntimeError("This message was committed or aborted before.")
        self.session.handoff = None
