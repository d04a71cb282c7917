"""What a mail leads back to: the unsubscribe page with its one-click POST (RFC 8058), the image, the tracked links.

No cookie, no sign-in, no CSRF: mail programs ask, and a reader owes us nothing.
"""

import base64

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from apikeys.services import now_for
from apikeys.throttling import asks_too_often, page_limit
from sending.hits import note_hit
from sending.models import Hit, Message
from sending.scanners import asked_by_machine
from sending.services import unsubscribe
from sending.tracking import read_click_token, read_open_token, read_token

PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")  # transparent, 1 × 1
# What an address asks for beyond this is answered and no longer counted: one proxy asks for many readers.
COUNTED_PER_MINUTE = 600
_PURPOSES = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")


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
        return _not_found(request)
    if request.method == "POST":
        unsubscribe(message=message, now=now_for(message.workspace))
        return render(request, "public/unsubscribed.html", {"message": message})
    return render(request, "public/unsubscribe.html", {"message": message})


@never_cache
@require_http_methods(["GET", "HEAD"])
def open_image(request: HttpRequest, token: str) -> HttpResponse:
    """The image at the foot of a tracked mail."""
    message = _message(read_open_token(token))
    if message is None:
        return _not_found(request)
    _note(request, message, Hit.Kind.OPEN)
    return HttpResponse(PIXEL, content_type="image/gif")


@never_cache
@require_http_methods(["GET", "HEAD"])
def click(request: HttpRequest, token: str) -> HttpResponse:
    """On to where the link led when the mail was made: nothing in the request has a say in it."""
    message_id, link = read_click_token(token) or (None, 0)
    message = _message(message_id)
    links = message.body.links if message else []
    if link >= len(links):
        return _not_found(request)
    _note(request, message, Hit.Kind.CLICK, link=link)
    return HttpResponseRedirect(links[link], headers={"Referrer-Policy": "no-referrer"})


def _message(message_id) -> Message | None:
    found = Message.objects.select_related("workspace", "body").defer("body__raw", "body__html", "body__text")
    return found.filter(pk=message_id).first() if message_id else None


def _note(request: HttpRequest, message: Message, kind: str, *, link: int = 0) -> None:
    if asks_too_often(request, group="tracking", per_minute=COUNTED_PER_MINUTE):
        return
    machine = asked_by_machine(
        method=request.method, user_agent=request.headers.get("User-Agent", ""), image=kind == Hit.Kind.OPEN,
        purpose=" ".join(request.headers.get(name, "") for name in _PURPOSES),
    )  # fmt: skip
    note_hit(message=message, kind=kind, link=link, machine=machine, now=now_for(message.workspace))


def _not_found(request: HttpRequest) -> HttpResponse:
    return render(request, "public/not_found.html", status=404)
