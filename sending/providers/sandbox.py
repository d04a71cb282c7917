"""The sandbox: a mail server that accepts, remembers and lets its recipients react. What test workspaces send through.

Recipients `ok+*, bounce+*, soft+*, complaint+*, reply+*, ooo+*, unsubscribe+*, timeout+*` at `sandbox.test` behave as
named (decisions §2); everyone else's mail is delivered and nothing more.
"""

from typing import Any

from django.db import IntegrityError, transaction

from apikeys.services import now_for
from outbound import failpoints
from sending.models import SandboxDelivery
from sending.providers.base import Parcel, SendResult
from sending.reactions import reaction_for, seed_of


class Sandbox:
    name = "sandbox"

    def open(self, mailbox: Any) -> "SandboxSession":
        return SandboxSession(mailbox)

    def check(self, mailbox: Any) -> tuple[bool, str]:
        return True, "This is the sandbox: it accepts everything and sends nothing."


class SandboxSession:
    def __init__(self, mailbox: Any):
        self.mailbox = mailbox

    def prepare(self, parcel: Parcel) -> "SandboxHandoff":
        return SandboxHandoff(self.mailbox, parcel)

    def close(self) -> None:
        pass

    def __enter__(self) -> "SandboxSession":
        return self

    def __exit__(self, *error) -> None:
        self.close()


class SandboxHandoff:
    def __init__(self, mailbox: Any, parcel: Parcel):
        self.mailbox, self.parcel = mailbox, parcel

    def commit(self) -> SendResult:
        reaction = reaction_for(self.parcel.rcpt_to, seed=seed_of(self.mailbox.workspace, self.parcel.raw))
        if reaction and reaction.kind == "timeout":
            return SendResult("unknown", detail="The sandbox lost the connection after the message was handed over.")
        try:
            with transaction.atomic():
                self._accept(reaction)
        except IntegrityError:
            return SendResult("refused", code="duplicate", detail="The sandbox has this Message-ID already.")
        failpoints.hit("dot.sent")
        return SendResult("sent", detail="250 OK, kept in the sandbox", provider_id=self.parcel.rfc_message_id[1:33])

    def _accept(self, reaction) -> None:
        now = now_for(self.mailbox.workspace)
        reacts = reaction is not None and reaction.kind != "ok"
        SandboxDelivery.objects.create(
            workspace_id=self.mailbox.workspace_id,
            rfc_message_id=self.parcel.rfc_message_id,
            mailbox=self.mailbox,
            to_email=self.parcel.rcpt_to,
            raw=self.parcel.raw,
            accepted_at=now,
            reaction=reaction.kind if reacts else "",
            react_at=now + reaction.delay if reacts else None,
        )

    def abort(self) -> None:
        pass
