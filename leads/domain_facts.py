"""The domains that leads live at: which must be asked for, who is asking, what was found. One row each, one asker.

`due_at` says there is work for a domain, a lease says that a worker has it. Leads need no lease of their own: whoever
holds the domain judges its leads, so a domain is asked for once however many workers there are.
"""

import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from apikeys.models import Workspace
from leads.credits import lock_credits, take_credits
from leads.mail_domains import Finding, Outcome
from leads.mail_providers import provider_of_hosts
from leads.models import DomainFact
from outbound.bulk import insert_rows, update_rows
from outbound.clock import real_now
from outbound.ids import uuid7

FRESH_FOR = timedelta(hours=24)
RETRY_AFTER = timedelta(hours=24)
RETRIES = 3
LEASE = timedelta(minutes=5)
BATCH = 4 * settings.DNS_CONCURRENCY


def ask_for(workspace: Workspace, domains: list[str], *, now: datetime) -> set[str]:
    """Give the domains to the workers; the set of those for which no credit was left. Call it in a transaction.

    A domain with a fact under 24 h old costs nothing and is not asked again; neither costs one that is being asked, or
    that did not answer last time.
    """
    credit = lock_credits(workspace, now=now)
    known = _locked(DomainFact.objects.for_workspace(workspace).filter(domain__in=domains))
    facts = {fact.domain: fact for fact in known}
    costly = [domain for domain in sorted(domains) if domain not in facts or _is_stale(facts[domain], now)]
    refused = set(costly[take_credits(credit, len(costly), now=now) :])
    new = [domain for domain in costly if domain not in facts and domain not in refused]
    insert_rows(DomainFact, [_new(workspace, domain, now) for domain in new])
    ids = [fact.id for fact in known if fact.domain not in refused]
    if ids:
        DomainFact.objects.filter(id__in=ids).update(due_at=now, retries=0)
    return refused


def _new(workspace, domain: str, now) -> dict:
    return {
        "id": uuid7(), "workspace_id": workspace.id, "created_at": now, "domain": domain, "outcome": "", "detail": "",
        "provider": "", "retries": 0, "due_at": now,
    }  # fmt: skip


def _is_stale(fact: DomainFact, now) -> bool:
    return fact.fresh_until is not None and fact.fresh_until <= now


def _locked(queryset) -> list[DomainFact]:
    return list(queryset.order_by("domain").select_for_update(of=("self",)))


@dataclass
class Claim:
    """Domains of one workspace that are ours for the length of the lease."""

    workspace: Workspace
    facts: dict[str, DomainFact]
    token: uuid.UUID = field(default_factory=uuid.uuid4)

    def to_ask(self, now: datetime) -> list[str]:
        return [name for name, fact in self.facts.items() if fact.fresh_until is None or fact.fresh_until <= now]

    def rows(self):
        return DomainFact.objects.filter(token=self.token)

    def still_ours(self) -> bool:
        """Renews the lease. False when we were so slow that somebody else took a domain over."""
        return self.rows().update(lease_until=real_now() + LEASE) == len(self.facts)


def workspaces_with_work() -> list[Workspace]:
    due = DomainFact.objects.filter(due_at__isnull=False).values("workspace").distinct()
    return list(Workspace.objects.filter(pk__in=due).order_by("pk"))


@transaction.atomic
def claim(workspace: Workspace, *, now: datetime) -> Claim | None:
    """The domains that waited longest, at most BATCH, and those whose worker died."""
    free = Q(lease_until=None) | Q(lease_until__lt=real_now())
    rows = list(
        DomainFact.objects.for_workspace(workspace)
        .filter(free, due_at__lte=now)
        .order_by("due_at", "id")
        .select_for_update(skip_locked=True, of=("self",))[:BATCH]
    )
    if not rows:
        return None
    taken = Claim(workspace, {fact.domain: fact for fact in rows})
    DomainFact.objects.filter(id__in=[fact.id for fact in rows]).update(
        token=taken.token, lease_until=real_now() + LEASE
    )
    return taken


@transaction.atomic
def keep(taken: Claim, findings: dict[str, Finding], *, now: datetime) -> None:
    """Write down what was found, at once: a worker that dies afterwards has not asked in vain."""
    rows = []
    for row in _locked(taken.rows()):
        fact, finding = taken.facts[row.domain], findings.get(row.domain)
        if finding:
            fact.outcome, fact.detail, fact.is_catch_all = finding.outcome, finding.detail, finding.is_catch_all
            fact.provider = provider_of_hosts(finding.hosts)
            fact.fresh_until = None if finding.outcome == Outcome.UNKNOWN else now + FRESH_FOR
            rows.append({column: getattr(fact, column) for column in _FOUND})
    update_rows(DomainFact, rows)


_FOUND = ("id", "outcome", "detail", "is_catch_all", "provider", "fresh_until")


@transaction.atomic
def release(taken: Claim, *, now: datetime) -> None:
    """Nothing more to do, unless the DNS was silent (again after 24 h, 3 times) or a new request came in meanwhile."""
    rows = []
    for fact in _locked(taken.rows()):
        due_at, retries = fact.due_at, fact.retries
        if due_at == taken.facts[fact.domain].due_at:
            again = fact.outcome == Outcome.UNKNOWN and retries < RETRIES
            due_at, retries = (now + RETRY_AFTER, retries + 1) if again else (None, 0)
        rows.append({"id": fact.id, "due_at": due_at, "retries": retries, "token": None, "lease_until": None})
    update_rows(DomainFact, rows)
