"""The life of a campaign, as a table: one lifecycle, two vocabularies (/runs says running and stopped)."""

from django.db import transaction

from campaigns.models import Campaign
from outbound.api.errors import Conflict

S = Campaign.Status

# verb → (from, to, what to say otherwise)
MOVES = {
    "launch": ({S.DRAFT, S.PAUSED}, S.ACTIVE, "Only a draft or paused run can be launched."),
    "pause": ({S.ACTIVE}, S.PAUSED, "Only a running run can be paused."),
    "resume": ({S.PAUSED}, S.ACTIVE, "Only a paused run can be resumed."),
    "stop": ({S.ACTIVE, S.PAUSED, S.FAILED}, S.ARCHIVED, "Only a run that has not ended can be stopped."),
    "archive": (set(S) - {S.ARCHIVED}, S.ARCHIVED, "It is archived already."),
    "complete": ({S.ACTIVE}, S.COMPLETED, "Only a running run can be completed."),
    "fail": ({S.ACTIVE, S.PAUSED}, S.FAILED, "Only a run under way can fail."),
}
RUN_STATUS = {
    S.ACTIVE: "running",
    S.PAUSED: "paused",
    S.COMPLETED: "completed",
    S.FAILED: "failed",
    S.ARCHIVED: "stopped",
}
TAKES_LEADS = frozenset({S.DRAFT, S.ACTIVE, S.PAUSED})
LEGAL_NOW = {status: [verb for verb, (froms, _, _) in MOVES.items() if status in froms] for status in S.values}


class WrongState(Conflict):
    code = "wrong_state"


def move(campaign: Campaign, verb: str, **fields) -> Campaign:
    """Take the campaign through one move, under its lock; WrongState (409) says what is possible instead."""
    froms, to, sentence = MOVES[verb]
    with transaction.atomic():
        campaign = (
            Campaign.objects.select_for_update(of=("self",)).select_related("workspace", "lane").get(pk=campaign.pk)
        )
        if campaign.status not in froms:
            raise WrongState(f"{sentence} This one is {RUN_STATUS.get(campaign.status, campaign.status)}.")
        campaign.status = to
        for name, value in fields.items():
            setattr(campaign, name, value)
        campaign.save(update_fields=["status", *fields])
    return campaign
