"""Real time. Business time is the workspace's: apikeys.services.now_for()."""

from django.utils import timezone


def real_now():
    """The machine's clock, for leases, grace and token expiry. Never for anything a test clock should turn."""
    return timezone.now()
