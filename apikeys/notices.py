"""Notices by mail to the owners: facts of the event log, gathered into digests, sent once, tried again with patience.

Pulled: a tick reads the events since the last look, with some overlap, since a long transaction may commit an event
that is older than others already read; a fact that was noted before is not noted again.
"""

import logging
import smtplib
import uuid
from collections import defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from apikeys.models import Event, Membership, Notice, Workspace
from apikeys.notice_mail import body_of, mail_id, one_line, subject_of
from apikeys.services import now_for
from outbound.bulk import insert_rows
from outbound.ids import uuid7

logger = logging.getLogger(__name__)

Kind, State = Notice.Kind, Notice.State
KINDS = {
    "reply.received": Kind.REPLY,
    "mailbox.paused": Kind.MAILBOX,
    "mailbox.entered_quarantine": Kind.MAILBOX,
    "mailbox.auth_failed": Kind.MAILBOX,
    "email.unknown": Kind.PARKED,
    "webhook.disabled": Kind.WEBHOOK,
    "limit.reached": Kind.LIMIT,
}
# How long a fact waits for others of its kind. Most parked mails are found in the Sent folder before anybody looks.
GATHER = defaultdict(lambda: timedelta(minutes=1), {Kind.PARKED: timedelta(minutes=30)})
SETTLED = ("email.reconciled", "email.decided")
OVERLAP = timedelta(minutes=10)
BATCH = 500
LEASE = timedelta(minutes=5)
RETRIES = [timedelta(minutes=minutes) for minutes in (2, 10, 60, 360, 1440)]
KEPT_FOR = timedelta(days=30)


def tell_owners(*, now: datetime) -> int:
    """Note what happened, and send what is due. How many digests left."""
    note_facts(now=now)
    return send_due(now=now)


def note_facts(*, now: datetime) -> int:
    """A notice for each new fact and each owner who wants them; how many. `now` is real time."""
    wanted = Membership.objects.filter(role=Membership.Role.OWNER, notices=True, user__is_active=True)
    members = defaultdict(list)
    for member in wanted.select_related("workspace").order_by("created_at", "id"):
        members[member.workspace].append(member)
    return sum(_note(workspace, owners, now) for workspace, owners in members.items())


def _note(workspace: Workspace, owners: list[Membership], now: datetime) -> int:
    """`noticed_until` is by the workspace's clock, as its events are. The first look goes back no further than that."""
    business_now = now_for(workspace)
    since = (workspace.noticed_until or business_now) - OVERLAP
    events = Event.objects.for_workspace(workspace).filter(kind__in=list(KINDS), created_at__gt=since)
    new = events.exclude(Exists(Notice.objects.filter(member__in=owners, event_id=OuterRef("pk"))))
    found = list(new.order_by("created_at", "id")[:BATCH])
    noted = len(insert_rows(Notice, [_row(event, owner, now) for event in found for owner in owners]))
    if len(found) < BATCH:  # else the rest is read from the same place
        Workspace.objects.filter(pk=workspace.pk).update(noticed_until=business_now)
    return noted


def _row(event: Event, owner: Membership, now: datetime) -> dict:
    kind = KINDS[event.kind]
    mailed = owner.workspace.livemode and bool(settings.EMAIL_HOST)
    return {
        "id": uuid7(), "member_id": owner.pk, "event_id": event.pk, "kind": kind, "message_id": event.message_id,
        "summary": one_line(event.summary), "state": State.PENDING if mailed else State.KEPT,
        "detail": "" if mailed else "Shown here only: no mail leaves a test workspace, or no EMAIL_URL is set.",
        "tries": 0, "due_at": now + GATHER[kind], "created_at": now,
    }  # fmt: skip


def send_due(*, now: datetime) -> int:
    """One digest for each member and kind that has something due and was not told of that kind a moment ago."""
    open_ = Notice.objects.filter(_free(now), due_at__lte=now)
    told = Notice.objects.filter(member=OuterRef("member"), kind=OuterRef("kind"))
    every = timedelta(minutes=settings.NOTICE_EVERY_MINUTES)
    busy = Q(state=State.SENT, sent_at__gt=now - every) | Q(state=State.SENDING, lease_until__gte=now)
    pairs = open_.exclude(Exists(told.filter(busy))).order_by().values_list("member", "kind").distinct()
    return sum(_send(member_id, kind, now) for member_id, kind in list(pairs[:100]))


def forget_old_notices(*, now: datetime) -> int:
    return (
        Notice.objects.filter(created_at__lt=now - KEPT_FOR)
        .exclude(state__in=[State.PENDING, State.SENDING])
        .delete()[0]
    )


def _free(now: datetime) -> Q:
    return Q(state=State.PENDING) | Q(state=State.SENDING, lease_until__lt=now)


def _send(member_id, kind: str, now: datetime) -> bool:
    rows = _claim(member_id, kind, now)
    rows = _without_settled(rows) if kind == Kind.PARKED else rows
    if not rows:
        return False
    member = Membership.objects.select_related("user", "workspace").get(pk=member_id)
    if not (member.notices and member.user.is_active and member.user.email and settings.EMAIL_HOST):
        _finish(rows, State.KEPT, detail="Nobody to send it to, or no EMAIL_URL is set.")
        return False
    try:
        _mail(member, kind, rows).send()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        logger.warning("A notice could not be sent: %s", type(error).__name__)
        _later(rows, error, now)
        return False
    _finish(rows, State.SENT, sent_at=now, detail="")
    return True


@transaction.atomic
def _claim(member_id, kind: str, now: datetime) -> list[Notice]:
    """All of it that is due. The member's row is the lock: two workers make one digest, not two halves."""
    list(Membership.objects.filter(pk=member_id).select_for_update(no_key=True).values_list("pk"))
    mine = Notice.objects.filter(member=member_id, kind=kind)
    if mine.filter(state=State.SENDING, lease_until__gte=now).exists():
        return []
    rows = list(mine.filter(_free(now), due_at__lte=now).order_by("created_at", "id")[:BATCH])
    token = uuid.uuid4()
    Notice.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=State.SENDING, token=token, lease_until=now + LEASE
    )
    for row in rows:
        row.token = token
    return rows


def _without_settled(rows: list[Notice]) -> list[Notice]:
    """A parked mail that was found, or decided on, meanwhile is no news any more."""
    if not rows:
        return []
    events = Event.objects.filter(
        workspace__in=Membership.objects.filter(pk=rows[0].member_id).values("workspace"), kind__in=SETTLED,
        message_id__in=[row.message_id for row in rows],
    )  # fmt: skip
    settled = set(events.values_list("message_id", flat=True))
    _finish([row for row in rows if row.message_id in settled], State.KEPT, detail="Settled before it was told.")
    return [row for row in rows if row.message_id not in settled]


def _mail(member: Membership, kind: str, rows: list[Notice]) -> EmailMessage:
    workspace = member.workspace
    url = (workspace.public_url or settings.PUBLIC_URL).rstrip("/")
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip(" >")
    return EmailMessage(
        subject=subject_of(kind, len(rows), workspace.name),
        body=body_of(kind, [row.summary for row in rows], workspace=workspace.name, url=url),
        to=[member.user.email],
        headers={
            "Auto-Submitted": "auto-generated", "Message-ID": mail_id([str(row.pk) for row in rows], domain),
        },
    )  # fmt: skip


def _finish(rows: list[Notice], state: str, **fields) -> None:
    _mine(rows).update(state=state, lease_until=None, **fields)


def _later(rows: list[Notice], error: Exception, now: datetime) -> None:
    """All of a digest waits as long as its oldest part; after a day and a half of tries it is given up."""
    tries = max(row.tries for row in rows) + 1
    detail = f"{type(error).__name__}, tried {tries} times."
    if tries > len(RETRIES):
        _finish(rows, State.FAILED, tries=tries, detail=detail)
    else:
        _finish(rows, State.PENDING, tries=tries, detail=detail, due_at=now + RETRIES[tries - 1])


def _mine(rows: list[Notice]):
    """While our claim lasts: another worker may have taken over a lease that ran out."""
    return Notice.objects.filter(
        pk__in=[row.pk for row in rows], state=State.SENDING, token__in={row.token for row in rows}
    )
