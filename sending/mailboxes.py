"""A mailbox's own verbs: test the connection, connect, change, pause, resume, retire."""

import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from apikeys.models import Workspace
from outbound.api.errors import Conflict, Invalid
from outbound.clock import lease_now
from sending import healing, ledger, limits, oauth
from sending.models import ImapFolder, ImapWatch, Lane, Mailbox, MailboxGrant, StateTransition
from sending.postoffice import transport_of
from sending.presets import advice, refuse_too_much
from sending.providers import imap
from sending.vendors import change_secret

PAUSED = "paused"
MAY_SEND = limits.MAY_SEND
BY_HAND = "Paused by hand."
CONNECTION = frozenset({"smtp_host", "smtp_port", "smtp_security", "username", "password"})
READING = frozenset({"imap_host", "imap_port", "imap_security", "imap_username", "imap_password"})


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
    if mailbox.domain.phase in healing.STOPPED:
        raise Conflict(f"{mailbox.domain.name} is stopped, and with it all its mailboxes. Resume the domain first.")
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
    works, sentence = transport_of(mailbox).check(mailbox)
    if works and is_read(mailbox):
        works, answer = imap.check(mailbox)
        sentence = f"{sentence} {answer}" if works else answer
    return works, sentence


def is_read(mailbox: Mailbox) -> bool:
    """Whether its mail is looked for over IMAP. A test workspace reads nobody's mail."""
    return bool(mailbox.imap_host) and mailbox.workspace.livemode


def note_connection(mailbox: Mailbox, *, works: bool, sentence: str) -> None:
    """A failure by hand says so and changes no state: the next mail decides whether the mailbox rests."""
    written = ["connection_detail"]
    mailbox.connection_detail = "" if works else sentence[:300]
    if works:
        mailbox.connection_status, mailbox.retry_connection_at = Mailbox.Connection.ACTIVE, None
        written += ["connection_status", "retry_connection_at"]
    mailbox.save(update_fields=written)


RETRIES_LAST = 60.0  # seconds of one round; the next one goes on where it stopped


def retry_connections() -> int:
    """Sign in again where it failed, though nothing waits to be sent: the planner writes no mail for such a mailbox, so
    nothing else would ever find out that it works again. Returns how many do. Call it outside a transaction."""
    failed = Mailbox.objects.filter(connection_status=Mailbox.Connection.AUTH_FAILED, retired_at=None)
    due = failed.filter(Q(retry_connection_at=None) | Q(retry_connection_at__lte=lease_now()))
    until, works = time.monotonic() + RETRIES_LAST, 0
    for mailbox in due.select_related("workspace").order_by("retry_connection_at", "id"):
        if time.monotonic() < until and ledger.may_try(mailbox):
            able, sentence = transport_of(mailbox).check(mailbox)  # to send; what reading it says is told elsewhere
            note_connection(mailbox, works=able, sentence=sentence)
            works += able
    return works


def candidate(*, workspace: Workspace, email: str, **fields) -> Mailbox:
    """A mailbox that is not stored, to try its connection."""
    return Mailbox(workspace=workspace, email=email, **{"provider": "smtp", **fields})


def refuse_a_broken_connection(mailbox: Mailbox) -> None:
    """Invalid (400) with the one sentence for every cause: a form that tells more is a port scanner (security S12).

    Beside it stands what settings like these mostly lack. Who signs in by consent is tried once there is one.
    """
    if oauth.uses_consent(mailbox) and not MailboxGrant.objects.filter(mailbox_id=mailbox.pk).exists():
        return
    works, sentence = try_connection(mailbox)
    if not works:
        raise Invalid(sentence, details={"connection": [sentence], **advice(mailbox)})


@transaction.atomic
def change_mailbox(*, mailbox: Mailbox, now: datetime, **fields) -> Mailbox:
    """Write the given columns; `warmup` starts the ramp anew or ends it."""
    mailbox = healing.locked(mailbox.pk)
    if webhook_secret := fields.pop("webhook_secret", None):
        change_secret(mailbox, webhook_secret)
    warmup = fields.pop("warmup", None)
    if warmup is not None and warmup != is_ramping(mailbox, now):
        fields["warmup_started_at"] = now if warmup else None
    if CONNECTION & set(fields):  # it was tried with these a moment ago
        fields |= {"connection_status": Mailbox.Connection.ACTIVE, "connection_detail": "", "retry_connection_at": None}
    if fields.get("password"):  # it signs in by that from now on
        fields["sign_in"] = Mailbox.SignIn.PASSWORD
    place = _place_of(mailbox)
    for name, value in fields.items():
        setattr(mailbox, name, value)
    if {"daily_limit", "smtp_host"} & set(fields):
        refuse_too_much(email=mailbox.email, smtp_host=mailbox.smtp_host, daily_limit=mailbox.daily_limit)
    if fields:
        mailbox.save(update_fields=list(fields))
    if fields.get("sign_in") == Mailbox.SignIn.PASSWORD:
        MailboxGrant.objects.filter(mailbox=mailbox).delete()
    if (READING | CONNECTION) & set(fields):
        _look_anew(mailbox, elsewhere=place != _place_of(mailbox))
    return mailbox


def _place_of(mailbox: Mailbox) -> tuple:
    """Whose folders on which server."""
    return mailbox.imap_host, mailbox.imap_port, mailbox.imap_username or mailbox.username


def _look_anew(mailbox: Mailbox, *, elsewhere: bool) -> None:
    """With other settings a look is due at once; in another place its folders are others, and what they prove too."""
    watches = ImapWatch.objects.filter(mailbox=mailbox)
    changes: dict = {"next_look_at": lease_now(), "holder": None, "held_until": None, "failures": 0}
    if elsewhere:
        ImapFolder.objects.filter(watch__mailbox=mailbox).delete()
        changes |= {"sent_folder": "", "sent_found": 0, "sent_checked_until": None}
    watches.update(**changes)


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
    mailbox.retired_at, mailbox.phase_until, mailbox.password, mailbox.imap_password = now, None, "", ""
    mailbox.save(update_fields=["retired_at", "phase_until", "password", "imap_password"])
    MailboxGrant.objects.filter(mailbox=mailbox).delete()
    ImapWatch.objects.filter(mailbox=mailbox).delete()
