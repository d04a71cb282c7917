"""The time at which a run's next mail leaves, once told, is a promise: it moves only with a reason on the record."""

from datetime import datetime, timedelta

from django.db import transaction

from apikeys.events import record_event
from apikeys.models import Event
from campaigns.explaining import Explained, explain_run
from campaigns.models import Campaign
from outbound.api.serializers import moment
from sending.models import Message

MOVED = "campaign.next_send_moved"
TOLERANCE = timedelta(minutes=2)  # a tick, and the look at the ledger after it


def tell_next_send(campaign: Campaign, *, now: datetime) -> Explained:
    """explain_run() for somebody who will wait for it.

    A time that was told before, has moved, and has seen no mail since leaves a line in the run's log: from when to
    when, and the guard that moved it.
    """
    told, kept = explain_run(campaign, now=now), _has_sent(campaign)
    if kept or _differ(campaign.promised_at, told.next_at):
        _promise(campaign, told, kept=kept, now=now)
    return told


def moves_of(campaign: Campaign, *, limit: int = 5) -> list[Event]:
    return list(Event.objects.filter(campaign_id=campaign.pk, kind=MOVED).newest_first()[:limit])


def _differ(promised: datetime | None, next_at: datetime | None) -> bool:
    if promised is None or next_at is None:
        return promised is not next_at
    return abs(next_at - promised) > TOLERANCE


def _has_sent(campaign: Campaign) -> bool:
    """Whether a mail has left since the promise: then it was kept, and this is another."""
    since = campaign.promised_on
    return bool(since) and Message.objects.filter(lane=campaign.lane_id, departed_at__gte=since).exists()


@transaction.atomic
def _promise(campaign: Campaign, told: Explained, *, kept: bool, now: datetime) -> None:
    """Who else holds the row plans or changes the run just now, and is not waited for: the next look will do."""
    ours = Campaign.objects.filter(pk=campaign.pk, promised_on=campaign.promised_on)
    if not list(ours.select_for_update(no_key=True, skip_locked=True).values_list("pk")):
        return
    Campaign.objects.filter(pk=campaign.pk).update(promised_at=told.next_at, promised_on=now)
    if campaign.promised_at and not kept:
        _record(campaign, told, now)


def _record(campaign: Campaign, told: Explained, now: datetime) -> None:
    record_event(
        workspace=campaign.workspace, kind=MOVED, now=now, campaign_id=campaign.pk,
        summary=f"The next mail moved from {campaign.promised_at:%Y-%m-%d %H:%M} UTC: {told.reason}",
        promised_at=moment(campaign.promised_at), next_at=moment(told.next_at), guard=told.binding, reason=told.reason,
    )  # fmt: skip
