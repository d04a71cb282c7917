"""Every address on one page."""

from django.contrib import admin
from django.http import HttpResponse
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from apikeys.ingest import billing_ingest
from apikeys.public_views import setup_page
from leads.ingest import clay_ingest
from mcp.views import McpView
from outbound.account import AccountViewSet
from outbound.api.errors import error_page
from sending.ingest import resend_ingest
from sending.oauth_views import begin_consent, consent_given
from sending.public_views import click, open_image, unsubscribe_page


def alive(request):
    return HttpResponse("ok", content_type="text/plain")


@csrf_exempt  # a POST to a wrong address is told so, and not that it lacks a cookie
def no_such_api(request, *args):
    return error_page(404, "not_found", "There is no such address in the API. See /api/docs.")


api = [
    path("account", AccountViewSet.as_view({"get": "retrieve", "patch": "partial_update"})),
    path("", include("apikeys.urls")),
    path("", include("apikeys.webhook_urls")),
    path("", include("leads.urls")),
    path("", include("sending.urls")),
    path("", include("campaigns.urls")),
    path("openapi.json", SpectacularJSONAPIView.as_view(), name="openapi"),
]
urlpatterns = [
    path("healthz", alive),
    path("api/v1/", include(api)),
    re_path(r"^api/mcp/?$", McpView.as_view()),
    path("api/docs", SpectacularSwaggerView.as_view(url_name="openapi"), name="docs"),
    path("api/ingest/clay/<str:connection_id>", clay_ingest),
    path("api/ingest/resend/<str:connection_id>", resend_ingest),
    path("api/ingest/billing/<str:connection_id>", billing_ingest),
    re_path(r"^(api|\.well-known|register)(/|$)", no_such_api),
    path("u/<str:token>", unsubscribe_page, name="unsubscribe"),
    path("o/<str:token>.gif", open_image, name="open"),
    path("c/<str:token>", click, name="click"),
    path("oauth/<slug:vendor>/begin/<uuid:pk>", admin.site.admin_view(begin_consent)),
    path("oauth/<slug:vendor>/callback", admin.site.admin_view(consent_given)),
    path("setup/<str:token>", setup_page, name="setup"),
    path("admin/", admin.site.urls),
]
