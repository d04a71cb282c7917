"""What other floors may ask about mailboxes without changing anything."""

from datetime import timedelta

from django.db.models import Count, Sum

from apikeys.models import Workspace
from apikeys.services import now_for
from sending import limits
from sending.guards import OF_THE_SENDER, Departure, Finding, Held, report, the_lane_is_open
from sending.models import Domain, Hit, Mailbox, Message, SendCounter, StateTransition
from sending.performance import Record, records

# For those who ask what holds a mail, with the very guards that hold it.
__all__ = [
    "OF_THE_RUN", "OF_THE_SENDER", "Departure", "Finding", "Held", "Record", "domains_shown", "mailboxes_shown",
    "present", "records", "report", "senders", "transitions_of",
]  # fmt: skip
OF_THE_RUN = (the_lane_is_open, *OF_THE_SENDER)


def present(workspace: Workspace):
    """The mailboxes there are: those that were deleted live on only in their threads."""
    return Mailbox.objects.for_workspace(workspace).filter(retired_at=None)


def senders(workspace: Workspace) -> list[dict]:
    """Everything that can be put in `from`, alphabetically: SenderOutput's fields."""
    mailboxes = list(present(workspace).select_related("domain", "workspace").order_by("email")[:1000])
    day = limits.local_day(workspace.timezone, now_for(workspace))
    names = {limits.counter_id("mailbox", mailbox.pk, day): mailbox.pk for mailbox in mailboxes}
    used = dict(SendCounter.objects.filter(pk__in=list(names)).values_list("pk", "used"))
    sent = {names[pk]: count for pk, count in used.items()}
    return [_sender(mailbox, sent.get(mailbox.pk, 0)) for mailbox in mailboxes]


def _sender(mailbox: Mailbox, sent_today: int) -> dict:
    status = "active" if mailbox.phase in limits.MAY_SEND else "paused"
    if mailbox.connection_status == Mailbox.Connection.AUTH_FAILED:
        status = "auth_failed"
    return {
        "email": mailbox.email,
        "type": "mailbox",
        "name": mailbox.display_name,
        "provider": mailbox.provider if mailbox.workspace.livemode else "sandbox",
        "status": status,
        "reason": mailbox.paused_reason or mailbox.connection_detail,
        "domain": mailbox.domain.name,
        "daily_limit": mailbox.daily_limit,
        "sent_today": sent_today,
    }


def mailboxes_shown(workspace: Workspace, pk=None) -> list[Mailbox]:
    """Mailboxes alphabetically (or the one), each with `sent_today` and `now`: two statements."""
    found = present(workspace).select_related("workspace", "domain", "watch")
    rows = list((found.filter(pk=pk) if pk else found).order_by("email")[:1000])
    now = now_for(workspace)
    day = limits.local_day(workspace.timezone, now)
    ids = [limits.counter_id("mailbox", row.pk, day) for row in rows]
    used = dict(SendCounter.objects.filter(pk__in=ids).values_list("pk", "used"))
    for row, counter in zip(rows, ids, strict=True):
        row.sent_today, row.now = used.get(counter, 0), now
    return rows


def domains_shown(workspace: Workspace, pk=None) -> list[Domain]:
    """Domains alphabetically (or the one), each with what its mailboxes sent and got back: a few statements in all."""
    found = Domain.objects.for_workspace(workspace)
    rows = list((found.filter(pk=pk) if pk else found).order_by("name")[:1000])
    since = now_for(workspace) - timedelta(hours=24)
    ours = Message.objects.filter(mailbox__domain__in=rows)
    sums = dict(Mailbox.objects.filter(domain__in=rows).values_list("domain").annotate(sent=Sum("total_sent_count")))
    replies = _per_domain(ours.filter(direction="in", kind=Message.Kind.REPLY))
    sent = _per_domain(ours.filter(state=Message.State.SENT, settled_at__gt=since))
    bounced = _per_domain(ours.filter(hard_bounced_at__gt=since))
    opened, clicked = _hits_per_domain(rows, Hit.Kind.OPEN), _hits_per_domain(rows, Hit.Kind.CLICK)
    for row in rows:
        row.opens, row.clicks = opened.get(row.pk, 0), clicked.get(row.pk, 0)
        row.sent, row.replies = sums.get(row.pk) or 0, replies.get(row.pk, 0)
        came_back, left = bounced.get(row.pk, 0), sent.get(row.pk, 0)
        row.bounce_rate = round(100 * min(came_back / max(left, came_back, 1), 1), 1)
    return rows


def transitions_of(subject: Mailbox | Domain) -> list[StateTransition]:
    """The last 100 moves, newest first."""
    return list(StateTransition.objects.filter(subject_id=subject.pk).order_by("-created_at", "-id")[:100])


def _per_domain(messages) -> dict:
    return dict(messages.order_by().values_list("mailbox__domain").annotate(count=Count("id")))


def _hits_per_domain(domains, kind: str) -> dict:
    """{domain id: mails of which a person opened the image, or clicked a link}."""
    rows = Hit.objects.filter(message__mailbox__domain__in=domains, kind=kind, machine=False).order_by()
    return dict(rows.values_list("message__mailbox__domain").annotate(count=Count("message", distinct=True)))
