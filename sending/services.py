"""What the post office does for others. Protocol: ledger.py, guards.py, postoffice.py. Incoming: inbox.py."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from apikeys import tiers
from apikeys.models import Workspace
from leads.models import Lead, Suppression
from leads.services import suppress
from outbound.api.errors import Conflict, Invalid
from outbound.clock import lease_now
from sending import healing, ledger, oauth
from sending.dot import DOT_WITHIN
from sending.imap_watch import Watcher
from sending.inbox import receive
from sending.letters import public_url, rfc_message_id, tracking_url, unsubscribe_url
from sending.mailboxes import resume_mailbox
from sending.models import Domain, Lane, Mailbox, Message, MessageBody, Thread
from sending.parked import decide_unknown, parked_mails
from sending.postoffice import dispatch, drain, due_mailboxes, transport_of
from sending.presets import refuse_too_much
from sending.recovery import heal_due
from sending.sandbox_world import let_answer
from sending.vendors import at_vendor

__all__ = [
    "Draft", "cancel_queued", "close_lane", "connect_mailbox", "decide_unknown", "dispatch", "drain", "due_mailboxes",
    "heal_due", "in_flight", "let_answer", "open_lane", "parked_mails", "public_url", "queue_messages", "receive",
    "sandbox_mailbox",
    "shut_lane", "tracking_url", "transport_of", "unsubscribe", "unsubscribe_url", "wait_until_none_leaves",
    "wait_until_quiet", "watcher",
]  # fmt: skip

# A committed message whose dot has not left by then never sends it.
QUIET_AFTER = timedelta(seconds=DOT_WITHIN + 1)


watcher = Watcher()  # of this process, for its reader


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
    tried_since: datetime | None = None


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
            tried_since=draft.tried_since,
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
    _wait_while(lambda: _may_leave().filter(lane_id=lane_id).exists())
    return in_flight([lane_id])


def wait_until_none_leaves(promised: set) -> None:
    """The same before an opt-out or a deletion is: (workspace id, address or `@domain`) pairs. At most 6 s."""
    workspaces = {workspace_id for workspace_id, _ in promised}

    def one_leaves() -> bool:
        rows = _may_leave().filter(workspace_id__in=workspaces).values_list("workspace_id", "to_email")
        return any({(owner, email), (owner, f"@{email.rpartition('@')[2]}")} & promised for owner, email in rows)

    _wait_while(one_leaves)


def _may_leave():
    """Committed, and young enough for the dot."""
    return Message.objects.filter(state=Message.State.COMMITTED, committed_at__gt=lease_now(plus=-QUIET_AFTER))


def _wait_while(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + QUIET_AFTER.total_seconds()
    while time.monotonic() < deadline and what():
        time.sleep(0.05)


@transaction.atomic
def connect_mailbox(
    *, workspace: Workspace, email: str, provider: str = "smtp", now: datetime, warmup: bool = True,
    confirm_policy: bool = False, confirmed_by: str = "", webhook_secret: str = "", **fields,
) -> Mailbox:  # fmt: skip
    """A new address to send from, or one that was deleted again, on the threads it had.

    It ramps up to its daily limit unless `warmup` is False. `fields`: the columns of Mailbox (host, port, security,
    user, password, limits). Invalid when the limit is more than its provider lets out, or the provider is a vendor and
    nobody confirmed its policy (`confirm_policy`, `confirmed_by`); its API key is the `password`.
    """
    email = email.strip().lower()
    if "@" not in email:
        raise Invalid.field("email", "Give an e-mail address.")
    refuse_too_much(email=email, **fields)
    fields = {**oauth.waiting(email, fields.get("sign_in", Mailbox.SignIn.PASSWORD)), **fields}
    fields |= at_vendor(
        workspace=workspace, provider=provider, key=fields.get("password", ""), confirm_policy=confirm_policy,
        confirmed_by=confirmed_by, webhook_secret=webhook_secret, now=now,
    )  # fmt: skip
    return _connect(
        workspace=workspace,
        email=email,
        now=now,
        provider=provider,
        warmup_started_at=now if warmup else None,
        **fields,
    )


@transaction.atomic
def _connect(*, workspace: Workspace, email: str, now: datetime, **fields) -> Mailbox:
    known = Mailbox.objects.for_workspace(workspace).filter(email=email).first()
    if known and not known.retired_at:
        raise Conflict(f"{email} is connected already.", details={"email": ["Taken."]})
    in_use = Mailbox.objects.for_workspace(workspace).filter(retired_at=None)
    tiers.add_one(workspace, "mailboxes", in_use, now=now)
    if known:
        return _connect_again(known, now=now, **fields)
    domain = _domain(workspace, email.rpartition("@")[2], now)
    return Mailbox.objects.create(
        workspace=workspace, email=email, domain=domain, created_at=now, **{"phase_since": now, **fields}
    )


def _domain(workspace: Workspace, name: str, now: datetime) -> Domain:
    domains = Domain.objects.for_workspace(workspace)
    if not domains.filter(name=name).exists():
        tiers.add_one(workspace, "domains", domains, now=now)
    return domains.get_or_create(workspace=workspace, name=name, defaults={"created_at": now, "phase_since": now})[0]


@transaction.atomic
def _connect_again(mailbox: Mailbox, *, now: datetime, **fields) -> Mailbox:
    """What it had to recover from when it was deleted it recovers from now."""
    mailbox = healing.locked(mailbox.pk)
    fields = {"connection_status": Mailbox.Connection.ACTIVE, "connection_detail": "", "retry_connection_at": None,
              **fields}  # fmt: skip
    for name, value in {**fields, "retired_at": None}.items():
        setattr(mailbox, name, value)
    if mailbox.domain.phase in healing.STOPPED:
        fields["phase_until"] = mailbox.phase_until = now  # it heals once its domain does
    mailbox.save(update_fields=[*fields, "retired_at"])
    return mailbox if mailbox.domain.phase in healing.STOPPED else resume_mailbox(mailbox=mailbox, now=now)


def sandbox_mailbox(*, workspace: Workspace, email: str, now: datetime) -> Mailbox:
    """In a test workspace any address can be a sender (decisions C15): unhurried by gap, ramp and day."""
    email = email.strip().lower()
    found = Mailbox.objects.for_workspace(workspace).filter(email=email).first()
    return found or _connect(
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
