"""The exact request that an HTTP transport posts: kept before its first attempt, so that every attempt is the same.

And since when the vendor may know its key: for as long as it remembers it, asking again is no second mail.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import DatabaseError, InterfaceError
from django.db.models import Q

from outbound import failpoints
from outbound.clock import real_now
from sending.models import MessageBody

logger = logging.getLogger(__name__)

KEY_LIVES = timedelta(hours=24)
ASKED_AGAIN_FOR = timedelta(hours=23)  # our clock and theirs may differ, and an answer takes its time


@dataclass(frozen=True)
class Kept:
    """`since`: when this attempt began what the key counts from; none when an earlier one, of open fate, had."""

    request: bytes
    since: datetime | None


def keep(message_id: str, *, make: Callable[[], bytes], account: str) -> Kept:
    """The request of a message as it was first made. `account` says whose key goes with it, and not what it is."""
    rows, now = MessageBody.objects.filter(pk=message_id), real_now()
    known = rows.values_list("request", flat=True).get()
    if known is None:
        rows.filter(request=None).update(request=make())
        known = rows.values_list("request", flat=True).get()  # another worker may have been faster
        failpoints.hit("render.stored")
    open_fate = Q(handed_at__gt=now - KEY_LIVES, handed_to=account)
    began = rows.exclude(open_fate).update(handed_at=now, handed_to=account)
    return Kept(bytes(known), now if began else None)


def not_taken(message_id: str, kept: Kept) -> None:
    """This attempt is known to have brought nothing: the next one begins anew, if no earlier one is open."""
    if not kept.since:
        return
    try:
        MessageBody.objects.filter(pk=message_id, handed_at=kept.since).update(handed_at=None, handed_to="")
    except (DatabaseError, InterfaceError):
        logger.warning("Message %s keeps the moment of an attempt that brought nothing.", message_id)
