"""A mailbox's own verbs: test the connection, connect, change, pause, resume, retire."""

from datetime import datetime, timedelta

from django.db import transaction

from apikeys.models import Workspace
from outbound.api.errors import Conflict, Invalid
from sending import healing, limits
from sending.models import Lane, Mailbox, StateTransition
from sending.postoffice import transport_of

PAUSED = "paused"
MAY_SEND = limits.MAY_SEND
BY_HAND = "Paused by hand."
# What the providers themselves let out in a day (decisions §4), by the server's name.
CEILINGS = {"smtp.gmail.com": 500, "smtp-relay.gmail.com": 500, "smtp.office365.com": 300, "smtp-mail.outlook.com": 300}
CONNECTION = frozenset({"smtp_host", "smtp_port", "smtp_security", "username", "password"})


@transaction.atomic
def pause_mailbox(*, mailbox: Mailbox, reason: str = BY_HAND, now: datetime) -> Mailbox:
    """Nothing more leaves from it until a person resumes it: the row is locked as every commit locks it."""
    mailbox = healing.locked(mailbox.pk)
    if mailbox.phase not in MAY_SEND:
        raise Conflict(f"{mailbox.email} is {mailbox.phase} already.")
    healing.move(mailbox, PAUSED, reason=reason, now=now, actor="person")
    return mailbox


@transaction.atomic
def resume_mailbox(*, mailbox: Mailbox, now: datetime) -> Mailbox:
    """It may send again; gaps and caps still hold, so nothing leaves in a burst.

    What a person paused is healthy at once. What the machine stopped skips its waiting and its checks, not its
    recovery: it starts at restricted_send.
    """
    mailbox = healing.locked(mailbox.pk)
    if mailbox.retired_at:
        raise Conflict(f"{mailbox.email} was deleted. Connect it again.")
    if mailbox.phase in MAY_SEND:
        raise Conflict(f"{mailbox.email} is not paused.")
    to = "healthy" if was_paused_by_hand(mailbox) else "restricted_send"
    healing.move(mailbox, to, reason="Resumed by hand.", now=now, actor="person")
    return mailbox


def was_paused_by_hand(mailbox: Mailbox) -> bool:
    """A person paused what was healthy: there is nothing to recover from."""
    last = StateTransition.objects.filter(subject_id=mailbox.pk).order_by("-created_at", "-id").first()
    return last is None or (last.actor == "person" and last.from_phase in ("healthy", "warning"))


def check_connection(mailbox: Mailbox) -> tuple[bool, str]:
    """Connect and sign in, without sending: (works, a sentence). A success lifts a failed sign-in at once.

    Talks to the network: call it outside a transaction.
    """
    works, sentence = try_connection(mailbox)
    note_connection(mailbox, works=works, sentence=sentence)
    return works, sentence


def try_connection(mailbox: Mailbox) -> tuple[bool, str]:
    """The same, and nothing is written. The mailbox need not be stored; its workspace must be set."""
    return transport_of(mailbox).check(mailbox)


def note_connection(mailbox: Mailbox, *, works: bool, sentence: str) -> None:
    if works:
        mailbox.connection_status, mailbox.retry_connection_at = Mailbox.Connection.ACTIVE, None
    mailbox.connection_detail = "" if works else sentence[:300]
    mailbox.save(update_fields=["connection_status", "connection_detail", "retry_connection_at"])


def candidate(*, workspace: Workspace, email: str, **fields) -> Mailbox:
    """A mailbox that is not stored, to try its connection."""
    provider = "smtp" if workspace.livemode else "sandbox"
    return Mailbox(workspace=workspace, email=email, provider=provider, **fields)


def refuse_a_broken_connection(mailbox: Mailbox) -> None:
    """Invalid (400) with the one sentence for every cause: a form that tells more is a port scanner (security S12)."""
    works, sentence = try_connection(mailbox)
    if not works:
        raise Invalid.field("connection", sentence)


def check_limit(*, email: str, smtp_host: str, daily_limit: int) -> None:
    """Invalid when it is more than the provider lets out: it would refuse the rest, and think less of us."""
    ceiling = 250 if email.endswith(("@gmail.com", "@googlemail.com")) else CEILINGS.get(smtp_host.lower())
    if ceiling and daily_limit > ceiling:
        raise Invalid.field("daily_limit", f"This provider lets out {ceiling} mails a day at most.")


@transaction.atomic
def change_mailbox(*, mailbox: Mailbox, now: datetime, **fields) -> Mailbox:
    """Write the given columns; `warmup` starts the ramp anew or ends it."""
    mailbox = healing.locked(mailbox.pk)
    warmup = fields.pop("warmup", None)
    if warmup is not None and warmup != is_ramping(mailbox, now):
        fields["warmup_started_at"] = now if warmup else None
    if CONNECTION & set(fields):  # it was tried with these a moment ago
        fields |= {"connection_status": Mailbox.Connection.ACTIVE, "connection_detail": "", "retry_connection_at": None}
    for name, value in fields.items():
        setattr(mailbox, name, value)
    if fields:
        mailbox.save(update_fields=list(fields))
    return mailbox


def is_ramping(mailbox: Mailbox, now: datetime) -> bool:
    started = mailbox.warmup_started_at
    return started is not None and now < started + timedelta(days=limits.RAMP_DAYS)


@transaction.atomic
def delete_mailbox(*, mailbox: Mailbox, now: datetime) -> None:
    """Away with it: the row when it never sent, else it is retired (threads keep it, its password is forgotten).

    Conflict (409) while a campaign under way uses it or mail of it is in hand.
    """
    mailbox = healing.locked(mailbox.pk)
    waiting = mailbox.messages.filter(state__in=["queued", "claimed", "committed"]).exclude(
        lane__state=Lane.State.CLOSED
    )
    # The floor above hangs its campaigns on this relation; what they are doing is theirs to say, in `status`.
    under_way = mailbox.campaigns.filter(status__in=["active", "paused"])
    if waiting.exists() or under_way.exists():
        raise Conflict(f"{mailbox.email} is used by a campaign under way. Stop the campaign first.")
    # A draft that names it must not turn into one that names nobody, which means any mailbox.
    if not mailbox.campaigns.exists() and not mailbox.threads.exists() and not mailbox.messages.exists():
        mailbox.delete()
        return
    if mailbox.phase in MAY_SEND:
        healing.move(mailbox, PAUSED, reason="Deleted.", now=now, actor="person")
    mailbox.retired_at, mailbox.phase_until, mailbox.password = now, None, ""
    mailbox.save(update_fields=["retired_at", "phase_until", "password"])
