"""What the DNS says of sending domains, asked every day and more often when there is news; written down and told.

A listing that is critical pauses the domain once it was seen twice, an hour apart. A list that does not answer says
nothing: it neither pauses nor clears.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

import dns.resolver
from django.conf import settings
from django.db import transaction

from apikeys.events import record_event
from outbound.dns import configured_resolver
from sending import blocklists, dns_health, healing
from sending.models import Domain

DAILY, SOON = timedelta(hours=24), timedelta(hours=1)
POINTS = {"spf_ok": 25, "dkim_ok": 20, "dmarc_ok": 15}
POINTS_PER_LISTING = 30


@dataclass(frozen=True)
class Findings:
    """`listed`: {zone: listed} of the lists that gave an answer."""

    records: dns_health.Records
    listed: dict[str, bool]


# A test workspace asks nobody. One domain is listed, to rehearse with (dns_health.py has one without records).
SANDBOX_LIST, SANDBOX_LISTED = "blocklist.test", "listed.test"


def ask(domains: Iterable[Domain]) -> dict:
    """{domain id: Findings}, DNS_CONCURRENCY domains at a time. Talks to the network: call it outside a transaction."""
    live, found = [], {}
    for domain in domains:
        if domain.workspace.livemode:
            hosts = domain.mailboxes.filter(retired_at=None).exclude(smtp_host="")
            live.append((domain, sorted(set(hosts.values_list("smtp_host", flat=True)))))
        else:
            listed = {SANDBOX_LIST: domain.name == SANDBOX_LISTED}
            found[domain.pk] = Findings(dns_health.sandbox_records(domain.name), listed)
    return found | _ask_the_network(live)


def _ask_the_network(questions: list[tuple[Domain, list[str]]]) -> dict:
    if not questions:
        return {}
    try:
        resolver = configured_resolver()
    except dns.resolver.NoResolverConfiguration:
        return {}
    lists = blocklists.in_order(blocklists.configured(), resolver)
    with ThreadPoolExecutor(min(settings.DNS_CONCURRENCY, len(questions))) as pool:
        answers = pool.map(lambda question: _ask_one(*question, lists, resolver), questions)
        return {domain.pk: answer for (domain, _), answer in zip(questions, answers, strict=True)}


def _ask_one(domain: Domain, hosts: list[str], lists, resolver) -> Findings:
    selectors = dns_health.selectors_for(hosts, domain.dkim_selector)
    own = [host for host in hosts if f".{host.lower()}".endswith(f".{domain.name}")]
    return Findings(
        dns_health.look_up(domain.name, resolver=resolver, selectors=selectors),
        blocklists.look_up(domain.name, own, lists=lists, resolver=resolver),
    )


@transaction.atomic
def note(domain_id, findings: Findings, *, now: datetime) -> Domain:
    """Write down what was found, tell what is new, stop the domain where that is due."""
    domain = healing.locked_domain(domain_id)
    _note_records(domain, findings.records, now)
    _note_listings(domain, findings.listed, now)
    unsettled = any(not listing["confirmed"] for listing in domain.listings.values())
    unsettled |= None in (domain.spf_ok, domain.dkim_ok, domain.dmarc_ok)
    domain.dns_checked_at, domain.dns_due_at = now, now + (SOON if unsettled else DAILY)
    domain.save(update_fields=[*POINTS, "dns_detail", "dns_checked_at", "dns_due_at", "listings"])
    confirmed = [zone for zone in domain.critical_listings if domain.listings[zone]["confirmed"]]
    if confirmed:
        healing.stop(domain, reason=f"It is listed on {', '.join(confirmed)}.", now=now)
    return domain


def _note_records(domain: Domain, records: dns_health.Records, now: datetime) -> None:
    """An event when one is missing that was not missing before; what could not be looked up is no news."""
    found = {"spf_ok": records.spf, "dkim_ok": records.dkim, "dmarc_ok": records.dmarc}
    is_news = any(holds is False and getattr(domain, name) is not False for name, holds in found.items())
    for name, holds in found.items():
        setattr(domain, name, holds)
    domain.dns_detail = records.detail[:400]
    if is_news:
        _tell(domain, "domain.dns_failed", f"{domain.name}: {records.detail}", now)


def _note_listings(domain: Domain, listed: dict[str, bool], now: datetime) -> None:
    critical = {each.zone for each in blocklists.configured() if each.critical} | {SANDBOX_LIST}
    for zone, is_listed in sorted(listed.items()):
        known = domain.listings.get(zone)
        if is_listed and known is None:
            domain.listings[zone] = {"since": now.isoformat(), "confirmed": False, "critical": zone in critical}
            _tell(domain, "domain.dnsbl_listed", f"{domain.name} is listed on {zone}.", now, zone=zone)
        elif is_listed and now - datetime.fromisoformat(known["since"]) >= SOON:
            known["confirmed"] = True
        elif known and not is_listed:
            del domain.listings[zone]
            _tell(domain, "domain.dnsbl_cleared", f"{domain.name} is no longer listed on {zone}.", now, zone=zone)
    asked = {each.zone for each in blocklists.configured()} | {SANDBOX_LIST}
    domain.listings = {zone: listing for zone, listing in domain.listings.items() if zone in asked}


def _tell(domain: Domain, kind: str, summary: str, now: datetime, **data) -> None:
    record_event(
        workspace=domain.workspace, kind=kind, summary=summary, now=now, domain_id=str(domain.pk), **data
    )  # fmt: skip


def verdict(domain: Domain) -> tuple[bool, str]:
    """(may it leave quarantine, a sentence): SPF, DKIM and DMARC hold, and no critical listing. Fails closed."""
    listed = domain.critical_listings
    holds = bool(domain.spf_ok and domain.dkim_ok and domain.dmarc_ok) and not listed
    said = f"{domain.dns_detail} It is listed on {', '.join(listed)}." if listed else domain.dns_detail
    return holds, said.strip() or "SPF, DKIM and DMARC hold."


def infrastructure_score(domain: Domain) -> int | None:
    """100 less what is missing; None while the DNS was not asked."""
    if domain.dns_checked_at is None:
        return None
    missing = sum(points for name, points in POINTS.items() if not getattr(domain, name))
    return max(0, 100 - missing - POINTS_PER_LISTING * len(domain.listings))
