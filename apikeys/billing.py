"""What billing says about a workspace: its tier and whether it is paid."""

import re

from django.db.models import Q

from apikeys.inbound import Unreadable, work_off
from apikeys.models import IngestedMessage, Workspace
from outbound.api.serializers import as_uuid

_WORD = re.compile(r"[a-z][a-z0-9_]{0,19}")


def read_billing(*, stop=lambda: False) -> int:
    return work_off("billing", apply, stop=stop)


def apply(message: IngestedMessage, data) -> dict:
    """{"type": …, "data": {"workspace": id or slug, "tier"?: …, "status"?: …}}: what is given is set."""
    facts = data.get("data") if isinstance(data, dict) else None
    if not isinstance(facts, dict):
        raise Unreadable('There is no "data" with a workspace in it.')
    changes = {name: _word(name, facts[name]) for name in ("tier", "status") if facts.get(name) is not None}
    name = str(facts.get("workspace", ""))
    changed = Workspace.objects.filter(Q(pk=as_uuid(name)) | Q(slug=name)).update(**changes) if changes else 0
    if not changed:
        raise Unreadable("There is no such workspace." if changes else "There is neither a tier nor a status.")
    return {"workspace": name, **changes}


def _word(name: str, value) -> str:
    if not isinstance(value, str) or not _WORD.fullmatch(value):
        raise Unreadable(f"{name} is not a word of lower-case letters, digits and _, 20 at most.")
    return value
