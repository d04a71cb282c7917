from django.urls import path

from apikeys.webhook_views import IngestConnectionViewSet, WebhookViewSet

urlpatterns = [
    path("webhooks", WebhookViewSet.as_view({"get": "list", "post": "create"})),
    path(
        "webhooks/<str:pk>",
        WebhookViewSet.as_view({"get": "retrieve", "patch": "partial_update", "delete": "destroy"}),
    ),
    path("webhooks/<str:pk>/rotate", WebhookViewSet.as_view({"post": "rotate"})),
    path("webhooks/<str:pk>/test", WebhookViewSet.as_view({"post": "test"})),
    path("webhooks/<str:pk>/deliveries", WebhookViewSet.as_view({"get": "deliveries"})),
    path("webhooks/<str:pk>/deliveries/<str:delivery_pk>/replay", WebhookViewSet.as_view({"post": "replay"})),
    path("ingest-connections", IngestConnectionViewSet.as_view({"get": "list", "post": "create"})),
    path("ingest-connections/<str:pk>", IngestConnectionViewSet.as_view({"delete": "destroy"})),
    path("ingest-connections/<str:pk>/messages", IngestConnectionViewSet.as_view({"get": "messages"})),
]
