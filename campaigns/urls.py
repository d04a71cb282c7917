from django.urls import path

from campaigns.campaign_views import CampaignViewSet
from campaigns.routing_views import ArrivalViewSet, RoutingRuleViewSet
from campaigns.views import ClockViewSet, RunViewSet, SequenceViewSet

urlpatterns = [
    path("sequences", SequenceViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "sequences/<str:pk>",
        SequenceViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("sequences/<str:pk>/preview", SequenceViewSet.as_view({"post": "preview"})),
    path("runs", RunViewSet.as_view({"get": "list", "post": "create"})),
    path("runs/<str:pk>", RunViewSet.as_view({"get": "retrieve"})),
    path("runs/<str:pk>/messages", RunViewSet.as_view({"get": "messages"})),
    path("runs/<str:pk>/explain", RunViewSet.as_view({"get": "explain"})),
    path("runs/<str:pk>/leads/<str:lead_id>/explain", RunViewSet.as_view({"get": "explain_lead"})),
    path("runs/<str:pk>/stop", RunViewSet.as_view({"post": "stop"})),
    path("runs/<str:pk>/pause", RunViewSet.as_view({"post": "pause"})),
    path("runs/<str:pk>/resume", RunViewSet.as_view({"post": "resume"})),
    path("campaigns", CampaignViewSet.as_view({"get": "list", "post": "create"})),
    path("campaigns/<str:pk>", CampaignViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("campaigns/<str:pk>/launch", CampaignViewSet.as_view({"post": "launch"})),
    path("campaigns/<str:pk>/pause", CampaignViewSet.as_view({"post": "pause"})),
    path("campaigns/<str:pk>/archive", CampaignViewSet.as_view({"post": "archive"})),
    path("campaigns/<str:pk>/leads", CampaignViewSet.as_view({"post": "add_leads"})),
    path("campaigns/<str:pk>/report", CampaignViewSet.as_view({"get": "report"})),
    path("campaigns/<str:pk>/replies", CampaignViewSet.as_view({"get": "replies"})),
    path("routing-rules", RoutingRuleViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "routing-rules/<str:pk>",
        RoutingRuleViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("arrivals", ArrivalViewSet.as_view({"get": "list"})),
    path("sandbox/clock", ClockViewSet.as_view({"get": "retrieve", "post": "turn"})),
]
