"""Where a mail connection may go: the guard of outbound/net.py, with the ports of mail."""

from outbound.net import AddressRefused, Target, ascii_name, connect
from outbound.net import targets_for as _targets_for

__all__ = ["SMTP_PORTS", "AddressRefused", "Target", "ascii_name", "connect", "targets_for"]

SMTP_PORTS = frozenset({25, 465, 587, 2525})


def targets_for(host: str, port: int, *, ports: frozenset[int] = SMTP_PORTS, timeout: float = 10) -> list[Target]:
    """Resolve and check, for mail. Raises AddressRefused when an address or the port is not allowed, OSError else."""
    return _targets_for(host, port, ports=ports, timeout=timeout)
