"""A domain's own verbs: look at its DNS now, resume, say where its DKIM key stands."""

from datetime import datetime

from django.db import transaction

from outbound.api.errors import Conflict
from sending import dns_watch, healing
from sending.models import Domain


def look(domain: Domain) -> dns_watch.Findings:
    """Ask the DNS and the blocklists; nothing is written. Call it outside a transaction."""
    found = dns_watch.ask([domain])
    if domain.pk not in found:
        raise Conflict("This machine knows no name server. Name one in DNS_NAMESERVERS.")
    return found[domain.pk]


def note_check(*, domain: Domain, findings: dns_watch.Findings, now: datetime) -> Domain:
    return dns_watch.note(domain.pk, findings, now=now)


def look_if_able(domain: Domain) -> dns_watch.Findings | None:
    """The same, where a form asks beside something else; None when nobody can be asked."""
    return dns_watch.ask([domain]).get(domain.pk)


def noted(*, domain: Domain, findings: dns_watch.Findings | None, now: datetime) -> tuple[bool, str]:
    """(all holds, a sentence), and written down when there is something new."""
    if findings is None:
        return False, "This machine knows no name server. Name one in DNS_NAMESERVERS."
    return dns_watch.verdict(note_check(domain=domain, findings=findings, now=now))


@transaction.atomic
def resume_domain(*, domain: Domain, now: datetime) -> Domain:
    """It skips its waiting and its checks, not its recovery: it starts at restricted_send. Its mailboxes
    heal after it, or are resumed by hand."""
    domain = healing.locked_domain(domain.pk)
    if domain.phase not in healing.STOPPED:
        raise Conflict(f"{domain.name} is not paused.")
    healing.move(domain, healing.Phase.RESTRICTED_SEND, reason="Resumed by hand.", now=now, actor="person")
    return domain


def change_domain(*, domain: Domain, dkim_selector: str, now: datetime) -> Domain:
    """Its DNS is looked at anew at the next round."""
    domain.dkim_selector, domain.dns_due_at = dkim_selector, now
    domain.save(update_fields=["dkim_selector", "dns_due_at"])
    return domain
