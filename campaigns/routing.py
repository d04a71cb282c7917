"""Who came in is enrolled: in the campaign it was posted for, else in that of the first rule it fits.

Arrivals are facts below; the tick reads them before it plans. An arrival and its enrollment change in one transaction,
so a lost or doubled tick enrolls nobody twice.
"""

import logging
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from apikeys.events import record_events
from apikeys.models import Workspace
from campaigns.audience import fates_of, write
from campaigns.models import Campaign, RoutingRule
from campaigns.states import TAKES_LEADS
from leads.models import Arrival, Lead
from outbound.api.serializers import as_uuid
from outbound.bulk import update_rows

logger = logging.getLogger(__name__)
BATCH = 1000
UNKNOWN = "There is no campaign {}."
ENDED = "The campaign has ended."
NO_RULE = "No routing rule fits it."
TROUBLE = "Something went wrong on our side."


@dataclass(frozen=True)
class Verdict:
    """What becomes of an arrival: enrolled in its campaign, or refused for a reason."""

    arrival: Arrival
    campaign: Campaign | None
    reason: str = ""

    def as_row(self) -> dict:
        state = Arrival.State.REFUSED if self.reason else Arrival.State.ENROLLED
        campaign_id = self.campaign.pk if self.campaign else None
        return {"id": self.arrival.pk, "state": state, "campaign_id": campaign_id, "reason": self.reason[:300]}

    def as_event(self, now: datetime) -> dict:
        who, where = self.arrival.lead.email, self.campaign.name if self.campaign else "a campaign"
        refusal = f"{who} was not enrolled in {where}: {self.reason}"
        return {
            "workspace": self.arrival.workspace, "kind": "lead.routed", "now": now, "lead_id": self.arrival.lead_id,
            "summary": refusal if self.reason else f"{who} was enrolled in {where}", "enrolled": not self.reason,
            "campaign_id": self.campaign.pk if self.campaign else None, "source": self.arrival.source,
        }  # fmt: skip


@transaction.atomic
def route(*, workspaces, now: datetime) -> int:
    """Enroll who came in, oldest first. Returns how many arrivals were settled; what somebody holds waits a tick.

    One router per workspace at a time, and no lock is waited for: others take leads and campaigns in their own order.
    """
    waiting = Arrival.objects.filter(state=Arrival.State.WAITING, workspace__in=workspaces)
    ours = Workspace.objects.filter(pk__in=waiting.values("workspace")).select_for_update(skip_locked=True, no_key=True)
    rows = waiting.filter(workspace__in=[each.pk for each in ours]).select_related("lead", "workspace")
    verdicts = _judge(list(rows.order_by("created_at", "id")[:BATCH]), now)
    _write_down(verdicts, now)
    return len(verdicts)


def _judge(rows: list[Arrival], now: datetime) -> list[Verdict]:
    targets, verdicts = _targets(rows)
    there = _locked(Campaign.objects.filter(pk__in=[campaign.pk for campaign in targets]))
    leads = _locked(Lead.objects.filter(pk__in=[row.lead_id for row in rows]))
    for campaign, arrivals in targets.items():
        if campaign.status not in TAKES_LEADS or campaign.engine != Campaign.Engine.NATIVE:
            verdicts += [Verdict(row, campaign, ENDED) for row in arrivals]
        elif there.get(campaign.pk) in TAKES_LEADS:
            verdicts += _enroll(campaign, [row for row in arrivals if row.lead_id in leads], now)
    return verdicts


def _locked(queryset) -> dict:
    """{id: status} of the rows that nobody else holds; they are ours until the transaction ends."""
    return dict(queryset.select_for_update(skip_locked=True, no_key=True).values_list("pk", "status"))


def _targets(rows: list[Arrival]) -> tuple[dict[Campaign, list[Arrival]], list[Verdict]]:
    """(campaign → its arrivals, the verdicts on those that have none)."""
    named = Campaign.objects.filter(pk__in={as_uuid(row.wanted) for row in rows if row.wanted})
    campaigns = {(campaign.workspace_id, campaign.pk): campaign for campaign in named.select_related("workspace")}
    rules = _rules({row.workspace_id for row in rows})
    targets, verdicts = defaultdict(list), []
    for row in rows:
        if row.wanted:
            campaign, reason = campaigns.get((row.workspace_id, as_uuid(row.wanted))), UNKNOWN.format(row.wanted)
        else:
            fitting = (rule.campaign for rule in rules[row.workspace_id] if rule.fits(row.lead))
            campaign, reason = next(fitting, None), NO_RULE
        if campaign:
            targets[campaign].append(row)
        else:
            verdicts.append(Verdict(row, None, reason))
    return targets, verdicts


def _rules(workspaces: set) -> dict[object, list[RoutingRule]]:
    """By workspace, in the order in which they are asked; a rule whose campaign has ended counts no more."""
    rules = RoutingRule.objects.filter(workspace__in=workspaces, enabled=True, campaign__status__in=TAKES_LEADS)
    found = defaultdict(list)
    for rule in rules.select_related("campaign__workspace").order_by("priority", "created_at", "id"):
        found[rule.workspace_id].append(rule)
    return found


def _enroll(campaign: Campaign, arrivals: list[Arrival], now: datetime) -> list[Verdict]:
    """Through the health gate. One campaign's surprise refuses its arrivals and no others."""
    leads = list({row.lead_id: row.lead for row in arrivals}.values())
    try:
        with transaction.atomic():
            fates = fates_of(campaign.workspace, campaign, leads)
            write(campaign, fates, now=now)
    except Exception:  # noqa: BLE001  what cannot be enrolled must not keep the others, or their mail, waiting
        logger.exception("Arrivals could not be enrolled in campaign %s", campaign.pk)
        return [Verdict(row, campaign, TROUBLE) for row in arrivals]
    refused = {fate.lead.pk: fate.reason for fate in fates if not fate.is_enrolled}
    return [Verdict(row, campaign, refused.get(row.lead_id, "")) for row in arrivals]


def _write_down(verdicts: list[Verdict], now: datetime) -> None:
    update_rows(Arrival, [verdict.as_row() for verdict in verdicts])
    record_events([verdict.as_event(now) for verdict in verdicts if verdict.reason != NO_RULE])
