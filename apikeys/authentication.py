"""Who is asking: an API key or a person's token, told apart by how it begins, never by trial (decisions C11, C12)."""

import hashlib
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed

from apikeys.models import ApiKey, Workspace
from apikeys.scopes import ROLE_SCOPES
from apikeys.throttling import refuse_address
from apikeys.tokens import TOKEN_START, member_of

REALM = 'Bearer realm="outbound"'
# Written at most once a minute: a read must not cost a write.
LAST_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True)
class Caller:
    """Who is asking, for which workspace, and what they may do. `id` is stable: it owns idempotency keys."""

    id: str
    name: str
    workspace: Workspace
    scopes: frozenset[str]

    @property
    def key_id(self) -> uuid.UUID | None:
        """The API key's; None for a person."""
        kind, _, key = self.id.partition(":")
        return uuid.UUID(key) if kind == "key" else None

    def may(self, scope: str) -> bool:
        return scope in self.scopes


class BearerAuthentication(BaseAuthentication):
    def authenticate(self, request):
        caller = authenticate_request(request)
        return caller, caller

    def authenticate_header(self, request):
        return REALM


def authenticate_request(request) -> Caller:
    """The caller of a request. AuthenticationFailed (401); RateLimited (429) for an address that fails too often."""
    try:
        return authenticate_header(request.META.get("HTTP_AUTHORIZATION", ""))
    except AuthenticationFailed:
        refuse_address(request, group="failed-auth", per_minute=settings.RATE_LIMIT_FAILED_AUTH_PER_MINUTE)
        raise


def authenticate_header(header: str) -> Caller:
    """The caller behind an Authorization header. AuthenticationFailed (401) says what is wrong and what to send."""
    if not header:
        raise AuthenticationFailed("Send your API key: Authorization: Bearer aiob_…")
    scheme, _, raw = header.partition(" ")
    if scheme.lower() != "bearer" or not raw.strip():
        raise AuthenticationFailed("Use the Bearer scheme: Authorization: Bearer aiob_…")
    return authenticate_token(raw.strip())


def authenticate_token(raw: str) -> Caller:
    return _person(raw) if raw.startswith(TOKEN_START) else _key(raw)


def _person(raw: str) -> Caller:
    """A person in one workspace. User and membership are read anew: who left or was shut out is out at once."""
    membership = member_of(raw)
    return Caller(
        id=f"user:{membership.user_id}:{membership.workspace_id}",
        name=membership.user.get_username(),
        workspace=membership.workspace,
        scopes=ROLE_SCOPES.get(membership.role, frozenset()),
    )


def _key(raw: str) -> Caller:
    now = timezone.now()
    key = ApiKey.objects.select_related("workspace").filter(digest=digest_of(raw)).first()
    if key is None or key.revoked_at or (key.expires_at and key.expires_at <= now):
        raise AuthenticationFailed("This key is not known, was revoked or has expired. Create another one.")
    _remember_use(key, now)
    return Caller(id=f"key:{key.id}", name=key.name, workspace=key.workspace, scopes=frozenset(key.scopes))


def digest_of(raw: str) -> str:
    """SHA-256. 32 random bytes need no salt or stretching, and the unique index does the comparing."""
    return hashlib.sha256(raw.encode("utf-8", "replace")).hexdigest()


def _remember_use(key: ApiKey, now) -> None:
    if key.last_used_at is None or now - key.last_used_at > LAST_USED_EVERY:
        # An update of one column: a revoke at the same moment is never overwritten.
        ApiKey.objects.filter(pk=key.pk).update(last_used_at=now)


class BearerScheme(OpenApiAuthenticationExtension):
    """How OpenAPI calls it."""

    target_class = BearerAuthentication
    name = "apiKey"

    def get_security_definition(self, auto_schema):
        return {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key (aiob_live_…, aiob_test_…) or a token of POST /auth/token.",
        }
