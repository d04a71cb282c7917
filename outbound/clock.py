"""Real time. Business time is the workspace's: apikeys.services.now_for()."""

from datetime import timedelta

from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone


def real_now():
    """The machine's clock, for what one machine decides. Never for anything a test clock should turn."""
    return timezone.now()


def lease_now(*, plus: timedelta = timedelta()):
    """The moment by which leases and grace are written and read, for a filter or an update.

    The database's clock, which all workers share: one whose own clock is an hour off frees and parks nothing too soon.
    SQLite has none but this machine's.
    """
    return Now() + plus if connection.vendor == "postgresql" else timezone.now() + plus
