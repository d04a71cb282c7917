"""The first owner: a link that works once, for as long as there is nobody.

The link's nonce is kept as a digest in the data folder, so a new `up` replaces an older link, and using it removes it.
"""

import os
import secrets
from hashlib import sha256
from hmac import compare_digest
from pathlib import Path

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core import signing
from django.db import transaction

from apikeys.models import Membership, Workspace
from apikeys.services import add_member, create_workspace
from outbound.api.errors import Conflict

VALID_SECONDS = 24 * 3600
SALT = "outbound.setup"


class LinkIsSpent(Conflict):
    code = "link_spent"
    message = "This link was used, has expired or was replaced. Stop the product and start it again for a new one."


def setup_link(base_url: str) -> str | None:
    """A one-time address for the first person; None once there is a superuser. Each call replaces the last link."""
    if _has_owner():
        return None
    nonce = secrets.token_urlsafe(24)
    _remember(nonce)
    return f"{base_url.rstrip('/')}/setup/{signing.dumps(nonce, salt=SALT)}"


def is_open(token: str) -> bool:
    """May this link still create the owner?"""
    try:
        nonce = signing.loads(token, salt=SALT, max_age=VALID_SECONDS)
    except signing.BadSignature:
        return False
    kept = _file()
    return kept.exists() and compare_digest(kept.read_text().strip(), _digest(nonce)) and not _has_owner()


def create_owner(*, token: str, username: str, email: str, password: str, workspace: str):
    """The first superuser, and their live workspace. LinkIsSpent when somebody was faster."""
    if not is_open(token):
        raise LinkIsSpent()
    # Taken by renaming: of two at the same moment one gets it.
    taken = _file().with_name(f".setup.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        os.rename(_file(), taken)
    except FileNotFoundError:
        raise LinkIsSpent() from None
    try:
        owner = _create(username, email, password, workspace)
    except BaseException:
        os.rename(taken, _file())  # nobody was made: the link still works
        raise
    taken.unlink()
    return owner


@transaction.atomic
def _create(username: str, email: str, password: str, workspace: str):
    if _has_owner():
        raise LinkIsSpent()
    owner = get_user_model().objects.create_superuser(username=username, email=email, password=password)
    made = Workspace.objects.filter(name=workspace).first() or create_workspace(name=workspace)
    add_member(workspace=made, user=owner, role=Membership.Role.OWNER)
    return owner


def _has_owner() -> bool:
    return get_user_model().objects.filter(is_superuser=True).exists()


def _file() -> Path:
    return settings.OUTBOUND_HOME / "setup_nonce"


def _digest(nonce: str) -> str:
    return sha256(nonce.encode()).hexdigest()


def _remember(nonce: str) -> None:
    draft = _file().with_name(f".setup.{os.getpid()}.{secrets.token_hex(4)}")
    draft.touch(mode=0o600)
    draft.write_text(_digest(nonce))
    os.replace(draft, _file())
