"""Where a connection may go: the guard against being used to reach into private networks.

Every address a host resolves to must be global, or inside OUTBOUND_PRIVATE_NETWORKS (CIDR ranges, set for the whole
deployment: a mail server of one's own, and tests). The connection is made to the address that was checked, so a name
that resolves differently the second time gains nothing.
"""

import ipaddress
import socket
import threading
import time
from dataclasses import dataclass

from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
NOWHERE = (
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # local-use NAT64 (RFC 8215): leads to whatever its operator maps
    ipaddress.IPv6Network("::/96"),  # IPv4-compatible, deprecated
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays, deprecated
)


class AddressRefused(Exception):
    """The host may not be connected to. The sentence names addresses: for logs and the record, not for strangers."""


@dataclass(frozen=True)
class Target:
    """One checked address. `private` means that it is inside OUTBOUND_PRIVATE_NETWORKS."""

    address: str
    port: int
    family: int
    private: bool


def targets_for(host: str, port: int, *, ports: frozenset[int], timeout: float = 10) -> list[Target]:
    """Resolve and check. Raises AddressRefused when any address or the port is not allowed, OSError from the resolver.

    `ports` binds global addresses only; inside the private networks any port will do. `timeout` is in seconds.
    """
    name = ascii_name(host)
    found = [checked(family, address, port, ports=ports) for family, address in resolve(name, port, timeout=timeout)]
    if not found:
        raise AddressRefused(f"{name} has no address.")
    return found


def connect(targets: list[Target], *, timeout: float) -> socket.socket:
    """A TCP connection to the first target that answers, all of them sharing `timeout` seconds. Raises OSError."""
    deadline = time.monotonic() + timeout
    error: OSError = TimeoutError("timed out")
    for number, target in enumerate(targets):
        left = deadline - time.monotonic()
        if left <= 0:
            break
        try:
            # Each address gets its share, so that one that swallows packets does not use up the others' time.
            return dial(target, timeout=left / (len(targets) - number))
        except OSError as failed:
            error = failed
    raise error


def dial(target: Target, *, timeout: float) -> socket.socket:
    connection = socket.socket(target.family, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect((target.address, target.port))
    except OSError:
        connection.close()
        raise
    return connection


def ascii_name(host: str) -> str:
    """The host as it goes to the resolver and into the certificate check; raises AddressRefused for nonsense."""
    name = host.strip().rstrip(".").removeprefix("[").removesuffix("]")
    try:
        name = name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError:
        raise AddressRefused("The host is not a valid name.") from None
    if not name or len(name) > 253 or not all(letter.isalnum() or letter in "-._:" for letter in name):
        raise AddressRefused("The host is not a valid name.")
    return name


def resolve(name: str, port: int, *, timeout: float) -> list[tuple[int, str]]:
    """(family, address) pairs in the resolver's order. Raises OSError, TimeoutError among them."""
    answer: list[tuple[int, str]] = []
    errors: list[OSError] = []

    def ask() -> None:
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            answer.extend(dict.fromkeys((int(family), str(where[0])) for family, _, _, _, where in found))
        except (OSError, UnicodeError, OverflowError) as error:
            errors.append(error if isinstance(error, OSError) else OSError(str(error)))

    # getaddrinfo takes no time limit, and its own may be half a minute per server; the thread ends with it.
    asking = threading.Thread(target=ask, daemon=True, name="resolve")
    asking.start()
    asking.join(max(timeout, 0))
    if asking.is_alive():
        raise TimeoutError(f"{name} was not resolved in time")
    if errors:
        raise errors[0]
    return answer


def checked(family: int, text: str, port: int, *, ports: frozenset[int]) -> Target:
    """One address through the rule. Raises AddressRefused."""
    if not 0 < port < 65536:
        raise AddressRefused(f"{port} is not a port.")
    address = innermost(ipaddress.ip_address(text.split("%")[0]))
    if is_private(address):
        return Target(text, port, family, private=True)
    if not is_global(address):
        raise AddressRefused(f"{text} is not a public address.")
    if port not in ports:
        raise AddressRefused(f"Port {port} is not allowed.")
    return Target(text, port, family, private=False)


def is_private(address: Address) -> bool:
    """Whether the operator opened this network (OUTBOUND_PRIVATE_NETWORKS)."""
    networks = [ipaddress.ip_network(text, strict=False) for text in settings.OUTBOUND_PRIVATE_NETWORKS]
    return any(address in network for network in networks if network.version == address.version)


def is_global(address: Address) -> bool:
    """Stricter than `ipaddress`, which calls multicast and site-local addresses global."""
    if any(address in network for network in NOWHERE if network.version == address.version):
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.is_site_local:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def innermost(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (mapped, NAT64, 6to4): that is where packets end."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address.ipv4_mapped:
        return address.ipv4_mapped
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.sixtofour or address
