"""What happened below, taken note of: outcomes, replies, opt-outs and deletions move enrollments on, or end them.

Facts are rows with `collected = False`; the floor below does not know who reads them, and a lost tick loses nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import OuterRef, Q, Subquery

from apikeys.events import record_events
from campaigns.models import Campaign, Enrollment, Step, Touch
from campaigns.sequences import current_steps
from leads.models import Lead, Suppression
from leads.services import is_suppressed
from sending.models import Message

E = Enrollment.Status
S = Message.State
OPEN = [E.ACTIVE, E.HELD, E.PAUSED]
MOVABLE = [*OPEN, E.COMPLETED]  # what came back after the last step still says how a walk ended
BATCH = 1000
ENDS = {
    Suppression.Kind.UNSUBSCRIBED: (E.UNSUBSCRIBED, "The lead opted out."),
    Suppression.Kind.COMPLAINED: (E.UNSUBSCRIBED, "The lead called a mail spam."),
    Suppression.Kind.BOUNCED: (E.BOUNCED, "The address does not exist."),
    Suppression.Kind.REPLIED_NO: (E.REPLIED, "The lead said no."),
    Suppression.Kind.MANUAL: (E.STOPPED, "The address was suppressed by hand."),
}


def collect(*, workspaces, now: datetime) -> int:
    """Take note of everything new in these workspaces. Returns how many facts there were."""
    return (
        _collect_suppressions(workspaces, now)
        + _collect_messages(workspaces, now)
        + _collect_deletions(workspaces, now)
    )


def with_news() -> Q:
    """Which workspaces have something to take note of."""
    return Q(pk__in=_new_messages().values("workspace_id")) | Q(pk__in=_new_suppressions().values("workspace_id"))


def _new_messages():
    return Message.objects.filter(collected=False, state__in=[*Message.FINAL, S.RECEIVED])


def _new_suppressions():
    return Suppression.objects.filter(collected=False)


@transaction.atomic
def _collect_suppressions(workspaces, now: datetime) -> int:
    facts = _new_suppressions().filter(workspace__in=workspaces).order_by("created_at")
    rows = list(facts.select_for_update(skip_locked=True, of=("self",))[:BATCH])
    _lock_in_order(Enrollment.objects.filter(status__in=MOVABLE, lead__in=_leads_of(rows)))
    for row in rows:
        status, reason = ENDS[Suppression.Kind(row.kind)]
        whom = {"email_domain": row.value[1:]} if row.value.startswith("@") else {"email": row.value}
        leads = Lead.objects.filter(workspace_id=row.workspace_id, **whom)
        _end(Enrollment.objects.filter(lead__in=leads), status, reason, now)
        if row.kind != Suppression.Kind.MANUAL:
            _end_late(_last_written_to(leads), status, reason)
    Suppression.objects.filter(pk__in=[row.pk for row in rows]).update(collected=True)
    return len(rows)


def _leads_of(rows: list[Suppression]):
    """Everybody that one of these suppressions concerns."""
    values: dict = {}
    for row in rows:
        values.setdefault(row.workspace_id, set()).add(row.value)
    whom = Q(pk=None)
    for workspace_id, them in values.items():
        domains = [value[1:] for value in them if value.startswith("@")]
        whom |= Q(Q(email__in=them) | Q(email_domain__in=domains), workspace_id=workspace_id)
    return Lead.objects.filter(whom)


@transaction.atomic
def _collect_deletions(workspaces, now: datetime) -> int:
    orphans = Enrollment.objects.filter(lead=None, campaign__workspace__in=workspaces)
    return _end(orphans, E.STOPPED, "The lead was deleted.", now)


@transaction.atomic
def _collect_messages(workspaces, now: datetime) -> int:
    facts = _new_messages().filter(workspace__in=workspaces).order_by("settled_at", "id")
    rows = list(facts.select_for_update(skip_locked=True, of=("self",))[:BATCH])
    touches = {
        touch.message_id: touch
        for touch in Touch.objects.filter(message__in=rows).select_related("enrollment__campaign__sequence")
    }
    walks = [touch.enrollment_id for touch in touches.values()]
    answered = [row.lead_id for row in rows if _is_a_reply(row)]
    walks += Enrollment.objects.filter(lead__in=answered, status__in=MOVABLE).values_list("pk", flat=True)
    _lock_in_order(Enrollment.objects.filter(pk__in=walks))
    steps: dict = {}
    for message in rows:
        if message.direction == Message.Direction.IN:
            _note_incoming(message, now)
        elif message.pk in touches:
            OUTCOMES[message.state](message, touches[message.pk], steps, now)
    Message.objects.filter(pk__in=[message.pk for message in rows]).update(collected=True)
    return len(rows)


def _lock_in_order(walks) -> None:
    """All that a collection moves, by id, as a stop does: two that took them in different orders would wait for each
    other."""
    list(walks.order_by("id").select_for_update(no_key=True, of=("self",)).values_list("pk"))


def _is_a_reply(message: Message) -> bool:
    return message.kind == Message.Kind.REPLY and message.lead_id is not None


def _note_incoming(message: Message, now: datetime) -> None:
    """A reply stops that lead in every campaign it was enrolled in before. The other kinds act through the lead."""
    if _is_a_reply(message):
        walks = Enrollment.objects.filter(lead_id=message.lead_id, created_at__lte=message.settled_at)
        _end(walks, E.REPLIED, "The lead replied.", now)
        _end_late(Enrollment.objects.filter(thread_id=message.thread_id), E.REPLIED, "The lead replied.")


def _sent(message: Message, touch: Touch, steps: dict, now: datetime) -> None:
    """The next step is due a delay after the actual send; after the last one the walk is over."""
    enrollment = touch.enrollment
    following = next_step(_steps_of(enrollment.campaign, steps), enrollment.position)
    if following is None:
        _finish(enrollment, now)
        return
    due_at = message.settled_at + timedelta(days=following.delay_days, hours=following.delay_hours)
    Enrollment.objects.filter(pk=enrollment.pk, status__in=OPEN).update(due_at=due_at, reason="", tried_since=None)


def _finish(enrollment: Enrollment, now: datetime) -> None:
    Enrollment.objects.filter(pk=enrollment.pk, status__in=Enrollment.WALKING).update(
        status=E.COMPLETED, reason="", due_at=None
    )
    # A paused one has nothing left to pause.
    Enrollment.objects.filter(pk=enrollment.pk, status=E.PAUSED).update(status=E.COMPLETED, due_at=None)


def _refused(message: Message, touch: Touch, steps: dict, now: datetime) -> None:
    _end(Enrollment.objects.filter(pk=touch.enrollment_id), E.FAILED, f"Refused: {message.state_reason}", now)


def _skipped(message: Message, touch: Touch, steps: dict, now: datetime) -> None:
    """The post office refused to send: the lead's own facts say which end this is."""
    status, reason = E.STOPPED, message.state_reason
    found = is_suppressed(touch.enrollment.campaign.workspace, message.to_email)
    if found:
        status, reason = ENDS[Suppression.Kind(found.kind)]
    elif message.lead_id and message.lead.replied_at and message.lead.replied_at >= message.stops_after:
        status = E.REPLIED
    _end(Enrollment.objects.filter(pk=touch.enrollment_id), status, reason, now)


def _canceled(message: Message, touch: Touch, steps: dict, now: datetime) -> None:
    """Nothing was sent and nothing can be: the position is free again, and owed at once if the walk goes on.

    What servers turned away is tried for 72 hours in all, however many windows that takes.
    """
    enrollment = touch.enrollment
    touch.delete()
    since = (message.tried_since or message.created_at) if message.attempt else enrollment.tried_since
    Enrollment.objects.filter(pk=enrollment.pk).update(position=touch.position - 1, tried_since=since)
    Enrollment.objects.filter(pk=enrollment.pk, status__in=OPEN).update(due_at=now, reason=message.state_reason)


OUTCOMES = {S.SENT: _sent, S.REFUSED: _refused, S.SKIPPED: _skipped, S.CANCELED: _canceled}


def next_step(steps: list[Step], position: int) -> Step | None:
    """The first step after a position: positions are kept when a sequence is edited."""
    return next((step for step in steps if step.position > position), None)


def _steps_of(campaign: Campaign, known: dict) -> list[Step]:
    if campaign.sequence_id not in known:
        known[campaign.sequence_id] = current_steps(campaign.sequence)
    return known[campaign.sequence_id]


def _end(enrollments, status: str, reason: str, now: datetime) -> int:
    """End those that are still open, all of them; each leaves a line in its campaign's log."""
    still_open = enrollments.filter(status__in=OPEN).select_related("campaign__workspace", "lead").order_by("id")
    ended = 0
    while rows := list(still_open.select_for_update(no_key=True, of=("self",))[:BATCH]):
        Enrollment.objects.filter(pk__in=[row.pk for row in rows]).update(
            status=status, reason=reason[:400], due_at=None
        )
        record_events(_log_lines(rows, status, reason, now))
        ended += len(rows)
    return ended


def _end_late(enrollments, status: str, reason: str) -> None:
    """The walk was over, so nothing stops; only its end is told as it turned out."""
    enrollments.filter(status=E.COMPLETED).update(status=status, reason=reason[:400])


def _last_written_to(leads):
    """Of each lead, the walk that the newest mail belongs to: an opt-out or bounce says nothing of the older ones."""
    newest = Touch.objects.filter(enrollment__lead=OuterRef("lead")).order_by("-message__settled_at", "-id")
    return Enrollment.objects.filter(lead__in=leads, pk=Subquery(newest.values("enrollment")[:1]))


def _log_lines(rows: Iterable[Enrollment], status: str, reason: str, now: datetime) -> list[dict]:
    return [
        {
            "workspace": row.campaign.workspace,
            "kind": "enrollment.stopped",
            "summary": f"{row.lead.email if row.lead else 'A deleted lead'} gets no further step: {reason}",
            "now": now,
            "campaign_id": row.campaign_id,
            "lead_id": row.lead_id,
            "status": str(status),
        }
        for row in rows
    ]
