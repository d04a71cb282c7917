"""A person's consent: off to Google or Microsoft, and back. For people signed in to the admin, in one browser.

What comes back counts only in the session that went out (`state`), once, within ten minutes, with the PKCE verifier
that never left us: a code that somebody else slips in, or takes, is worth nothing.
"""

import secrets
import time

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_GET

from outbound.admin_display import change_url, list_url
from outbound.api.errors import ApiError
from sending import oauth
from sending.mailboxes import check_connection
from sending.models import Mailbox
from sending.oauth_vendors import VENDORS, Vendor, authorization, vendor_named

PENDING = "consents"  # in the session: {state: {mailbox, vendor, verifier, until}}
AT_A_TIME = 5
SECONDS = 600


@require_GET
def begin_consent(request: HttpRequest, vendor: str, pk: str) -> HttpResponse:
    """Remember who asks for what, and send them to the vendor."""
    mailbox = _mailbox(request, pk)
    try:
        chosen = vendor_named(vendor)
    except ApiError as error:
        messages.error(request, error.message)
        return HttpResponseRedirect(change_url(mailbox))
    if not mailbox.workspace.livemode:
        messages.error(request, "A test workspace signs in nowhere, and needs no consent.")
        return HttpResponseRedirect(change_url(mailbox))
    state = secrets.token_urlsafe(32)
    url, verifier = authorization(chosen, email=mailbox.email, state=state)
    _remember(request, state, mailbox=str(mailbox.pk), vendor=vendor, verifier=verifier)
    return HttpResponseRedirect(url)


@require_GET
def consent_given(request: HttpRequest, vendor: str) -> HttpResponse:
    """Where the vendor sends the person back to (the redirect address that is registered there)."""
    asked = _recall(request, request.GET.get("state", ""))
    if vendor not in VENDORS or asked is None or asked["vendor"] != vendor:
        messages.error(request, "This consent was not asked for from here, or took too long. Begin again.")
        return HttpResponseRedirect(list_url("sending.mailbox"))
    mailbox, code = _mailbox(request, asked["mailbox"]), request.GET.get("code", "")
    if not code:
        messages.error(request, f"{VENDORS[vendor].label} was not given the consent. {mailbox.email} is as it was.")
    else:
        _connect(request, mailbox, VENDORS[vendor], code, asked["verifier"])
    return HttpResponseRedirect(change_url(mailbox))


def _connect(request, mailbox: Mailbox, vendor: Vendor, code: str, verifier: str) -> None:
    try:
        mailbox = oauth.accept_code(
            mailbox=mailbox, vendor=vendor, code=code, verifier=verifier, by=request.user.get_username()
        )
    except oauth.NoToken as failed:
        messages.error(request, f"{mailbox.email}: {failed.sentence}")
        return
    works, sentence = check_connection(mailbox)
    if works:
        messages.success(request, f"{mailbox.email} is connected with {vendor.label}. {sentence}")
    else:
        whose = f"Was the consent given as {mailbox.email}, and does its organization allow SMTP and IMAP?"
        messages.error(request, f"{sentence} {whose}")


def _mailbox(request, pk: str) -> Mailbox:
    """One that this person may change; 404 for others', as on every page of the admin."""
    page = admin.site._registry[Mailbox]
    mailbox = page.get_object(request, pk)
    if mailbox is None or mailbox.retired_at:
        raise Http404
    if not page.may_act(request, mailbox):
        raise PermissionDenied
    return mailbox


def _remember(request, state: str, **asked) -> None:
    pending = [*request.session.get(PENDING, {}).items(), (state, {**asked, "until": time.time() + SECONDS})]
    request.session[PENDING] = dict(pending[-AT_A_TIME:])


def _recall(request, state: str) -> dict | None:
    """What was asked under this state, once."""
    pending = request.session.get(PENDING, {})
    asked = pending.pop(state, None)
    request.session.modified = True
    return asked if asked and asked["until"] > time.time() else None
