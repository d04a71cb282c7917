"""Does a domain take mail? One question to the DNS, answered in our words. No database in here: threads run it."""

import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import dns.exception
import dns.name
import dns.rcode
import dns.resolver
from django.conf import settings
from django.utils.module_loading import import_string

from leads.models import DomainFact
from outbound.dns import configured_resolver

logger = logging.getLogger(__name__)
Outcome = DomainFact.Outcome


@dataclass(frozen=True)
class Finding:
    """outcome: mx, address, none or unknown; detail: the sentence why; is_catch_all: None while not proven."""

    outcome: str
    detail: str = ""
    hosts: tuple[str, ...] = ()
    is_catch_all: bool | None = None


# What a test workspace is told: it asks nobody. Every other domain takes mail, and not for every address.
SANDBOX = {
    "nomx.test": Finding(Outcome.NONE, "The domain does not exist."),
    "catchall.test": Finding(Outcome.MX, is_catch_all=True),
    "slow.test": Finding(Outcome.UNKNOWN, "The DNS did not answer in time."),
}
SANDBOX_OTHERS = Finding(Outcome.MX, is_catch_all=False)


def sandbox_findings(domains: Iterable[str]) -> dict[str, Finding]:
    return {domain: SANDBOX.get(domain, SANDBOX_OTHERS) for domain in domains}


def find_out(domains: Iterable[str], *, resolver=None) -> dict[str, Finding]:
    """{domain: finding}, each distinct domain asked once, DNS_CONCURRENCY at a time."""
    wanted = sorted(set(domains))
    try:
        resolver = resolver or configured_resolver()
    except dns.resolver.NoResolverConfiguration:
        return dict.fromkeys(wanted, Finding(Outcome.UNKNOWN, "This machine knows no name server."))
    probe = import_string(settings.VALIDATION_CATCH_ALL_PROBE) if settings.VALIDATION_CATCH_ALL_PROBE else None
    with ThreadPoolExecutor(max_workers=settings.DNS_CONCURRENCY) as pool:
        return dict(zip(wanted, pool.map(lambda domain: _find_out(domain, resolver, probe), wanted), strict=True))


def _find_out(domain: str, resolver, probe) -> Finding:
    finding = look_up(domain, resolver=resolver)
    if probe is None or not finding.hosts:
        return finding
    try:
        return replace(finding, is_catch_all=probe(domain, finding.hosts))
    except Exception:  # noqa: BLE001  somebody else's code: what it does not know stays "not proven"
        logger.warning("The catch-all probe failed.", exc_info=True)
        return finding


def look_up(domain: str, *, resolver) -> Finding:
    """MX, else the address that stands in for it (RFC 5321 5.1). A null MX (RFC 7505) is a clear no."""
    try:
        name = dns.name.from_text(domain)
        if name == dns.name.root:
            return Finding(Outcome.NONE, "There is no domain.")
    except (dns.exception.DNSException, UnicodeError):
        return Finding(Outcome.NONE, "This is not a domain name.")
    try:
        return _mx_of(name, resolver) or _address_of(name, resolver)
    except dns.resolver.NXDOMAIN:
        return Finding(Outcome.NONE, "The domain does not exist.")
    except dns.exception.Timeout:
        return Finding(Outcome.UNKNOWN, "The DNS did not answer in time.")
    except (dns.exception.DNSException, OSError) as error:
        return Finding(Outcome.UNKNOWN, f"The DNS could not say: {_why(error)}."[:200])


def _mx_of(name, resolver) -> Finding | None:
    answer = resolver.resolve(name, "MX", search=False, raise_on_no_answer=False)
    if answer.rrset is None:
        return None
    hosts = [rr.exchange.to_text(omit_final_dot=True) for rr in sorted(answer, key=lambda rr: rr.preference)
             if rr.exchange != dns.name.root]  # fmt: skip
    if not hosts:
        return Finding(Outcome.NONE, "The domain says that it takes no mail (null MX).")
    return Finding(Outcome.MX, hosts=tuple(hosts))


def _address_of(name, resolver) -> Finding:
    for kind in ("A", "AAAA"):
        if resolver.resolve(name, kind, search=False, raise_on_no_answer=False).rrset is not None:
            host = name.to_text(omit_final_dot=True)
            return Finding(Outcome.ADDRESS, "The domain has no MX, only an address.", hosts=(host,))
    return Finding(Outcome.NONE, "The domain has neither MX nor address.")


def _why(error: Exception) -> str:
    """SERVFAIL, REFUSED and their like; without the name server's address."""
    responses = [each[-1] for each in error.kwargs.get("errors", [])] if hasattr(error, "kwargs") else []
    codes = {dns.rcode.to_text(response.rcode()) for response in responses if response is not None}
    return ", ".join(sorted(codes)) or type(error).__name__
