from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt

from mcp.views import McpView, not_here

# Both with and without the slash: a redirect would turn a POST into a GET.
urlpatterns = [
    path("api/mcp", McpView.as_view(), name="mcp"),
    path("api/mcp/", McpView.as_view()),
    re_path(r"^\.well-known/(?:oauth-|openid-configuration).*$", csrf_exempt(not_here)),
    path("register", csrf_exempt(not_here)),
]
