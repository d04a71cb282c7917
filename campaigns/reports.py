"""Numbers of a campaign, counted by query; and when the next mail leaves, and why then."""

from collections import Counter

from django.db.models import Count, Q

from apikeys.models import Event
from campaigns.models import Campaign, Enrollment
from sending.models import Hit, Message

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


def tracked(campaign: Campaign) -> dict[str, int | None]:
    """Mails opened and clicked, by people and by machines. None where tracking is off and never saw anything."""
    rows = Hit.objects.filter(message__lane=campaign.lane_id, machine__isnull=False)
    counts = {
        (kind, machine): count
        for kind, machine, count in rows.values_list("kind", "machine").annotate(n=Count("message", distinct=True))
    }
    shown: dict[str, int | None] = {}
    for kind, verb, is_on in (
        (Hit.Kind.OPEN, "opened", campaign.track_opens),
        (Hit.Kind.CLICK, "clicked", campaign.track_clicks),
    ):
        seen = is_on or any(found == kind for found, _ in counts)
        shown[f"mails_{verb}"] = counts.get((kind, False), 0) if seen else None
        shown[f"mails_{verb}_by_machines"] = counts.get((kind, True), 0) if seen else None
    return shown


def held_by_reason(campaign: Campaign) -> dict[str, int]:
    """{sentence: how many leads wait for it}, the most first."""
    rows = campaign.enrollments.exclude(reason="").filter(status__in=[E.HELD, E.ACTIVE, E.PAUSED])
    counts = rows.order_by().values_list("reason").annotate(count=Count("id"))
    return dict(Counter(dict(counts)).most_common(20))


def log_of(campaign: Campaign, *, limit: int = LOG_LINES):
    return Event.objects.filter(campaign_id=campaign.pk).select_related("workspace").newest_first()[:limit]
