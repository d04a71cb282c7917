"""Dry runs and the token that ties a later call to what one showed.

A token is a signed hash of everything the dry run showed and of facts behind it (the copy, the senders). The call that
brings it looks again; if anything differs, the token is void and nothing happens.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field

from django.core import signing
from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction

from outbound.api.errors import ApiError

SALT = "mcp.confirm"
GOOD_FOR = 3600  # seconds


class ConfirmTokenVoid(ApiError):
    status, code = 409, "confirm_token_void"
    message = (
        "This confirm_token no longer fits: it is older than an hour, belongs to another call, or what it showed has "
        "changed since. Repeat the dry run and look again."
    )


class ConfirmationRequired(ApiError):
    status, code = 409, "confirmation_required"
    message = "This is large enough to need a confirm_token. Call with dry_run: true, check it, then pass its token."


@dataclass(frozen=True)
class Preview:
    """What would happen. `size` is held against the workspace's threshold; `facts` bind the token unseen."""

    would: str
    counts: dict[str, int]
    size: int = 0
    sample: list[dict] = field(default_factory=list)
    estimate: dict | None = None
    facts: object = None


def dry_run(tool, caller, data: dict) -> dict:
    """The preview as a result, with its token."""
    with transaction.atomic():
        preview = tool.preview(caller, **data)
        # Looking may have made something (a sandbox mailbox); a dry run leaves nothing behind.
        transaction.set_rollback(True)
    shown = {"dry_run": True, "would": preview.would, "counts": preview.counts, "sample": preview.sample}
    if preview.estimate is not None:
        shown["estimate"] = preview.estimate
    return shown | {
        "token_required": _needs_token(tool, caller, preview),
        "confirm_token": signing.dumps(_digest(tool, caller, data, preview), salt=SALT),
        "next": f"To do this, call {tool.name} again with this confirm_token and without dry_run.",
    }


def check(tool, caller, data: dict, token: str | None) -> None:
    """Let the call pass, or raise ConfirmTokenVoid or ConfirmationRequired."""
    if not token and tool.needs_token is None:
        return
    preview = tool.preview(caller, **data)
    if not token:
        if _needs_token(tool, caller, preview):
            raise ConfirmationRequired()
        return
    if _signed(token) != _digest(tool, caller, data, preview):
        raise ConfirmTokenVoid()


def _needs_token(tool, caller, preview: Preview) -> bool:
    return bool(tool.needs_token and tool.needs_token(caller, preview))


def _signed(token: str) -> str | None:
    try:
        return signing.loads(token, salt=SALT, max_age=GOOD_FOR)
    except signing.BadSignature:
        raise ConfirmTokenVoid() from None


def _digest(tool, caller, data: dict, preview: Preview) -> str:
    bound = {"tool": tool.name, "workspace": caller.workspace.pk, "data": data, "preview": asdict(preview)}
    return hashlib.sha256(json.dumps(bound, sort_keys=True, cls=_Encoder).encode()).hexdigest()


class _Encoder(DjangoJSONEncoder):
    """Rows by their id: validated data holds objects, not ids."""

    def default(self, o):
        return str(o.pk) if hasattr(o, "pk") else super().default(o)
