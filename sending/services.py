"""What the post office does for others. Protocol: ledger.py, guards.py, postoffice.py. Incoming: inbox.py."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from apikeys.events import record_event
from apikeys.models import Workspace
from leads.models import Lead, Suppression
from leads.services import suppress
from outbound.api.errors import Conflict, Invalid
from outbound.clock import real_now
from sending import healing, ledger
from sending.inbox import receive
from sending.letters import public_url, rfc_message_id, unsubscribe_url
from sending.mailboxes import resume_mailbox
from sending.models import Domain, Lane, Mailbox, Message, MessageBody, Thread
from sending.postoffice import dispatch, drain, due_mailboxes, transport_of
from sending.recovery import heal_due
from sending.sandbox_world import let_answer
from sending.states import move

__all__ = [
    "Draft", "cancel_queued", "close_lane", "connect_mailbox", "decide_unknown", "dispatch", "drain", "due_mailboxes",
    "heal_due", "in_flight", "let_answer", "open_lane", "public_url", "queue_messages", "receive", "sandbox_mailbox",
    "shut_lane", "transport_of", "unsubscribe", "unsubscribe_url", "wait_until_quiet",
]  # fmt: skip

# A committed message whose dot has not left by then never sends it (postoffice.DOT_WITHIN, and a second).
QUIET_AFTER = timedelta(seconds=6)


@dataclass(frozen=True)
class Draft:
    """A mail to queue: who to whom on which thread, the words, and between which moments it may leave."""

    id: object
    mailbox: Mailbox
    thread: Thread
    lane: Lane | None
    lead: Lead
    subject: str
    html: str
    text: str
    send_at: datetime
    not_after: datetime | None
    stops_after: datetime


def queue_messages(drafts: list[Draft], *, now: datetime) -> list[Message]:
    """T0: put campaign mails on the ledger, all in two statements. Call inside the transaction that plans them."""
    messages = [
        Message(
            id=draft.id,
            workspace_id=draft.mailbox.workspace_id,
            created_at=now,
            direction=Message.Direction.OUT,
            kind=Message.Kind.CAMPAIGN,
            state=Message.State.QUEUED,
            thread=draft.thread,
            mailbox=draft.mailbox,
            lane=draft.lane,
            lead=draft.lead,
            from_email=draft.mailbox.email,
            to_email=draft.lead.email,
            subject=draft.subject,
            rfc_message_id=rfc_message_id(draft.id, draft.mailbox),
            send_at=draft.send_at,
            not_after=draft.not_after,
            stops_after=draft.stops_after,
        )
        for draft in drafts
    ]
    Message.objects.bulk_create(messages)
    MessageBody.objects.bulk_create(
        [MessageBody(message_id=draft.id, html=draft.html, text=draft.text) for draft in drafts]
    )
    return messages


@transaction.atomic
def set_lane(lane_id, state: str) -> Lane:
    """Under the lock that every commit takes: what is committed was committed before, and nothing is after."""
    lane = Lane.objects.select_for_update(no_key=True).get(pk=lane_id)
    if lane.state != Lane.State.CLOSED:
        lane.state = state
        lane.save(update_fields=["state"])
    return lane


def open_lane(lane_id) -> Lane:
    return set_lane(lane_id, Lane.State.OPEN)


def shut_lane(lane_id) -> Lane:
    return set_lane(lane_id, Lane.State.SHUT)


def close_lane(lane_id, *, now: datetime) -> Lane:
    """For ever: what waits is canceled, what is in hand meets the closed lane."""
    with transaction.atomic():
        lane = set_lane(lane_id, Lane.State.CLOSED)
        ledger.withdraw(lane.messages.all(), reason="The run was stopped.", now=now)
    return lane


def cancel_queued(lane_id, *, reason: str, now: datetime) -> int:
    """Take what nobody holds off a lane, to be planned anew. Returns how many."""
    return ledger.withdraw(Message.objects.filter(lane_id=lane_id), reason=reason, now=now)


def in_flight(lane_ids) -> int:
    """Messages whose commit is done and whose answer is not known yet."""
    return Message.objects.filter(lane_id__in=lane_ids, state=Message.State.COMMITTED).count()


def wait_until_quiet(lane_id) -> int:
    """Before a pause is acknowledged: every message committed under the lane is settled, or too old to send its dot.

    Call it outside a transaction. Returns how many are still in flight: their dot went, their answer is awaited.
    """
    deadline = time.monotonic() + QUIET_AFTER.total_seconds()
    while time.monotonic() < deadline:
        young = Q(committed_at__gt=real_now() - QUIET_AFTER)
        if not Message.objects.filter(young, lane_id=lane_id, state=Message.State.COMMITTED).exists():
            break
        time.sleep(0.05)
    return in_flight([lane_id])


def connect_mailbox(*, workspace: Workspace, email: str, provider: str = "smtp", now: datetime, **fields) -> Mailbox:
    """A new address to send from, or one that was deleted again, on the threads it had.

    `fields`: the columns of Mailbox (host, port, security, user, password, limits).
    """
    email = email.strip().lower()
    known = Mailbox.objects.for_workspace(workspace).filter(email=email).first()
    if known and known.retired_at:
        return _connect_again(known, provider=provider, now=now, **fields)
    if known:
        raise Conflict(f"{email} is connected already.", details={"email": ["Taken."]})
    if "@" not in email:
        raise Invalid.field("email", "Give an e-mail address.")
    domain, _ = Domain.objects.get_or_create(
        workspace=workspace, name=email.rpartition("@")[2], defaults={"created_at": now}
    )
    return Mailbox.objects.create(
        workspace=workspace,
        email=email,
        provider=provider,
        domain=domain,
        created_at=now,
        **{"phase_since": now, **fields},
    )


@transaction.atomic
def _connect_again(mailbox: Mailbox, *, now: datetime, **fields) -> Mailbox:
    """What it had to recover from when it was deleted it recovers from now."""
    mailbox = healing.locked(mailbox.pk)
    fields |= {"connection_status": Mailbox.Connection.ACTIVE, "connection_detail": "", "retry_connection_at": None}
    for name, value in {**fields, "retired_at": None}.items():
        setattr(mailbox, name, value)
    mailbox.save(update_fields=[*fields, "retired_at"])
    return resume_mailbox(mailbox=mailbox, now=now)


def sandbox_mailbox(*, workspace: Workspace, email: str, now: datetime) -> Mailbox:
    """In a test workspace any address can be a sender (decisions C15): unhurried by gap and day."""
    found = Mailbox.objects.for_workspace(workspace).filter(email=email.strip().lower()).first()
    return found or connect_mailbox(
        workspace=workspace, email=email, provider="sandbox", now=now, daily_limit=100_000, send_gap_seconds=0
    )


def unsubscribe(*, message: Message, now: datetime) -> None:
    """The person behind this mail opts out: at once, for every campaign of the workspace, however often it is asked.

    Under the address it was sent to, and under the one that the lead has been given since.
    """
    addresses = [message.to_email, message.lead.email] if message.lead else [message.to_email]
    for address in dict.fromkeys(addresses):
        suppress(
            workspace=message.workspace, value=address, kind=Suppression.Kind.UNSUBSCRIBED, now=now,
            reason="Used the unsubscribe link.",
        )  # fmt: skip


@transaction.atomic
def decide_unknown(*, message: Message, decision: str, now: datetime) -> Message:
    """What an operator knows better: `send_again`, `assume_sent` or `drop` a message that is parked as unknown."""
    to, reason = {
        "send_again": (Message.State.QUEUED, "Sent again by hand."),
        "assume_sent": (Message.State.SENT, "Assumed sent, by hand."),
        "drop": (Message.State.REFUSED, "Dropped by hand."),
    }[decision]
    if message.state != Message.State.UNKNOWN:
        raise Conflict("Only a parked message can be decided on.")
    if decision == "send_again" and message.lane and message.lane.state == Lane.State.CLOSED:
        raise Conflict(
            "The run was stopped: nothing of it is sent again. Drop the message, or assume that it was sent."
        )
    ledger.hold_rows(message)
    fields = {"state_reason": reason}
    fields |= {"send_at": now} if decision == "send_again" else {"settled_at": now}
    if not move(message, to, token=message.token, **fields):
        raise Conflict("Somebody decided on this message just now.")
    if decision == "assume_sent":
        ledger.book_sent(message, now=now)
    record_event(
        workspace=message.workspace, kind="email.decided", summary=f"{message.to_email}: {reason}", now=now,
        message_id=message.id, lead_id=message.lead_id,
        campaign_id=message.lane and message.lane.reference.get("campaign_id"),
    )  # fmt: skip
    return message
