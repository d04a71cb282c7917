"""Rules that say which campaign a lead that came in belongs to. They are read by campaigns/routing.py."""

from datetime import datetime

from campaigns.models import Campaign, RoutingRule
from outbound.api.errors import Invalid


def create_rule(*, campaign: Campaign, now: datetime, **fields) -> RoutingRule:
    """`fields`: persona, min_score, priority, enabled."""
    return RoutingRule.objects.create(workspace_id=campaign.workspace_id, campaign=campaign, created_at=now, **fields)


def update_rule(*, rule: RoutingRule, **fields) -> RoutingRule:
    if "campaign" in fields and fields["campaign"].workspace_id != rule.workspace_id:
        raise Invalid.field("campaign", "This campaign is another workspace's.")
    for name, value in fields.items():
        setattr(rule, name, value)
    if fields:
        rule.save(update_fields=list(fields))
    return rule


def delete_rule(*, rule: RoutingRule) -> None:
    rule.delete()
