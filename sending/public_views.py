"""The unsubscribe page and its one-click POST (RFC 8058). No cookie, no sign-in, no CSRF: a mail client posts it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apikeys.services import now_for
from apikeys.throttling import page_limit
from sending.models import Message
from sending.services import unsubscribe
from sending.tracking import read_token


# High: a mail provider posts for many people from few addresses, and a lost opt-out is worse than a burst.
@csrf_exempt
@never_cache
@page_limit(group="unsubscribe", per_minute=600, methods=("POST",))
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe_page(request: HttpRequest, token: str) -> HttpResponse:
    """GET asks (link scanners follow links); POST opts out before it answers, however often it comes."""
    message_id = read_token(token)
    message = Message.objects.select_related("workspace").filter(pk=message_id).first() if message_id else None
    if message is None:
        return render(request, "public/not_found.html", status=404)
    if request.method == "POST":
        unsubscribe(message=message, now=now_for(message.workspace))
        return render(request, "public/unsubscribed.html", {"message": message})
    return render(request, "public/unsubscribe.html", {"message": message})
