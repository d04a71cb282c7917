"""Is a domain, or the address of its own mail server, on a DNS blocklist (RFC 5782)? Asks the network, writes nothing.

Lists say yes with 127.0.0.2 to 127.0.0.254. Anything else, such as 127.0.0.1 or 127.255.255.254, is how they say that
they refuse to answer: it is no listing, and no clean record either.
"""

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass

import dns.exception
import dns.resolver
from django.conf import settings

# Names that a list in order has, and names that it must not have (RFC 5782 5; the third is one list's own). One that
# answers otherwise is out of order: those that closed down have listed the whole world.
CONTROLS = {
    "ip": (("2.0.0.127",), ("1.0.0.127",)),
    "domain": (("2.0.0.127", "test", "_dnsbl_.test"), ("1.0.0.127", "invalid")),
}
FIRST, LAST = ipaddress.IPv4Address("127.0.0.2"), ipaddress.IPv4Address("127.0.0.254")


@dataclass(frozen=True)
class Blocklist:
    kind: str  # domain, ip
    zone: str
    critical: bool = False


def configured() -> list[Blocklist]:
    return [Blocklist(*each) for each in settings.DNSBL_LISTS]


def in_order(lists: Iterable[Blocklist], resolver) -> list[Blocklist]:
    """Those that answer their control questions as they should. Ask this first: the others' answers mean nothing."""
    return [each for each in lists if _is_in_order(each, resolver)]


def _is_in_order(blocklist: Blocklist, resolver) -> bool:
    present, absent = CONTROLS[blocklist.kind]
    return any(_answer(name, blocklist.zone, resolver) for name in present) and all(
        _answer(name, blocklist.zone, resolver) is False for name in absent
    )


def look_up(domain: str, hosts: Iterable[str], *, lists: Iterable[Blocklist], resolver) -> dict[str, bool]:
    """{zone: listed} for the lists that gave an answer. `hosts`: the domain's own servers, for lists of addresses."""
    lists, found = list(lists), {}
    reversed_ips = _addresses(hosts, resolver) if any(each.kind == "ip" for each in lists) else []
    for each in lists:
        names = [domain] if each.kind == "domain" else reversed_ips
        answers = [_answer(name, each.zone, resolver) for name in names]
        if True in answers or (answers and None not in answers):
            found[each.zone] = True in answers
    return found


def _addresses(hosts: Iterable[str], resolver) -> list[str]:
    """IPv4 addresses, reversed as lists are asked for them."""
    found: dict[str, None] = {}
    for host in sorted(set(hosts)):
        for address in _resolve(host, resolver) or ():
            found[".".join(reversed(address.split(".")))] = None
    return list(found)


def _answer(name: str, zone: str, resolver) -> bool | None:
    """Listed, not listed, or None: no answer, or one that is neither."""
    codes = _resolve(f"{name}.{zone}", resolver)
    if not codes:
        return None if codes is None else False
    return True if all(FIRST <= ipaddress.IPv4Address(code) <= LAST for code in codes) else None


def _resolve(name: str, resolver) -> list[str] | None:
    """Its IPv4 addresses, [] when there are none, None when nobody could say."""
    try:
        answer = resolver.resolve(f"{name}.", "A", search=False, raise_on_no_answer=False)
    except dns.resolver.NXDOMAIN:
        return []
    except (dns.exception.DNSException, UnicodeError, OSError):
        return None
    return [row.address for row in answer] if answer.rrset else []
