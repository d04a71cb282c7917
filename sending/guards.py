"""What must hold at the instant before a mail leaves. Each guard passes, or raises the reason for the record."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from leads.models import Lead, Suppression
from leads.queries import health_of
from leads.services import is_suppressed
from sending import limits
from sending.models import Lane, Mailbox, Message

State = Message.State


@dataclass
class Departure:
    """A message about to leave, with every row it depends on locked."""

    message: Message
    lane: Lane | None
    lead: Lead | None
    mailbox: Mailbox
    now: datetime  # business time


class Held(Exception):
    """Not now, or never: the state the message goes to, the sentence why, and when to look again.

    `alike`: a filter of the messages that the same thing holds.
    """

    def __init__(self, state: str, reason: str, *, until: datetime | None = None, alike: dict | None = None):
        self.state, self.reason, self.until, self.alike = state, reason, until, alike or {}
        super().__init__(reason)


def check(departure: Departure) -> None:
    """The policy, top to bottom; the first that does not pass is the reason."""
    if departure.message.kind == Message.Kind.CAMPAIGN:
        hold_unless_the_lane_is_open(departure)
        skip_unless_the_lead_is_there(departure)
        skip_if_the_lead_answered(departure)
        skip_if_unhealthy(departure)
    skip_if_suppressed(departure)
    hold_if_the_mailbox_rests(departure)
    cancel_if_too_late(departure)
    if departure.message.kind == Message.Kind.CAMPAIGN:
        hold_for_the_gap(departure)


def reserve(departure: Departure) -> dict:
    """Take a slot of every cap, or raise Held; {name: counter id} of what was taken.

    The transaction that a refusal rolls back gives earlier slots back.
    """
    mailbox, lane, now = departure.mailbox, departure.lane, departure.now
    zone = mailbox.workspace.timezone
    reserved = {"mailbox_day": _slot("mailbox", mailbox, zone, limits.cap_of(mailbox, now), now)}
    if lane:
        reserved["lane_day"] = _slot("lane", lane, lane.timezone, lane.daily_limit, now)
    if mailbox.phase in limits.RECOVERING:
        reserved |= _recovery_slots(mailbox, zone, now)
    return reserved


RECOVERY_PER_DOMAIN, RECOVERY_PER_WORKSPACE = 30, 100


def _recovery_slots(mailbox: Mailbox, zone: str, now: datetime) -> dict:
    """What all recovering mailboxes of a domain, and of a workspace, may send in a day together."""
    taken, day = {}, limits.local_day(zone, now)
    caps = (
        ("domain", mailbox.domain_id, RECOVERY_PER_DOMAIN),
        ("workspace", mailbox.workspace_id, RECOVERY_PER_WORKSPACE),
    )
    for kind, owner_id, limit in caps:
        owner = Owner(owner_id, mailbox.workspace_id)
        slot = limits.take_slot(f"recovering_{kind}", owner, day, limit)
        if slot is None:
            reason = f"The recovering mailboxes of its {kind} have sent their {limit} of the day."
            until = limits.next_day_starts(zone, now)
            raise Held(State.QUEUED, reason, until=until, alike={"mailbox_id": mailbox.pk})
        taken[f"recovering_{kind}_day"] = slot
    return taken


class Owner(NamedTuple):
    """Whose slots: all that limits.take_slot needs to know."""

    pk: object
    workspace_id: object


_FULL = {"mailbox": "The mailbox has sent its {limit} of the day.", "lane": "The run has sent its {limit} of the day."}


def _slot(kind: str, owner, zone: str, limit: int, now: datetime) -> str:
    taken = limits.take_slot(kind, owner, limits.local_day(zone, now), limit)
    if taken is None:
        until = limits.next_day_starts(zone, now)
        raise Held(State.QUEUED, _FULL[kind].format(limit=limit), until=until, alike={f"{kind}_id": owner.pk})
    return taken


def hold_unless_the_lane_is_open(departure: Departure) -> None:
    if departure.lane is None or departure.lane.state == Lane.State.CLOSED:
        raise Held(State.CANCELED, "The run was stopped.")
    if departure.lane.state != Lane.State.OPEN:
        raise Held(State.QUEUED, "The run is paused.", alike={"lane_id": departure.lane.pk})


def skip_unless_the_lead_is_there(departure: Departure) -> None:
    if departure.lead is None:
        raise Held(State.SKIPPED, "The lead was deleted.")
    if departure.lead.email != departure.message.to_email:
        raise Held(State.CANCELED, "The lead's address was changed.")


def skip_if_the_lead_answered(departure: Departure) -> None:
    replied_at, since = departure.lead.replied_at, departure.message.stops_after
    if replied_at and since and replied_at >= since:
        raise Held(State.SKIPPED, "The lead replied.")


def skip_if_unhealthy(departure: Departure) -> None:
    health, reasons = health_of(departure.lead)
    if health == "red" and departure.lead.status != Lead.Status.BLOCKED:
        raise Held(State.SKIPPED, f"The lead's health is red: {reasons[0]}")


def skip_if_suppressed(departure: Departure) -> None:
    found = is_suppressed(departure.mailbox.workspace, departure.message.to_email)
    # An answer by hand to somebody who said no was confirmed when it was written.
    confirmed = departure.message.kind == Message.Kind.MANUAL and found and found.kind == Suppression.Kind.REPLIED_NO
    if found and not confirmed:
        raise Held(State.SKIPPED, f"The address must not be written to: {found.get_kind_display().lower()}.")


def hold_if_the_mailbox_rests(departure: Departure) -> None:
    mailbox, until = departure.mailbox, departure.now + timedelta(minutes=15)
    if mailbox.phase not in limits.MAY_SEND:
        reason = f"The mailbox is paused. {mailbox.paused_reason}".strip()
        raise Held(State.QUEUED, reason, until=until, alike={"mailbox_id": mailbox.pk})
    if mailbox.connection_status == Mailbox.Connection.AUTH_FAILED:
        raise Held(State.QUEUED, "The mailbox cannot sign in.", until=until, alike={"mailbox_id": mailbox.pk})


def cancel_if_too_late(departure: Departure) -> None:
    not_after = departure.message.not_after
    if not_after and departure.now > not_after:
        raise Held(State.CANCELED, "The window closed before it could leave.")


def hold_for_the_gap(departure: Departure) -> None:
    free_at = departure.mailbox.next_free_at
    if free_at and free_at > departure.now:
        alike = {"mailbox_id": departure.mailbox.pk, "kind": Message.Kind.CAMPAIGN}
        raise Held(State.QUEUED, "The mailbox waits for its gap between two mails.", until=free_at, alike=alike)
