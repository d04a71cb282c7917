"""T0: who is owed a step and may have it becomes a Touch and a queued message, in one transaction per campaign.

The planner looks one slot ahead, not a day: what is not yet on the ledger follows every edit of lead, sequence and
schedule.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db import transaction
from django.db.models import Count, QuerySet

from apikeys.events import record_events
from campaigns.choosing import Candidate, choose_mailbox
from campaigns.collecting import ENDS, next_step
from campaigns.composing import Composed, compose, names_of
from campaigns.models import Campaign, Enrollment, Step, Touch
from campaigns.schedule import in_window, window_end
from campaigns.sequences import current_steps
from campaigns.windows import closed_for, schedule_of
from leads.models import Lead
from leads.queries import (
    NOT_VALIDATED,
    awaits_validation,
    health_of,
    mail_providers,
    variable_values,
    variables_named,
)
from leads.services import is_suppressed
from outbound import failpoints
from outbound.ids import uuid7
from sending import limits
from sending.models import Mailbox, Message, Thread
from sending.queries import Record, records
from sending.services import Draft, queue_messages, unsubscribe_url

E = Enrollment.Status
S = Message.State
BATCH = 500  # of one campaign in one tick
MARGIN = 200  # looked at beyond the free slots, so that those who wait do not hide those who may go
LOOK_AGAIN = timedelta(minutes=1)  # at what holds a lead


@dataclass
class Slots:
    """How many more mails each mailbox may be given now: caps, gap and what it has in hand already counted."""

    mailboxes: dict
    free: dict
    lane: int
    providers: dict = field(default_factory=dict)  # {address: who keeps its mail}
    records: dict = field(default_factory=dict)  # {(mailbox id, provider): Record}

    def of(self, mailbox_id) -> int:
        return min(self.free.get(mailbox_id, 0), self.lane)

    def left(self) -> int:
        return min(sum(self.free.values()), self.lane)

    def take(self, mailbox_id) -> None:
        self.free[mailbox_id] -= 1
        self.lane -= 1


def plan(campaign: Campaign, *, now: datetime) -> set:
    """Queue what this campaign may send now. Returns the ids of the mailboxes that got something to send."""
    if not campaign.send_in_lead_timezone and not in_window(schedule_of(campaign), now):
        return set()
    with transaction.atomic():
        if not _is_ours(campaign):
            return set()
        slots = slots_of(campaign, now=now)
        due = _due(campaign, slots, now)
        if not due:
            return set()
        busy = _plan_all(campaign, due, slots, now=now)
        failpoints.hit("T0.planned")
    failpoints.hit("T0.done")
    return busy


def _is_ours(campaign: Campaign) -> bool:
    """Under the lock that pause, stop and edits take: what they acknowledge is not planned past them. Another tick has
    it? Then it plans, and we need not wait."""
    ours = Campaign.objects.filter(pk=campaign.pk, status=Campaign.Status.ACTIVE)
    return bool(ours.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True))


def mailboxes_of(campaign: Campaign) -> list[Mailbox]:
    """The campaign's own, or every mailbox of the workspace; only those that may send now."""
    able = all_mailboxes_of(campaign).filter(phase__in=limits.MAY_SEND, domain__phase__in=limits.MAY_SEND)
    return list(able.exclude(connection_status=Mailbox.Connection.AUTH_FAILED).order_by("email"))


def all_mailboxes_of(campaign: Campaign) -> QuerySet:
    chosen = campaign.mailboxes.all()
    found = chosen if chosen.exists() else Mailbox.objects.filter(workspace=campaign.workspace_id)
    return found.select_related("domain")


def slots_of(campaign: Campaign, *, now: datetime) -> Slots:
    mailboxes = mailboxes_of(campaign)
    in_hand = _in_hand("mailbox", [mailbox.pk for mailbox in mailboxes], now)
    free = {mailbox.pk: _free_slots(mailbox, campaign, in_hand.get(mailbox.pk, 0), now=now) for mailbox in mailboxes}
    lane = campaign.lane
    used = limits.used("lane", lane.pk, limits.local_day(lane.timezone, now))
    left = lane.daily_limit - used - _in_hand("lane", [lane.pk], now).get(lane.pk, 0)
    month = limits.month_left(campaign.workspace, now)
    left = left if month is None else min(left, month)
    return Slots({mailbox.pk: mailbox for mailbox in mailboxes}, free, max(0, left))


def _in_hand(name: str, ids, now: datetime) -> dict:
    """What was put off for longer, such as mail to a receiver that is held, takes no other mail's place."""
    rows = Message.objects.filter(**{f"{name}__in": ids}, state__in=[S.QUEUED, S.CLAIMED, S.COMMITTED])
    rows = rows.exclude(state=S.QUEUED, send_at__gt=now + LOOK_AGAIN)
    return dict(rows.order_by().values_list(name).annotate(count=Count("id")))


def _free_slots(mailbox: Mailbox, campaign: Campaign, in_hand: int, *, now: datetime) -> int:
    day = limits.local_day(campaign.workspace.timezone, now)
    left = limits.cap_of(mailbox, now) - limits.used("mailbox", mailbox.pk, day) - in_hand
    if limits.gap_of(mailbox, campaign.lane) == timedelta(0):
        return max(0, min(left, BATCH - in_hand))
    waits = mailbox.next_free_at is not None and mailbox.next_free_at > now + LOOK_AGAIN
    return max(0, min(left, 0 if waits else 1 - in_hand))


def _due(campaign: Campaign, slots: Slots, now: datetime) -> list[Enrollment]:
    """Follow-ups before first steps, oldest first; a follow-up only when its own mailbox has a slot. More
    than there are slots: who turns out to wait leaves the slot to the next."""
    if slots.left() <= 0:
        return []
    due = Enrollment.objects.due(now).filter(campaign=campaign)
    able = [pk for pk in slots.mailboxes if slots.of(pk) > 0]
    rows = (
        due.select_for_update(skip_locked=True, of=("self",)).select_related("lead", "thread").order_by("due_at", "id")
    )
    found: list[Enrollment] = []
    for owner in due.filter(position__gt=0, mailbox__in=able).order_by().values_list("mailbox", flat=True).distinct():
        found += rows.filter(position__gt=0, mailbox=owner)[: slots.of(owner) + MARGIN]
        if len(found) >= BATCH + MARGIN:
            break
    found.sort(key=lambda row: (row.due_at, row.id))
    found += rows.filter(position=0)[: min(BATCH, slots.left()) + MARGIN]
    return _with_their_leads(found)


def _with_their_leads(rows: list[Enrollment]) -> list[Enrollment]:
    """Only those whose lead nobody holds: waiting for a lead being deleted, which waits for its enrollments, would
    never end. The next tick finds the others."""
    leads = Lead.objects.filter(pk__in={row.lead_id for row in rows if row.lead_id})
    held = set(leads.select_for_update(skip_locked=True, no_key=True).values_list("pk", flat=True))
    return [row for row in rows if row.lead_id in held or row.lead_id is None]


def _plan_all(campaign: Campaign, due: list[Enrollment], slots: Slots, *, now: datetime) -> set:
    steps = current_steps(campaign.sequence)
    variables = variables_named(campaign.workspace, names_of(steps))
    values = variable_values([row.lead_id for row in due if row.lead_id], variables)
    _know_receivers(campaign, due, slots, now)
    drafts: list[Draft] = []
    touches: list[Touch] = []
    looked_at = _LookedAt(campaign, now)
    for enrollment in due:
        if slots.left() <= 0:
            break
        step = next_step(steps, enrollment.position)
        if not _may_walk_on(enrollment, step, looked_at):
            continue
        mailbox = _mailbox_for(enrollment, slots)
        if mailbox is None:
            continue
        if held := limits.provider_hold(mailbox, enrollment.lead.email, now):
            looked_at.wait(enrollment, held[1], held[0])
            continue
        message_id = uuid7()
        composed = compose(
            workspace=campaign.workspace, step=step, lead=enrollment.lead, variables=variables,
            values=values.get(enrollment.lead_id, {}),
            unsubscribe_url=unsubscribe_url(campaign.workspace, message_id),
            first_subject=enrollment.thread.subject if enrollment.thread else "",
        )  # fmt: skip
        if composed.holds:
            looked_at.wait(enrollment, " ".join(composed.holds), now + LOOK_AGAIN, status=E.HELD)
            continue
        slots.take(mailbox.pk)
        not_after = window_end(schedule_of(campaign, enrollment.lead), now)
        drafts.append(_draft(campaign, enrollment, mailbox, composed, message_id, not_after, now))
        touches.append(_touch(enrollment, step, composed, message_id, now))
        looked_at.rows.append(enrollment)
    _write(looked_at, drafts, touches)
    return {draft.mailbox.pk for draft in drafts}


class _LookedAt:
    """The enrollments that this tick changes, and what the log will say of them."""

    def __init__(self, campaign: Campaign, now: datetime):
        self.campaign, self.now = campaign, now
        self.rows: list[Enrollment] = []
        self.facts: list[dict] = []

    def wait(self, row: Enrollment, reason: str, until: datetime, *, status: str = E.ACTIVE) -> None:
        if row.reason != reason[:400]:  # the same reason again is no news
            self._note(row, "enrollment.held", f"{row.lead.email} waits: {reason}")
        self._set(row, status, reason, until)

    def put_off(self, row: Enrollment, reason: str, until: datetime) -> None:
        """Every night is no news."""
        self._set(row, E.ACTIVE, reason, until)

    def end(self, row: Enrollment, status: str, reason: str) -> None:
        if status != E.COMPLETED:
            self._note(row, "enrollment.stopped", f"{row.lead.email} gets no further step: {reason}")
        self._set(row, status, reason, None)

    def _set(self, row: Enrollment, status: str, reason: str, due_at: datetime | None) -> None:
        row.status, row.reason, row.due_at = status, reason[:400], due_at
        self.rows.append(row)

    def _note(self, row: Enrollment, kind: str, summary: str) -> None:
        fact = {"workspace": self.campaign.workspace, "campaign_id": self.campaign.id, "lead_id": row.lead_id}
        self.facts.append({**fact, "kind": kind, "summary": summary, "now": self.now})


def _may_walk_on(enrollment: Enrollment, step: Step | None, looked_at: _LookedAt) -> bool:
    """Everything that can be said without rendering. What does not pass is left on the row with its reason."""
    lead, now = enrollment.lead, looked_at.now
    if lead is None:
        return False  # collecting ends it
    if lead.status == Lead.Status.BLOCKED:
        found = is_suppressed(looked_at.campaign.workspace, lead.email)
        looked_at.end(enrollment, *(ENDS[found.kind] if found else (E.STOPPED, "The lead is blocked.")))
        return False
    if step is None:
        looked_at.end(enrollment, E.COMPLETED, "")
        return False
    if rest := rest_of(lead, now):
        looked_at.wait(enrollment, rest.reason, rest.until or now + LOOK_AGAIN, status=rest.status)
        return False
    health, reasons = health_of(lead)
    if health == "red":
        looked_at.end(enrollment, E.STOPPED, reasons[0])
        return False
    if awaits_validation(lead, looked_at.campaign.workspace):
        looked_at.wait(enrollment, NOT_VALIDATED, now + LOOK_AGAIN, status=E.HELD)
        return False
    if closed := closed_for(looked_at.campaign, lead, now):
        looked_at.put_off(enrollment, closed.reason, closed.until)
        return False
    return True


class Rest(NamedTuple):
    """Why a lead is left alone for now; `until` when it ends by itself."""

    reason: str
    until: datetime | None
    status: str


def rest_of(lead: Lead, now: datetime) -> Rest | None:
    if lead.away_until and lead.away_until > now:
        return Rest(f"The lead is away until {lead.away_until:%Y-%m-%d}.", lead.away_until, E.ACTIVE)
    if lead.status == Lead.Status.PAUSED:
        return Rest("The lead is paused.", None, E.HELD)
    return None


def _mailbox_for(enrollment: Enrollment, slots: Slots) -> Mailbox | None:
    """A lead keeps its mailbox; the first is chosen by what is left of its day and how its mail fares there."""
    if enrollment.mailbox_id:
        return slots.mailboxes.get(enrollment.mailbox_id) if slots.of(enrollment.mailbox_id) > 0 else None
    provider = slots.providers.get(enrollment.lead.email, "")
    chosen = choose_mailbox(_candidate(mailbox, provider, slots) for mailbox in slots.mailboxes.values())
    return slots.mailboxes[chosen.id] if chosen else None


def _candidate(mailbox: Mailbox, provider: str, slots: Slots) -> Candidate:
    record = slots.records.get((mailbox.pk, provider), Record())
    return Candidate(
        id=mailbox.pk, remaining=slots.of(mailbox.pk), cap=mailbox.daily_limit, bounce_rate=record.bounce_rate,
        sends_at_provider=record.sent,
    )  # fmt: skip


def _know_receivers(campaign: Campaign, due: list[Enrollment], slots: Slots, now: datetime) -> None:
    """Where there is something to choose: who keeps the mail of those who have no mailbox yet, and how ours fares."""
    new = [row.lead.email for row in due if row.lead and not row.mailbox_id]
    if new and len(slots.mailboxes) > 1:
        slots.providers = mail_providers(campaign.workspace, new)
        slots.records = records(campaign.workspace, slots.mailboxes, now=now)


def _draft(campaign, enrollment, mailbox: Mailbox, composed: Composed, message_id, not_after, now) -> Draft:
    if enrollment.thread is None:
        enrollment.thread = Thread(
            workspace_id=campaign.workspace_id, created_at=now, mailbox=mailbox, lead=enrollment.lead,
            contact_email=enrollment.lead.email, subject=composed.mail.subject,
        )  # fmt: skip
    enrollment.mailbox = mailbox
    return Draft(
        id=message_id,
        mailbox=mailbox,
        thread=enrollment.thread,
        lane=campaign.lane,
        lead=enrollment.lead,
        subject=composed.mail.subject,
        html=composed.mail.html,
        text=composed.mail.text,
        send_at=now,
        not_after=not_after,
        stops_after=enrollment.created_at,
        tried_since=enrollment.tried_since,
    )


def _touch(enrollment: Enrollment, step: Step, composed: Composed, message_id, now) -> Touch:
    enrollment.position, enrollment.due_at = step.position, None
    enrollment.status, enrollment.reason = E.ACTIVE, ""
    return Touch(
        enrollment=enrollment, position=step.position, step=step, variant=composed.wording.label, message_id=message_id,
        created_at=now,
    )  # fmt: skip


def _write(looked_at: _LookedAt, drafts: list[Draft], touches: list[Touch]) -> None:
    Thread.objects.bulk_create([draft.thread for draft in drafts if draft.thread._state.adding])
    queue_messages(drafts, now=looked_at.now)
    # Breaks the transaction if a position was planned before: the last line against a step going out twice.
    Touch.objects.bulk_create(touches)
    for row in looked_at.rows:
        row.thread_id = row.thread.pk if row.thread else None
    Enrollment.objects.bulk_update(
        looked_at.rows, ["status", "reason", "position", "due_at", "mailbox", "thread"], batch_size=100
    )
    record_events(looked_at.facts)
