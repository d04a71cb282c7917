"""What must hold at the instant before a mail leaves. Each guard says what it saw, and what holds the mail, if so."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import NamedTuple

from django.conf import settings

from apikeys.tiers import limit_of, note_use
from leads.models import Lead, Suppression
from leads.queries import NOT_VALIDATED, awaits_validation, health_of
from leads.services import is_suppressed
from sending import limits, receivers
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
    caps: dict = field(default_factory=dict)  # {name: limit} of what reserve() took a slot of


class Held(Exception):
    """Not now, or never: the state the message goes to, the sentence why, and when to look again.

    `alike`: a filter of the messages that the same thing holds. `ends`: whether it is over at `until`, or that is only
    when to look again.
    """

    def __init__(
        self, state: str, reason: str, *, until: datetime | None = None, alike: dict | None = None, ends: bool = True
    ):
        self.state, self.reason, self.until, self.alike = state, reason, until, alike or {}
        self.ends_at = until if ends else None
        super().__init__(reason)


@dataclass(frozen=True)
class Finding:
    """What one guard saw: the numbers it looked at, and what holds the mail, if it does not let it pass."""

    guard: str
    numbers: dict
    held: Held | None = None


def check(departure: Departure, *, but_not: tuple = ()) -> None:
    """The policy, top to bottom; the first that does not pass is the reason. None is asked after it."""
    for guard in GUARDS[departure.message.kind]:
        if guard not in but_not and (held := guard(departure).held):
            raise held


def report(departures: list[Departure], guards: tuple | None = None) -> list[list[Finding]]:
    """What check() and reserve() would find now, all of it, for each: nothing is raised, taken or written.

    `guards`: only these, and the caps. One statement reads the counters of all.
    """
    caps = [caps_of(departure) for departure in departures]
    ids = [_counter_id(cap, departure) for departure, row in zip(departures, caps, strict=True) for cap in row]
    used = limits.used_of(ids)
    return [
        [guard(departure) for guard in guards or GUARDS[departure.message.kind]]
        + [_cap_finding(cap, used.get(_counter_id(cap, departure), 0), departure.now) for cap in row]
        for departure, row in zip(departures, caps, strict=True)
    ]


def _counter_id(cap: "Cap", departure: Departure) -> str:
    return limits.counter_id(cap.kind, cap.owner_id, cap.day(departure.now))


def _cap_finding(cap: "Cap", used: int, now: datetime) -> Finding:
    full = _full(cap, now) if used >= cap.limit else None
    return Finding(cap.name, {"used": used, "limit": cap.limit}, full)


def _full(cap: "Cap", now: datetime) -> Held:
    # A month's cap is looked at every hour: the tier may be raised before the month is over.
    until = now + timedelta(hours=1) if cap.monthly else limits.next_day_starts(cap.zone, now)
    return Held(State.QUEUED, cap.full.format(limit=cap.limit), until=until, alike=cap.alike, ends=not cap.monthly)


def reserve(departure: Departure, *, held: dict | None = None) -> dict:
    """Take a slot of every cap, or raise Held; {name: counter id} of what was taken. Counters are locked by id.

    The transaction that a refusal rolls back gives earlier slots back. `held`: slots that the message has already.
    """
    reserved = {}
    for cap in sorted(caps_of(departure), key=lambda cap: (cap.kind, str(cap.owner_id))):
        has = held is not None and held.get(cap.name) == _counter_id(cap, departure)
        slot = _counter_id(cap, departure) if has else _take(cap, departure)
        if slot is None:
            raise _full(cap, departure.now)
        reserved[cap.name], departure.caps[cap.name] = slot, cap.limit
    return reserved


def _take(cap: "Cap", departure: Departure) -> str | None:
    workspace, now = departure.mailbox.workspace, departure.now
    owner, day = Owner(cap.owner_id, workspace.pk), cap.day(now)
    if not cap.monthly:
        return limits.take_slot(cap.kind, owner, day, cap.limit)
    since = limits.month_starts(cap.zone, now)
    before = lambda: limits.sent_since(workspace, since)  # noqa: E731  asked at most once a month
    slot = limits.take_slot(cap.kind, owner, day, cap.limit, used_before=before)
    if slot:
        used = limits.used(cap.kind, cap.owner_id, day)
        note_use(workspace, "monthly_sends", before=used - 1, after=used, limit=cap.limit, now=now, since=since)
    return slot


class Owner(NamedTuple):
    """Whose slots: all that limits.take_slot needs to know."""

    pk: object
    workspace_id: object


class Cap(NamedTuple):
    """So many a day, or a month, in that zone; the sentence when they are used up, and which messages that holds."""

    kind: str
    owner_id: object
    zone: str
    limit: int
    full: str
    alike: dict
    monthly: bool = False

    @property
    def name(self) -> str:
        return self.kind if self.monthly else f"{self.kind}_day"

    def day(self, now: datetime) -> date:
        """Of the counter: today, or the month's first."""
        today = limits.local_day(self.zone, now)
        return today.replace(day=1) if self.monthly else today


def caps_of(departure: Departure) -> list[Cap]:
    """Every cap that this mail takes a slot of."""
    mailbox, lane = departure.mailbox, departure.lane
    zone, alike = mailbox.workspace.timezone, {"mailbox_id": mailbox.pk}
    limit = limits.cap_of(mailbox, departure.now)
    caps = [Cap("mailbox", mailbox.pk, zone, limit, "The mailbox has sent its {limit} of the day.", alike)]
    if lane:
        full = "The run has sent its {limit} of the day."
        caps.append(Cap("lane", lane.pk, lane.timezone, lane.daily_limit, full, {"lane_id": lane.pk}))
    if mailbox.phase in limits.RECOVERING or mailbox.domain.phase in limits.RECOVERING:
        caps += _recovery_caps(mailbox, zone, alike)
    caps += _shared_caps(departure, zone)
    monthly = limit_of(mailbox.workspace, "monthly_sends")
    if monthly is not None:
        full, alike = (
            "The workspace has sent the {limit} mails of its tier this month.",
            {"workspace_id": mailbox.workspace_id},
        )
        caps.append(Cap(limits.MONTH, mailbox.workspace_id, zone, monthly, full, alike, monthly=True))
    return caps


def _shared_caps(departure: Departure, zone: str) -> list[Cap]:
    """What the mailboxes of a domain, and of a workspace, send in a day together, where somebody set a limit."""
    mailbox, alike = departure.mailbox, {"mailbox_id": departure.mailbox.pk}
    caps = [
        Cap(
            "domain", mailbox.domain_id, zone, settings.DOMAIN_DAILY_LIMIT,
            "The mailboxes of its domain have sent their {limit} of the day.", alike,
        ),
        Cap(
            "workspace", mailbox.workspace_id, zone, settings.WORKSPACE_DAILY_LIMIT,
            "The workspace has sent its {limit} of the day.", {"workspace_id": mailbox.workspace_id},
        ),
    ]  # fmt: skip
    return [cap for cap in caps if cap.limit] + _receiver_caps(departure, zone)


def _receiver_caps(departure: Departure, zone: str) -> list[Cap]:
    """What one receiver gets from a domain in a day: as set, less while it asks for less."""
    domain, address = departure.mailbox.domain, departure.message.to_email
    if not address or not (settings.RECEIVER_DAILY_LIMIT or domain.slow_receivers):
        return []  # nobody is asked for nothing
    receiver = receivers.receiver_of(departure.mailbox.workspace, address)
    asked = receivers.limit_for(domain, receiver, departure.now)
    limit = min(filter(None, [settings.RECEIVER_DAILY_LIMIT, asked]), default=None)
    if limit is None:
        return []
    full = f"{receiver} asked us to go slower: {{limit}} mails of its domain a day for now."
    if limit != asked:
        full = f"Its domain has sent {receiver} the {{limit}} mails of the day."
    alike = {"mailbox_id": departure.mailbox.pk, "to_email__iendswith": address[address.index("@") :]}
    return [Cap("receiver", receivers.owner_id(domain.pk, receiver), zone, limit, full, alike)]


RECOVERY_PER_DOMAIN, RECOVERY_PER_WORKSPACE = 30, 100


def _recovery_caps(mailbox: Mailbox, zone: str, alike: dict) -> list[Cap]:
    """What all recovering mailboxes of a domain, and of a workspace, may send in a day together."""
    full = "The recovering mailboxes of its {kind} have sent their {{limit}} of the day."
    owners = (
        ("domain", mailbox.domain_id, RECOVERY_PER_DOMAIN),
        ("workspace", mailbox.workspace_id, RECOVERY_PER_WORKSPACE),
    )
    return [
        Cap(f"recovering_{kind}", owner_id, zone, limit, full.format(kind=kind), alike)
        for kind, owner_id, limit in owners
    ]


def the_lane_is_open(departure: Departure) -> Finding:
    state = departure.lane.state if departure.lane else Lane.State.CLOSED
    held = None
    if state == Lane.State.CLOSED:
        held = Held(State.CANCELED, "The run was stopped.")
    elif state != Lane.State.OPEN:
        held = Held(State.QUEUED, "The run is paused.", alike={"lane_id": departure.lane.pk})
    return Finding("lane", {"state": state}, held)


def the_lead_is_there(departure: Departure) -> Finding:
    held = None
    if departure.lead is None:
        held = Held(State.SKIPPED, "The lead was deleted.")
    elif departure.lead.email != departure.message.to_email:
        held = Held(State.CANCELED, "The lead's address was changed.")
    return Finding("lead", {}, held)


def the_lead_did_not_answer(departure: Departure) -> Finding:
    replied_at = departure.lead and departure.lead.replied_at
    since = departure.message.stops_after
    answered = replied_at and since and replied_at >= since
    held = Held(State.SKIPPED, "The lead replied.") if answered else None
    return Finding("answer", {"replied_at": replied_at}, held)


def the_lead_is_healthy(departure: Departure) -> Finding:
    if departure.lead is None:
        return Finding("health", {})
    health, reasons = health_of(departure.lead)
    red = health == "red" and departure.lead.status != Lead.Status.BLOCKED
    held = Held(State.SKIPPED, f"The lead's health is red: {reasons[0]}") if red else None
    return Finding("health", {"health": health, "reasons": reasons}, held)


def the_address_is_validated(departure: Departure) -> Finding:
    """Without a verdict it goes back to the planner, which holds the lead until there is one."""
    lead, workspace = departure.lead, departure.mailbox.workspace
    held = Held(State.CANCELED, NOT_VALIDATED) if lead and awaits_validation(lead, workspace) else None
    numbers = {"required": workspace.require_validation, "verdict": lead and lead.validation_status}
    return Finding("validation", numbers, held)


def the_address_is_not_suppressed(departure: Departure) -> Finding:
    found, held = is_suppressed(departure.mailbox.workspace, departure.message.to_email), None
    # An answer by hand to somebody who said no was confirmed when it was written.
    confirmed = departure.message.kind == Message.Kind.MANUAL and found and found.kind == Suppression.Kind.REPLIED_NO
    if found and not confirmed:
        kind = found.get_kind_display().lower()
        held = Held(State.SKIPPED, f"The address must not be written to: {kind}.")
    return Finding("suppression", {"kind": found.kind if found else None}, held)


def the_mailbox_may_send(departure: Departure) -> Finding:
    mailbox, reason = departure.mailbox, ""
    if mailbox.phase not in limits.MAY_SEND:
        reason = f"The mailbox is paused. {mailbox.paused_reason}".strip()
    elif mailbox.connection_status == Mailbox.Connection.AUTH_FAILED:
        reason = "The mailbox cannot sign in."
    look_again = {"until": departure.now + timedelta(minutes=15), "ends": False}
    held = Held(State.QUEUED, reason, alike={"mailbox_id": mailbox.pk}, **look_again) if reason else None
    numbers = {"phase": mailbox.phase, "phase_until": mailbox.phase_until, "connection": mailbox.connection_status}
    return Finding("mailbox", numbers, held)


def its_domain_may_send(departure: Departure) -> Finding:
    domain, held = departure.mailbox.domain, None
    if domain.phase not in limits.MAY_SEND:
        look_again = {"until": departure.now + timedelta(minutes=15), "ends": False}
        reason, alike = f"Its domain is paused. {domain.phase_reason}".strip(), {"mailbox_id": departure.mailbox.pk}
        held = Held(State.QUEUED, reason, alike=alike, **look_again)
    return Finding("domain", {"phase": domain.phase, "phase_until": domain.phase_until}, held)


def the_receiver_is_not_held(departure: Departure) -> Finding:
    """Mail to others goes on."""
    address, mailbox, held = departure.message.to_email, departure.mailbox, None
    if hold := limits.provider_hold(mailbox, address, departure.now):
        until, reason = hold
        domain = address[address.index("@") :]
        alike = {"mailbox_id": mailbox.pk, "to_email__iendswith": domain, "kind": Message.Kind.CAMPAIGN}
        held = Held(State.QUEUED, reason, until=until, alike=alike)
    return Finding("receiver", {"until": hold and hold[0]}, held)


def it_is_not_too_late(departure: Departure) -> Finding:
    not_after = departure.message.not_after
    late = not_after and departure.now > not_after
    held = Held(State.CANCELED, "The window closed before it could leave.") if late else None
    return Finding("window", {"not_after": not_after}, held)


def the_gap_is_over(departure: Departure) -> Finding:
    free_at, held = departure.mailbox.next_free_at, None
    minutes = round(limits.gap_of(departure.mailbox, departure.lane) / timedelta(minutes=1), 1)
    if free_at and free_at > departure.now:
        alike = {"mailbox_id": departure.mailbox.pk, "kind": Message.Kind.CAMPAIGN}
        reason = f"The mailbox waits for its gap of {minutes:g} min between two mails."
        held = Held(State.QUEUED, reason, until=free_at, alike=alike)
    return Finding("gap", {"gap_minutes": minutes, "free_at": free_at}, held)


# Each looks at a departure and writes nothing. Those of the sender come last: they wait, the others end it.
OF_THE_LEAD = (
    the_lead_is_there, the_lead_did_not_answer, the_lead_is_healthy, the_address_is_validated,
    the_address_is_not_suppressed,
)  # fmt: skip
OF_THE_SENDER = (
    the_mailbox_may_send, its_domain_may_send, it_is_not_too_late, the_receiver_is_not_held, the_gap_is_over,
)  # fmt: skip
GUARDS = {
    Message.Kind.CAMPAIGN: (the_lane_is_open, *OF_THE_LEAD, *OF_THE_SENDER),
    Message.Kind.MANUAL: (
        the_address_is_not_suppressed,
        the_mailbox_may_send,
        its_domain_may_send,
        it_is_not_too_late,
    ),
}
