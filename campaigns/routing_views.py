"""REST of routing: the rules, and what became of who came in."""

from rest_framework.response import Response

from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from campaigns import routing_rules
from campaigns import routing_serializers as s
from campaigns.models import RoutingRule
from leads.models import Arrival
from outbound.api.openapi import documented
from outbound.api.pagination import OptionalPageInput, list_of, page_of


class RoutingRuleViewSet(WorkspaceViewSet):
    scopes = {
        "list": "campaigns:read", "create": "campaigns:write", "retrieve": "campaigns:read",
        "partial_update": "campaigns:write", "destroy": "campaigns:write",
    }  # fmt: skip
    rules = RoutingRule.objects.select_related("campaign")

    @documented("list_routing_rules", s.RoutingRuleOutput, many=True, query=OptionalPageInput, tag="routing")
    def list(self, request):
        """Rules that say which campaign a lead that came in belongs to"""
        query = self.validated_query(OptionalPageInput)
        return Response(list_of(self.mine(self.rules), query, show=shown_rules))

    @documented("create_routing_rule", s.RoutingRuleOutput, body=s.RoutingRuleInput, status=201, tag="routing")
    def create(self, request):
        """Enroll leads that come in by persona and score"""
        data = self.validated(s.RoutingRuleInput)
        campaign = data.pop("campaign_id")
        rule = routing_rules.create_rule(campaign=campaign, now=now_for(self.workspace), **data)
        return Response(s.RoutingRuleOutput(rule).data, status=201)

    @documented("get_routing_rule", s.RoutingRuleOutput, tag="routing")
    def retrieve(self, request, pk):
        """One routing rule"""
        return Response(s.RoutingRuleOutput(self.one(self.rules, pk)).data)

    @documented("update_routing_rule", s.RoutingRuleOutput, body=s.RoutingRulePatch, tag="routing")
    def partial_update(self, request, pk):
        """Change a routing rule; who is enrolled stays enrolled"""
        rule, data = self.one(self.rules, pk), self.validated(s.RoutingRulePatch)
        if "campaign_id" in data:
            data["campaign"] = data.pop("campaign_id")
        return Response(s.RoutingRuleOutput(routing_rules.update_rule(rule=rule, **data)).data)

    @documented("delete_routing_rule", status=204, tag="routing")
    def destroy(self, request, pk):
        """Delete a routing rule; who is enrolled stays enrolled"""
        routing_rules.delete_rule(rule=self.one(self.rules, pk))
        return Response(status=204)


class ArrivalViewSet(WorkspaceViewSet):
    scopes = {"list": "leads:read"}

    @documented("list_arrivals", s.ArrivalOutput, many=True, query=s.ArrivalListInput, tag="routing")
    def list(self, request):
        """Leads that others posted, and which campaign each joined or why none"""
        query = self.validated_query(s.ArrivalListInput)
        rows = self.mine(Arrival.objects.select_related("lead"))
        if state := query.pop("state", None):
            rows = rows.filter(state=state)
        return Response(page_of(rows, **query, show=lambda found: s.ArrivalOutput(found, many=True).data))


def shown_rules(rows) -> list[dict]:
    return s.RoutingRuleOutput(rows, many=True).data
