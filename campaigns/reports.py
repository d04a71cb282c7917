"""Numbers of a campaign, counted by query; and when the next mail leaves, and why then."""

from collections import Counter
from datetime import datetime

from django.db.models import Count, Min, Q

from apikeys.models import Event
from campaigns.models import Campaign, Enrollment
from campaigns.planning import mailboxes_of, schedule_of
from campaigns.schedule import next_slot
from sending import limits
from sending.models import Message

E = Enrollment.Status
S = Message.State
LOG_LINES = 50


def breakdowns(campaigns: list[Campaign]) -> dict:
    """{campaign id: {every enrollment status: count}}, zeros included, in one statement."""
    rows = Enrollment.objects.filter(campaign__in=campaigns).order_by().values_list("campaign_id", "status")
    shown = {campaign.pk: dict.fromkeys(E.values, 0) for campaign in campaigns}
    for campaign_id, status, count in rows.annotate(count=Count("id")):
        shown[campaign_id][status] = count
    return shown


def message_counts(campaigns: list[Campaign]) -> dict:
    """{campaign id: {sent, queued, in_flight, unknown, refused, replies}} in one statement."""
    owners = {campaign.lane_id: campaign.pk for campaign in campaigns}
    out = Q(direction=Message.Direction.OUT)
    rows = (
        Message.objects.filter(lane__in=list(owners))
        .order_by()
        .values("lane_id")
        .annotate(
            sent=Count("id", filter=out & Q(state=S.SENT)),
            queued=Count("id", filter=out & Q(state__in=[S.QUEUED, S.CLAIMED])),
            in_flight=Count("id", filter=out & Q(state=S.COMMITTED)),
            unknown=Count("id", filter=out & Q(state=S.UNKNOWN)),
            refused=Count("id", filter=out & Q(state=S.REFUSED)),
            replies=Count("id", filter=Q(kind=Message.Kind.REPLY)),
        )
    )
    empty = dict.fromkeys(("sent", "queued", "in_flight", "unknown", "refused", "replies"), 0)
    shown = {campaign.pk: dict(empty) for campaign in campaigns}
    for row in rows:
        shown[owners[row.pop("lane_id")]] = row
    return shown


def held_by_reason(campaign: Campaign) -> dict[str, int]:
    """{sentence: how many leads wait for it}, the most first."""
    rows = campaign.enrollments.exclude(reason="").filter(status__in=[E.HELD, E.ACTIVE, E.PAUSED])
    counts = rows.order_by().values_list("reason").annotate(count=Count("id"))
    return dict(Counter(dict(counts)).most_common(20))


def log_of(campaign: Campaign, *, limit: int = LOG_LINES):
    return Event.objects.filter(campaign_id=campaign.pk).newest_first()[:limit]


def next_send(campaign: Campaign, *, now: datetime) -> tuple[datetime | None, str]:
    """(when the next mail leaves, the guard that makes it so). (None, why) when nothing is going to."""
    if campaign.status != Campaign.Status.ACTIVE:
        return None, {"paused": "The run is paused."}.get(campaign.status, "The run has ended.")
    due_at = campaign.enrollments.walking().aggregate(first=Min("due_at"))["first"]
    queued_at = Message.objects.filter(lane=campaign.lane_id, state__in=[S.QUEUED, S.CLAIMED]).aggregate(
        first=Min("send_at")
    )["first"]
    wanted = min((moment for moment in (due_at, queued_at) if moment), default=None)
    if wanted is None:
        parked = Message.objects.filter(lane=campaign.lane_id, state=S.UNKNOWN).count()
        return None, f"{parked} parked mail(s) await a decision." if parked else "Nobody is waiting for a step."
    if not mailboxes_of(campaign):
        return None, "No mailbox of this run may send now."
    moment, reason = max(wanted, now), "It is due." if wanted <= now else "The wait before the next step."
    for later, why in _obstacles(campaign, now):
        if later > moment:
            moment, reason = later, why
    slot = next_slot(schedule_of(campaign), moment)
    return (slot, "The schedule's window opens then.") if slot > moment else (moment, reason)


def _obstacles(campaign: Campaign, now: datetime):
    """What holds back everybody: the day's caps, and the gap of the mailbox that is free first."""
    lane = campaign.lane
    if limits.used("lane", lane.pk, limits.local_day(lane.timezone, now)) >= lane.daily_limit:
        yield limits.next_day_starts(lane.timezone, now), f"The run has sent its {lane.daily_limit} of the day."
    mailboxes = mailboxes_of(campaign)
    free_at = [mailbox.next_free_at or now for mailbox in mailboxes]
    if free_at:
        yield min(free_at), "The gap between two mails of the mailbox."
    zone = campaign.workspace.timezone
    day = limits.local_day(zone, now)
    if mailboxes and all(limits.used("mailbox", box.pk, day) >= box.daily_limit for box in mailboxes):
        yield limits.next_day_starts(zone, now), "Every mailbox has sent its share of the day."
