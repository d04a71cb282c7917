"""Mails that are parked because nobody knows whether they arrived: what is known of each, and what a person decides."""

from datetime import datetime

from django.db import transaction

from apikeys.events import record_event
from apikeys.models import Event, Workspace
from outbound.api.errors import Conflict
from sending import ledger, limits
from sending.models import Lane, Message
from sending.states import move

State = Message.State
# decision → (the state it leads to, what stands on the record)
DECISIONS = {
    "send_again": (State.QUEUED, "Sent again by hand."),
    "assume_sent": (State.SENT, "Assumed sent, by hand."),
    "drop": (State.REFUSED, "Dropped by hand."),
}
STOPPED = "The run was stopped: nothing of it is sent again. Drop the message, or assume that it was sent."
CAME_IN = {
    Message.Kind.REPLY: "A reply came in on its thread since, so a mail of the thread did arrive.",
    Message.Kind.AUTO_REPLY: "An automatic answer came in on its thread since.",
    Message.Kind.BOUNCE: "A mail of its thread came back since.",
    Message.Kind.COMPLAINT: "A mail of its thread was called spam since.",
}


class NotParked(Conflict):
    code = "not_parked"


def parked_mails(workspace: Workspace):
    return Message.objects.for_workspace(workspace).filter(state=State.UNKNOWN).select_related("lane", "workspace")


def may_be_decided(message: Message) -> list[str]:
    """The decisions that are open now; none once it is settled."""
    if message.state != State.UNKNOWN:
        return []
    closed = message.lane and message.lane.state == Lane.State.CLOSED
    return [decision for decision in DECISIONS if not (closed and decision == "send_again")]


def evidence_for(messages: list[Message]) -> dict:
    """{message id: sentences}, from what was written down and what came in on the threads since: two statements."""
    if not messages:
        return {}
    noted = Event.objects.filter(
        workspace__in={message.workspace_id for message in messages},
        created_at__gte=min(message.created_at for message in messages),
        message_id__in=[message.pk for message in messages],
        kind__in=["email.unknown", "email.decided", "email.reconciled"],
    )
    events = list(noted.order_by("created_at", "id"))
    threads = {message.thread_id for message in messages}
    came_in = list(Message.objects.filter(thread__in=threads, direction="in").order_by("created_at", "id"))
    return {message.pk: _known_of(message, events, came_in) for message in messages}


def _known_of(message: Message, events: list[Event], came_in: list[Message]) -> list[str]:
    noted = [each for each in events if each.message_id == message.pk]
    return [f"{each.created_at:%Y-%m-%d %H:%M} UTC: {each.summary}" for each in noted] + [
        CAME_IN[each.kind] for each in came_in if _is_about(each, message)
    ]


def _is_about(incoming: Message, message: Message) -> bool:
    since = message.departed_at or message.created_at
    return incoming.thread_id == message.thread_id and incoming.created_at >= since and incoming.kind in CAME_IN


@transaction.atomic
def decide_unknown(*, message: Message, decision: str, now: datetime, attempt: int | None = None) -> Message:
    """What a person knows better: `send_again`, `assume_sent` or `drop` a message that is parked as unknown.

    `attempt`: the one that was looked at, so that a decision that comes twice never decides on a later one. The same
    decision on the same attempt again changes nothing. NotParked (409) says what became of it.
    """
    to, reason = DECISIONS[decision]
    if message.state != State.UNKNOWN or attempt not in (None, message.attempt):
        return _decided_before(message, decision, attempt)
    if decision not in may_be_decided(message):
        raise Conflict(STOPPED)
    ledger.hold_rows(message)
    fields = {"state_reason": reason}
    # What is sent again takes its slots anew; what may have been sent keeps them.
    fields |= {"send_at": now, "reserved": {}} if decision == "send_again" else {"settled_at": now}
    slots = message.reserved.values()
    if not move(message, to, token=message.token, **fields):
        message.refresh_from_db()
        return _decided_before(message, decision, attempt)
    if decision == "send_again":
        limits.give_back(slots)
    if decision == "assume_sent":
        ledger.book_sent(message, now=now)
    _record(message, decision, reason, now)
    return message


def _record(message: Message, decision: str, reason: str, now: datetime) -> None:
    record_event(
        workspace=message.workspace, kind="email.decided", summary=f"{message.to_email}: {reason}", now=now,
        message_id=message.id, lead_id=message.lead_id,
        campaign_id=message.lane and message.lane.reference.get("campaign_id"),
        decision=decision, attempt=message.attempt,
    )  # fmt: skip


def _decided_before(message: Message, decision: str, attempt: int | None) -> Message:
    """The same said again is no error; what comes too late is told what happened instead."""
    made = Event.objects.filter(workspace=message.workspace_id, message_id=message.pk, kind="email.decided")
    for event in made.newest_first()[:20]:
        if attempt is not None and event.data.get("attempt") == attempt:
            if event.data.get("decision") == decision:
                return message
            raise NotParked(f"It was decided already, on {event.created_at:%Y-%m-%d %H:%M} UTC. {event.summary}")
    if message.state == State.UNKNOWN:
        raise NotParked(f"It was tried again since and is parked anew, at attempt {message.attempt}. Look at it again.")
    raise NotParked(
        f"Only a parked message can be decided on. This one is {message.state}. {message.state_reason}".strip()
    )
