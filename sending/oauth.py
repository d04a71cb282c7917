"""Signing in to a mailbox with a person's consent: codes become tokens, and tokens are renewed once for all workers.

Access tokens live about an hour. Whoever needs one takes it from the row; one that is about to expire is renewed by
whoever takes the row's lease first, while the others use the old one or wait. What the vendor refuses rests on the row:
nobody asks again for 15 minutes, whichever door they come through. Nothing here raises or logs a token.
"""

import json
import logging
import re
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from oauthlib.oauth2 import OAuth2Error, WebApplicationClient

from outbound import http
from outbound.clock import lease_now, real_now
from sending.models import Mailbox, MailboxGrant
from sending.oauth_vendors import VENDORS, Vendor, code_body, refresh_body

logger = logging.getLogger(__name__)

ASK_SECONDS = 15.0
AHEAD = timedelta(minutes=5)  # so long before its end a token is renewed
LAST_SECONDS = timedelta(seconds=30)  # with less left it would end on the way
LEASE = timedelta(seconds=60)
REST_FOR_A_PERSON = timedelta(minutes=15)
REST = (30, 60, 120, 300, 900)  # seconds, after so many failures
# A token that the mail server refuses though it was given a moment ago: another one would be refused as well.
YOUNG = timedelta(minutes=2)
LONGEST_TOKEN = 16_000
_TOKEN = re.compile(r"[!-~]{1,16000}\Z")
# What only a person can mend: they consent again, or the operator corrects the settings.
CONSENT_ENDED = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})
NOT_OURS = frozenset({"invalid_client", "unauthorized_client", "invalid_scope", "unsupported_grant_type"})


class NoToken(Exception):
    """There is no access token. `code`: auth_failed (a person must act) or token_unavailable (later, by itself)."""

    def __init__(self, code: str, sentence: str, *, retry_after: int | None = None):
        super().__init__(sentence)
        self.code, self.sentence, self.retry_after = code, sentence, retry_after


@dataclass(frozen=True)
class Tokens:
    access: str
    refresh: str
    seconds: int

    def __repr__(self):
        return "<Tokens>"


def uses_consent(mailbox: Any) -> bool:
    return getattr(mailbox, "sign_in", Mailbox.SignIn.PASSWORD) != Mailbox.SignIn.PASSWORD


# --- A token to sign in with ------------------------------------------------------------------------------------------


def token_for(mailbox: Any, *, refused: str = "", seconds: float = ASK_SECONDS) -> str:
    """An access token. `refused`: the one that the mail server did not take. Raises NoToken.

    Talks to the vendor when it must: call it outside a transaction. `seconds` bounds asking and waiting for others.
    """
    until = time.monotonic() + min(seconds, ASK_SECONDS)
    while True:
        grant = MailboxGrant.objects.filter(mailbox_id=mailbox.pk).first()
        if grant is None:
            raise NoToken("auth_failed", not_connected(mailbox.email, mailbox.sign_in))
        present = _present(grant, refused)
        if present and (grant.expires_at - real_now() > AHEAD or _rests(grant)):
            return present
        _refuse_to_ask(grant, refused)
        lease = _take_lease(grant)
        if lease:
            return _renewed(grant, lease, present, seconds=until - time.monotonic())
        if present:
            return present
        if time.monotonic() > until:
            raise NoToken("token_unavailable", "Another worker is renewing the token.", retry_after=30)
        time.sleep(0.1)


def _present(grant: MailboxGrant, refused: str) -> str:
    """Its token, if it is still good for a while."""
    if not grant.expires_at or grant.expires_at - real_now() < LAST_SECONDS:
        return ""
    token = str(grant.access_token)
    return "" if token == refused else token


def _rests(grant: MailboxGrant) -> bool:
    return grant.retry_at is not None and grant.retry_at > real_now()


def _refuse_to_ask(grant: MailboxGrant, refused: str) -> None:
    """NoToken while the vendor's last word rests, and for a new token that the mail server refused like the last."""
    if _rests(grant):
        wait = int((grant.retry_at - real_now()).total_seconds()) + 1
        raise NoToken("auth_failed" if grant.needs_a_person else "token_unavailable", grant.trouble, retry_after=wait)
    if refused and refused == grant.access_token and grant.refreshed_at and real_now() - grant.refreshed_at < YOUNG:
        label = VENDORS[grant.vendor].label
        raise NoToken(
            "auth_failed", f"The mail server does not take {label}'s consent for this address. Connect it again."
        )


def _take_lease(grant: MailboxGrant) -> uuid.UUID | None:
    lease, free = uuid.uuid4(), Q(lease_until=None) | Q(lease_until__lt=lease_now())
    rows = MailboxGrant.objects.filter(free, pk=grant.pk, version=grant.version)
    return lease if rows.update(lease=lease, lease_until=lease_now(plus=LEASE)) else None


def _renewed(grant: MailboxGrant, lease: uuid.UUID, present: str, *, seconds: float) -> str:
    vendor = VENDORS[grant.vendor]
    try:
        tokens = ask(vendor, refresh_body(vendor, refresh_token=grant.refresh_token), seconds=seconds)
    except NoToken as failed:
        _note_failure(grant, lease, failed)
        if present:
            return present
        raise NoToken(failed.code, failed.sentence[:300], retry_after=failed.retry_after) from None
    return _keep(grant, lease, tokens)


@transaction.atomic
def _keep(grant: MailboxGrant, lease: uuid.UUID, tokens: Tokens) -> str:
    """Fenced by the lease: a new consent that came in meanwhile stays."""
    mine = MailboxGrant.objects.select_for_update(no_key=True).filter(pk=grant.pk, lease=lease).first()
    if mine is not None:
        mine.refresh_token = tokens.refresh or mine.refresh_token  # a vendor may give a new one each time
        _write(mine, tokens)
        mine.save()
    return tokens.access


def _write(grant: MailboxGrant, tokens: Tokens) -> None:
    now = real_now()
    grant.access_token, grant.refreshed_at = tokens.access, now
    grant.expires_at = now + timedelta(seconds=tokens.seconds)
    grant.version += 1
    grant.lease = grant.lease_until = grant.retry_at = None
    grant.trouble, grant.needs_a_person, grant.failures = "", False, 0


@transaction.atomic
def _note_failure(grant: MailboxGrant, lease: uuid.UUID, failed: NoToken) -> None:
    """On the row, so that nobody asks again too soon; a mailbox that needs a person says so at once."""
    person = failed.code == "auth_failed"
    rest = REST_FOR_A_PERSON if person else timedelta(seconds=REST[min(grant.failures, len(REST) - 1)])
    rest, sentence = max(rest, timedelta(seconds=failed.retry_after or 0)), failed.sentence[:300]
    noted = MailboxGrant.objects.filter(pk=grant.pk, lease=lease).update(
        lease=None,
        lease_until=None,
        trouble=sentence,
        needs_a_person=person,
        failures=F("failures") + 1,
        retry_at=real_now() + rest,
    )
    if noted and person:
        Mailbox.objects.filter(pk=grant.mailbox_id).update(
            connection_status=Mailbox.Connection.AUTH_FAILED,
            connection_detail=sentence,
            retry_connection_at=lease_now(plus=rest),
        )
    logger.info("No new token for mailbox %s: %s", grant.mailbox_id, failed.code)


def not_connected(email: str, sign_in: str) -> str:
    return f"A person has to sign in with {VENDORS[sign_in].label} for {email}."


def waiting(email: str, sign_in: str) -> dict:
    """The columns of a mailbox that nobody has consented for yet: it sends nothing, and says what it waits for."""
    if sign_in == Mailbox.SignIn.PASSWORD:
        return {}
    return {"connection_status": Mailbox.Connection.AUTH_FAILED, "connection_detail": not_connected(email, sign_in)}


# --- Asking the vendor ------------------------------------------------------------------------------------------------


def ask(vendor: Vendor, body: str, *, seconds: float = ASK_SECONDS) -> Tokens:
    """One POST to the token endpoint. Raises NoToken, its sentence ours: the vendor's text may hold anything."""
    headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
    answer = http.request(
        "POST", vendor.at(vendor.token_url), content=body.encode(), headers=headers, timeout=max(seconds, 1)
    )
    later = NoToken("token_unavailable", f"{vendor.label} gives no token now.", retry_after=_hint(answer))
    if answer.error or answer.status == 429 or answer.status >= 500:
        raise later
    try:
        return _read(answer.body)
    except OAuth2Error as refused:
        logger.info("%s refused a token: %s", vendor.label, _word(refused.error))
        raise _meaning(vendor, refused.error) or later from None
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError):
        raise later from None


def _read(body: bytes) -> Tokens:
    """ValueError when it is no token answer; OAuth2Error when it is a refusal."""
    text = body.decode("utf-8")
    if not isinstance(json.loads(text), dict):  # oauthlib would go on to read it as a form
        raise ValueError("no object")
    found = WebApplicationClient("").parse_request_body_response(text)
    access, refresh = found["access_token"], found.get("refresh_token") or ""
    if not (isinstance(access, str) and _TOKEN.match(access)):
        raise ValueError("no token")
    if refresh and not (isinstance(refresh, str) and _TOKEN.match(refresh)):
        raise ValueError("no refresh token")
    seconds = found.get("expires_in")
    seconds = int(seconds) if isinstance(seconds, int | float | str) else 3600
    return Tokens(access, refresh, max(60, min(seconds, 24 * 3600)))


def _meaning(vendor: Vendor, error: str) -> NoToken | None:
    if error in CONSENT_ENDED:
        sentence = f"{vendor.label} no longer lets us in: the consent was withdrawn or has expired. Connect it again."
        return NoToken("auth_failed", sentence)
    if error in NOT_OURS:
        name = vendor.name.upper()
        sentence = f"{vendor.label} does not know this server: check {name}_OAUTH_CLIENT_ID and _CLIENT_SECRET."
        return NoToken("auth_failed", sentence)
    return None


def _word(error: Any) -> str:
    """An error code for the log, if it is one."""
    return error if isinstance(error, str) and re.fullmatch(r"[a-z_]{1,40}", error) else "another error"


def _hint(answer: http.Answer) -> int | None:
    found = dict(answer.headers).get("retry-after", "")
    return min(int(found), 3600) if found.isdigit() else None


# --- A person's consent -----------------------------------------------------------------------------------------------


def accept_code(*, mailbox: Mailbox, vendor: Vendor, code: str, verifier: str, by: str) -> Mailbox:
    """Turn the code of a consent into tokens and keep them. Raises NoToken; nothing is kept then.

    Talks to the vendor: call it outside a transaction, and try the connection afterwards.
    """
    tokens = ask(vendor, code_body(vendor, code=code, verifier=verifier))
    if not tokens.refresh:
        raise NoToken("auth_failed", f"{vendor.label} gave no lasting permission. Connect it again.")
    return _keep_consent(mailbox, vendor, tokens, by, real_now())


@transaction.atomic
def _keep_consent(mailbox: Mailbox, vendor: Vendor, tokens: Tokens, by: str, now: datetime) -> Mailbox:
    mailbox = (
        Mailbox.objects.select_for_update(no_key=True, of=("self",)).select_related("workspace").get(pk=mailbox.pk)
    )
    grant = MailboxGrant.objects.filter(mailbox=mailbox).first() or MailboxGrant(
        workspace=mailbox.workspace, mailbox=mailbox, created_at=now
    )
    grant.vendor, grant.refresh_token, grant.authorized_by = vendor.name, tokens.refresh, by[:150]
    _write(grant, tokens)
    grant.save()
    mailbox.sign_in, mailbox.password, mailbox.imap_password = vendor.name, "", ""
    mailbox.save(update_fields=["sign_in", "password", "imap_password"])
    return mailbox
