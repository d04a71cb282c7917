"""T0: who is owed a step and may have it becomes a Touch and a queued message, in one transaction per campaign.

The planner looks one slot ahead, not a day: what is not yet on the ledger follows every edit of lead, sequence, schedule.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count

from apikeys.events import record_events
from campaigns.choosing import Candidate, choose_mailbox
from campaigns.collecting import next_step
from campaigns.composing import Composed, compose, names_of
from campaigns.models import Campaign, Enrollment, Step, Touch
from campaigns.schedule import Schedule, in_window, window_end
from campaigns.sequences import current_steps
from leads.models import Lead
from leads.queries import health_of, variable_values, variables_named
from outbound.ids import uuid7
from sending import limits
from sending.models import Mailbox, Message, Thread
from sending.services import Draft, queue_messages, unsubscribe_url

E = Enrollment.Status
S = Message.State
BATCH = 500  # of one campaign in one tick
LOOK_AGAIN = timedelta(minutes=1)  # at what holds a lead


@dataclass
class Slots:
    """How many more mails each mailbox may be given now: caps, gap and what it has in hand already counted."""

    mailboxes: dict
    free: dict
    lane: int

    def of(self, mailbox_id) -> int:
        return min(self.free.get(mailbox_id, 0), self.lane)

    def take(self, mailbox_id) -> None:
        self.free[mailbox_id] -= 1
        self.lane -= 1


def schedule_of(campaign: Campaign) -> Schedule:
    return Schedule(
        campaign.schedule_timezone,
        campaign.schedule_start_time,
        campaign.schedule_end_time,
        frozenset(campaign.schedule_days),
    )


def plan(campaign: Campaign, *, now: datetime) -> set:
    """Queue what this campaign may send now. Returns the ids of the mailboxes that got something to send."""
    schedule = schedule_of(campaign)
    if not in_window(schedule, now):
        return set()
    with transaction.atomic():
        slots = slots_of(campaign, now=now)
        due = _due(campaign, slots, now)
        if not due:
            return set()
        return _plan_all(campaign, due, slots, not_after=window_end(schedule, now), now=now)


def mailboxes_of(campaign: Campaign) -> list[Mailbox]:
    """The campaign's own, or every mailbox of the workspace; only those that may send now."""
    chosen = campaign.mailboxes.all()
    found = chosen if chosen.exists() else Mailbox.objects.filter(workspace=campaign.workspace_id)
    return list(
        found.filter(phase__in=["healthy", "warning"])
        .exclude(connection_status=Mailbox.Connection.AUTH_FAILED)
        .order_by("email")
    )


def slots_of(campaign: Campaign, *, now: datetime) -> Slots:
    mailboxes = mailboxes_of(campaign)
    in_hand = _in_hand("mailbox", [mailbox.pk for mailbox in mailboxes])
    free = {
        mailbox.pk: _free_slots(mailbox, campaign, in_hand.get(mailbox.pk, 0), now=now) for mailbox in mailboxes
    }
    lane = campaign.lane
    used = limits.used("lane", lane.pk, limits.local_day(lane.timezone, now))
    left = lane.daily_limit - used - _in_hand("lane", [lane.pk]).get(lane.pk, 0)
    return Slots({mailbox.pk: mailbox for mailbox in mailboxes}, free, max(0, left))


def _in_hand(name: str, ids) -> dict:
    rows = Message.objects.filter(**{f"{name}__in": ids}, state__in=[S.QUEUED, S.CLAIMED, S.COMMITTED])
    return dict(rows.order_by().values_list(name).annotate(count=Count("id")))


def _free_slots(mailbox: Mailbox, campaign: Campaign, in_hand: int, *, now: datetime) -> int:
    day = limits.local_day(campaign.workspace.timezone, now)
    left = mailbox.daily_limit - limits.used("mailbox", mailbox.pk, day) - in_hand
    if limits.gap_of(mailbox, campaign.lane) == timedelta(0):
        return max(0, min(left, BATCH - in_hand))
    waits = mailbox.next_free_at is not None and mailbox.next_free_at > now + LOOK_AGAIN
    return max(0, min(left, 0 if waits else 1 - in_hand))


def _due(campaign: Campaign, slots: Slots, now: datetime) -> list[Enrollment]:
    """Follow-ups before first steps, oldest first; a follow-up only when its own mailbox has a slot."""
    able = [pk for pk in slots.mailboxes if slots.of(pk) > 0]
    limit = min(BATCH, slots.lane, sum(slots.free.values()))
    if limit <= 0:
        return []
    rows = (
        Enrollment.objects.due(now)
        .filter(campaign=campaign)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("lead", "thread")
        .order_by("due_at", "id")
    )
    found = list(rows.filter(position__gt=0, mailbox__in=able)[:limit])
    found += rows.filter(position=0)[: limit - len(found)]
    return found


def _plan_all(campaign: Campaign, due: list[Enrollment], slots: Slots, *, not_after, now: datetime) -> set:
    steps = current_steps(campaign.sequence)
    variables = variables_named(campaign.workspace, names_of(steps))
    values = variable_values([row.lead_id for row in due if row.lead_id], variables)
    drafts: list[Draft] = []
    touches: list[Touch] = []
    held: list[Enrollment] = []
    for enrollment in due:
        step = next_step(steps, enrollment.position)
        if not _may_walk_on(enrollment, step, held, now):
            continue
        mailbox = _mailbox_for(enrollment, slots)
        if mailbox is None:
            continue
        message_id = uuid7()
        composed = compose(
            workspace=campaign.workspace, step=step, lead=enrollment.lead, variables=variables,
            values=values.get(enrollment.lead_id, {}),
            unsubscribe_url=unsubscribe_url(campaign.workspace, message_id),
            first_subject=enrollment.thread.subject if enrollment.thread else "",
        )  # fmt: skip
        if composed.holds:
            _wait(enrollment, " ".join(composed.holds), now + LOOK_AGAIN, held, status=E.HELD)
            continue
        slots.take(mailbox.pk)
        drafts.append(_draft(campaign, enrollment, mailbox, composed, message_id, not_after, now))
        touches.append(_touch(enrollment, step, composed, message_id, now))
    _write(campaign, due, drafts, touches, held, now)
    return {draft.mailbox.pk for draft in drafts}


def _may_walk_on(enrollment: Enrollment, step: Step | None, held: list, now: datetime) -> bool:
    """Everything that can be said without rendering. What does not pass is left on the row with its reason."""
    lead = enrollment.lead
    if lead is None or lead.status == Lead.Status.BLOCKED:
        enrollment.due_at = None  # collecting ends it, with the kind of its opt-out
        return False
    if step is None:
        enrollment.status, enrollment.due_at, enrollment.reason = E.COMPLETED, None, ""
        return False
    if lead.away_until and lead.away_until > now:
        _wait(enrollment, f"The lead is away until {lead.away_until:%Y-%m-%d}.", lead.away_until, held)
        return False
    if lead.status == Lead.Status.PAUSED:
        _wait(enrollment, "The lead is paused.", now + LOOK_AGAIN, held, status=E.HELD)
        return False
    health, reasons = health_of(lead)
    if health == "red":
        enrollment.status, enrollment.due_at, enrollment.reason = E.STOPPED, None, reasons[0]
        return False
    return True


def _wait(enrollment: Enrollment, reason: str, until: datetime, held: list, *, status: str = E.ACTIVE) -> None:
    if enrollment.reason != reason[:400]:
        held.append(enrollment)  # a new reason is a line in the log; the same one again is not
    enrollment.status, enrollment.reason, enrollment.due_at = status, reason[:400], until


def _mailbox_for(enrollment: Enrollment, slots: Slots) -> Mailbox | None:
    """A lead keeps its mailbox; the first one is chosen by what is left of its day."""
    if enrollment.mailbox_id:
        return slots.mailboxes.get(enrollment.mailbox_id) if slots.of(enrollment.mailbox_id) > 0 else None
    chosen = choose_mailbox(
        Candidate(id=pk, remaining=slots.of(pk), cap=mailbox.daily_limit) for pk, mailbox in slots.mailboxes.items()
    )
    return slots.mailboxes[chosen.id] if chosen else None


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
    )


def _touch(enrollment: Enrollment, step: Step, composed: Composed, message_id, now) -> Touch:
    enrollment.position, enrollment.due_at = step.position, None
    enrollment.status, enrollment.reason = E.ACTIVE, ""
    return Touch(
        enrollment=enrollment, position=step.position, step=step, variant=composed.wording.label, message_id=message_id,
        created_at=now,
    )  # fmt: skip


def _write(campaign, due, drafts: list[Draft], touches: list[Touch], held: list[Enrollment], now) -> None:
    Thread.objects.bulk_create([draft.thread for draft in drafts if draft.thread._state.adding])
    queue_messages(drafts, now=now)
    # Breaks the transaction if a position was planned before: the last line against a step going out twice.
    Touch.objects.bulk_create(touches)
    for row in due:
        row.thread_id = row.thread.pk if row.thread else None
    Enrollment.objects.bulk_update(
        due, ["status", "reason", "position", "due_at", "mailbox", "thread"], batch_size=100
    )
    record_events(
        [
            {
                "workspace": campaign.workspace,
                "kind": "enrollment.held",
                "summary": f"{row.lead.email} waits: {row.reason}",
                "now": now,
                "campaign_id": campaign.id,
                "lead_id": row.lead_id,
            }
            for row in held
        ]
    )
