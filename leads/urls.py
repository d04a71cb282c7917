from django.urls import path

from leads.bulk_views import LeadBulkViewSet, ValidationViewSet
from leads.job_views import JobViewSet
from leads.review_views import ValueViewSet
from leads.suppression_views import SuppressionViewSet
from leads.views import GroupViewSet, ImportViewSet, LeadViewSet, VariableViewSet

urlpatterns = [
    path("leads", LeadViewSet.as_view({"get": "list", "post": "create"})),
    path("leads/bulk", LeadBulkViewSet.as_view({"post": "bulk"})),
    path("leads/validate", LeadBulkViewSet.as_view({"post": "validate"})),
    path("validation/results", ValidationViewSet.as_view({"get": "results"})),
    path("leads/export", LeadViewSet.as_view({"get": "export"})),
    path("leads/<str:pk>", LeadViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"})),
    path("groups", GroupViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "groups/<str:pk>",
        GroupViewSet.as_view({"get": "retrieve", "post": "add", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("groups/<str:pk>/remove", GroupViewSet.as_view({"post": "remove"})),
    path("variables", VariableViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "variables/<str:name>",
        VariableViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("variables/<str:name>/generate", VariableViewSet.as_view({"post": "generate"})),
    path("variables/<str:name>/values", ValueViewSet.as_view({"get": "list"})),
    path("variables/<str:name>/values/approve", ValueViewSet.as_view({"post": "approve"})),
    path("variables/<str:name>/values/<str:lead_id>", ValueViewSet.as_view({"patch": "partial_update"})),
    path("jobs", JobViewSet.as_view({"get": "list"})),
    path("jobs/<str:pk>", JobViewSet.as_view({"get": "retrieve"})),
    path("jobs/<str:pk>/pause", JobViewSet.as_view({"post": "pause"})),
    path("jobs/<str:pk>/resume", JobViewSet.as_view({"post": "resume"})),
    path("jobs/<str:pk>/cancel", JobViewSet.as_view({"post": "cancel"})),
    path("suppressions", SuppressionViewSet.as_view({"get": "list", "post": "create"})),
    path("suppressions/bulk", SuppressionViewSet.as_view({"post": "bulk"})),
    path("suppressions/export", SuppressionViewSet.as_view({"get": "export"})),
    path("suppressions/<str:pk>", SuppressionViewSet.as_view({"get": "retrieve", "delete": "destroy"})),
    path("imports", ImportViewSet.as_view({"get": "list", "post": "create"})),
    path("imports/<str:pk>", ImportViewSet.as_view({"get": "retrieve"})),
]
