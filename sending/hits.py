"""Opens and clicks: written down at once, judged some seconds later, and told only when it was a person.

Waiting is what tells a scanner that tries every link from a reader that takes one. A fact is told once for a mail's
image and once for each of its links; repetitions only count up.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from apikeys.events import record_events
from apikeys.services import now_for
from leads.services import record_activity
from sending.models import Hit, Message
from sending.scanners import came_too_soon, clicked_at_once

JUDGE_AFTER = timedelta(seconds=10)
BATCH = 500
ARRIVED = (Message.State.SENT, Message.State.COMMITTED, Message.State.UNKNOWN)
KINDS = {Hit.Kind.OPEN: ("email.opened", "opened"), Hit.Kind.CLICK: ("email.clicked", "clicked a link of")}


def note_hit(*, message: Message, kind: str, machine: bool, now: datetime, link: int = 0) -> None:
    """One request more, of a message that has left. `machine`: the request itself says so; else it is judged later."""
    if message.departed_at is None:
        return
    row = {"message_id": message.pk, "kind": kind, "link": link, "machine": True if machine else None}
    same = Hit.objects.filter(**row)
    again = {"count": F("count") + 1, "last_at": now}
    if same.update(**again):
        return
    try:
        with transaction.atomic():
            Hit.objects.create(**row, first_at=now, last_at=now)
    except IntegrityError:  # another request was faster
        same.update(**again)


def judge_hits() -> int:
    """Every hit that has waited for its verdict long enough; how many. Any number of workers may do it at once."""
    waiting = Hit.objects.filter(machine=None).select_related("message__workspace").order_by("first_at", "id")
    due = [hit.message_id for hit in waiting[:BATCH] if _is_due(hit, now_for(hit.message.workspace))]
    return sum(_judge(message_id) for message_id in dict.fromkeys(due))


def _is_due(hit: Hit, now: datetime) -> bool:
    return hit.first_at + JUDGE_AFTER <= now


@transaction.atomic
def _judge(message_id) -> int:
    """All of one message that is due, under a lock: what is asked for meanwhile waits, and begins a row of its own."""
    message = Message.objects.select_related("workspace", "lane", "body").defer("body__raw").get(pk=message_id)
    now = now_for(message.workspace)
    rows = list(Hit.objects.filter(message=message).select_for_update().order_by("id"))
    waiting = [row for row in rows if row.machine is None and _is_due(row, now)]
    each_link_at, links, delivered_at = _moments_of_each_link(rows), len(message.body.links), _delivered_at(message)
    for row in waiting:
        at_once = row.kind == Hit.Kind.CLICK and clicked_at_once(row.first_at, each_link_at, links=links)
        row.machine = at_once or came_too_soon(row.first_at, delivered_at)
    judged = {(row.kind, row.link, row.machine): row for row in rows if row not in waiting}
    new = [row for row in waiting if not _merge(row, judged.get((row.kind, row.link, row.machine)))]
    _keep(waiting, new, judged.values())
    _tell(message, [row for row in new if not row.machine], list(judged), now)
    return len(waiting)


def _moments_of_each_link(rows: Iterable[Hit]) -> list[list[datetime]]:
    moments = defaultdict(list)
    for row in rows:
        if row.kind == Hit.Kind.CLICK:
            moments[row.link] += [row.first_at, row.last_at]
    return list(moments.values())


def _delivered_at(message: Message) -> datetime | None:
    if message.state not in ARRIVED:
        return None
    return message.settled_at if message.state == Message.State.SENT else message.departed_at


def _merge(row: Hit, earlier: Hit | None) -> bool:
    """Into the row of the same verdict, when there is one."""
    if earlier is None:
        return False
    earlier.count += row.count
    earlier.last_at = max(earlier.last_at, row.last_at)
    return True


def _keep(waiting: list[Hit], new: list[Hit], earlier: Iterable[Hit]) -> None:
    Hit.objects.filter(pk__in=[row.pk for row in waiting if row not in new]).delete()
    Hit.objects.bulk_update(new, ["machine"])
    if len(new) < len(waiting):
        Hit.objects.bulk_update([row for row in earlier if row.machine is not None], ["count", "last_at"])


def _tell(message: Message, new: list[Hit], known: list[tuple], now: datetime) -> None:
    """The first time a person opened the mail, and the first click on each link. The lead's counters count mails."""
    record_events([_fact(message, row, now) for row in new])
    before = {kind for kind, _, machine in known if machine is False}
    kinds = {row.kind for row in new} - before
    if kinds and message.lead_id:
        record_activity(
            lead_id=message.lead_id, now=now, opened=int(Hit.Kind.OPEN in kinds), clicked=int(Hit.Kind.CLICK in kinds)
        )


def _fact(message: Message, row: Hit, now: datetime) -> dict:
    kind, verb = KINDS[row.kind]
    where = {"url": message.body.links[row.link]} if row.kind == Hit.Kind.CLICK else {}
    return {
        "workspace": message.workspace, "kind": kind, "now": now, "message_id": message.id, "lead_id": message.lead_id,
        "campaign_id": message.lane and message.lane.reference.get("campaign_id"),
        "summary": f"{message.to_email} {verb} {message.subject or 'a mail'}", "machine": False,
        "first_at": row.first_at.isoformat(), **where,
    }  # fmt: skip


def names_it(message: Message) -> bool:
    """Whether its image or a link was asked for since it was handed over: whoever asked, it has arrived."""
    return message.departed_at is not None and message.hits.filter(last_at__gte=message.departed_at).exists()


def asked_for() -> Q:
    """Of parked messages, those of which something was asked for."""
    return Q(hits__last_at__gte=F("departed_at"))
