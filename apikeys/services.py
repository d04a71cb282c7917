"""Workspaces, people and keys."""

import secrets
import string
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from apikeys.authentication import digest_of
from apikeys.models import ApiKey, Membership, Workspace
from apikeys.scopes import ALL_SCOPES
from outbound.api.errors import ApiError, Invalid

_BASE62 = string.digits + string.ascii_letters
KEY_CHARACTERS = 43  # 62^43 > 2^256: 32 random bytes
FARTHEST_TURN = timedelta(days=366)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)  # of a turned clock: well within what calendars and columns hold


class LiveClock(ApiError):
    code = "live_workspace"
    message = "Only a test workspace's clock can be turned. Use a key that starts with aiob_test_."


class ScopeNotHeld(ApiError):
    status, code = 403, "scope_not_held"


def create_workspace(*, name: str, livemode: bool = True, **fields) -> Workspace:
    """A new tenant. A test workspace gets sample settings, so that a launch in it needs nothing else."""
    if not livemode:
        fields.setdefault("postal_address", "Sample Street 1, 12345 Sample Town")
    return Workspace.objects.create(name=name, slug=_free_slug(name), livemode=livemode, **fields)


def update_workspace(*, workspace: Workspace, **fields) -> Workspace:
    """Change settings; only the given columns, so that changes at the same moment do not undo each other."""
    if fields:
        Workspace.objects.filter(pk=workspace.pk).update(**fields)
    return Workspace.objects.get(pk=workspace.pk)


def grant_key(*, workspace: Workspace, held: frozenset[str], scopes, **fields):
    """create_key() by a caller who holds `held`; ScopeNotHeld (403) for what it may not do itself."""
    beyond = sorted(set(scopes) - held)
    if beyond:
        raise ScopeNotHeld(f"You cannot give scopes that you do not have: {', '.join(beyond)}.")
    return create_key(workspace=workspace, scopes=scopes, **fields)


def create_key(
    *, workspace: Workspace, name: str, scopes=ALL_SCOPES, expires_at: datetime | None = None, ai_monthly_limit=None
):
    """(key, raw). The raw key is shown once; only its SHA-256 is kept (decisions C11)."""
    unknown = sorted(set(scopes) - set(ALL_SCOPES))
    if unknown:
        raise Invalid.field("scopes", f"Unknown scope: {', '.join(unknown)}. Known: {', '.join(ALL_SCOPES)}.")
    scheme = "aiob_live_" if workspace.livemode else "aiob_test_"
    raw = scheme + "".join(secrets.choice(_BASE62) for _ in range(KEY_CHARACTERS))
    key = ApiKey.objects.create(
        workspace=workspace,
        name=name,
        prefix=raw[: len(scheme) + 8],
        digest=digest_of(raw),
        scopes=sorted(set(scopes)),
        expires_at=expires_at,
        ai_monthly_limit=ai_monthly_limit,
    )
    return key, raw


def revoke_key(key: ApiKey, *, now: datetime) -> ApiKey:
    ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now)
    key.refresh_from_db()
    return key


def add_member(*, workspace: Workspace, user, role: str = Membership.Role.MEMBER) -> Membership:
    return Membership.objects.update_or_create(workspace=workspace, user=user, defaults={"role": role})[0]


def now_for(workspace: Workspace) -> datetime:
    """Business time: what the workspace's calendar says. Leases and grace use real time instead."""
    return timezone.now() + workspace.clock_offset


@transaction.atomic
def turn_clock(*, workspace: Workspace, by: timedelta | None = None, to: datetime | None = None) -> Workspace:
    """Turn a test workspace's clock forward, by a while or to a moment; never back, a year at most in one turn."""
    workspace = Workspace.objects.select_for_update().get(pk=workspace.pk)
    if workspace.livemode:
        raise LiveClock()
    name = "advance_seconds" if by is not None else "to"
    step = by if by is not None else to - now_for(workspace)
    if not timedelta(0) <= step <= FARTHEST_TURN:
        raise Invalid.field(name, "Turn forward, by 366 days at most.")
    if now_for(workspace) + step > LATEST:
        raise Invalid.field(name, f"The clock ends in {LATEST.year}. Start a new test workspace.")
    workspace.clock_offset += step
    workspace.save(update_fields=["clock_offset"])
    return workspace


def _free_slug(name: str) -> str:
    slug = slugify(name)[:70] or "workspace"
    taken = set(Workspace.objects.filter(slug__startswith=slug).values_list("slug", flat=True))
    return next(each for each in [slug, *(f"{slug}-{n}" for n in range(2, len(taken) + 3))] if each not in taken)
