"""Where a mail connection may go: the guard of outbound/net.py, with the ports of mail."""

import socket
import ssl

from outbound.net import AddressRefused, Target, ascii_name, connect
from outbound.net import targets_for as _targets_for

__all__ = ["IMAP_PORTS", "SMTP_PORTS", "AddressRefused", "Target", "ascii_name", "connect", "targets_for", "word_for"]

SMTP_PORTS = frozenset({25, 465, 587, 2525})
IMAP_PORTS = frozenset({143, 993})


def targets_for(host: str, port: int, *, ports: frozenset[int] = SMTP_PORTS, timeout: float = 10) -> list[Target]:
    """Resolve and check, for mail. Raises AddressRefused when an address or the port is not allowed, OSError else."""
    return _targets_for(host, port, ports=ports, timeout=timeout)


TROUBLES: tuple[tuple[type[Exception], str], ...] = (
    (AddressRefused, "address_refused"),
    (ssl.SSLCertVerificationError, "certificate_invalid"),
    (ssl.SSLError, "tls_failed"),
    (socket.gaierror, "dns_failed"),
    (TimeoutError, "timeout"),
)


def word_for(error: Exception) -> str | None:
    """What a connection that broke is called, whatever is spoken over it; None: only the protocol can say."""
    return next((word for kind, word in TROUBLES if isinstance(error, kind)), None)
