"""Is an address worth writing to: leads are queued by domain, domains are asked, leads are judged.

    queue_validation   lead → pending, its domain → due          (a request)
    validate_due       due domains → asked → their leads judged   (the worker; what is due is a query)

The worker asks the DNS and any plug outside of transactions; leads are judged by whoever holds their domain.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from apikeys.events import record_events
from apikeys.models import Workspace
from apikeys.services import now_for
from leads import domain_facts
from leads.checks import is_disposable
from leads.domain_facts import Claim
from leads.health import health_of
from leads.mail_domains import find_out, sandbox_findings
from leads.models import Lead
from leads.verdicts import NO_CREDITS, PENDING, UNKNOWN, Verdict, corrected, verdict_of
from outbound.bulk import update_rows

logger = logging.getLogger(__name__)
STANDS_FOR = timedelta(days=30)
BATCH = 1000  # leads judged in one transaction
# Forgotten when a lead moves to another address.
NEVER_ASKED = {
    "validation_status": None, "validation_score": None, "validation_reason": "", "validated_at": None,
    "is_catch_all": None,
}  # fmt: skip


@dataclass
class Queued:
    """lead_ids: what is pending now; standing: verdicts under 30 days old; refused: leads no credit was left for."""

    lead_ids: list[str] = field(default_factory=list)
    standing: int = 0
    refused: int = 0


@transaction.atomic
def queue_validation(*, workspace: Workspace, leads: list[Lead], now: datetime) -> Queued:
    """Have leads validated. A verdict of the last 30 days stands; `unknown` is none, and is looked for again.

    Without a credit for a domain its leads become `unknown` with that reason, and nothing fails (decisions C14).
    """
    to_judge = [lead for lead in _locked(leads) if not _stands(lead, now)]
    refused = domain_facts.ask_for(workspace, list({lead.email_domain for lead in to_judge}), now=now)
    pending = [lead.id for lead in to_judge if lead.email_domain not in refused]
    Lead.objects.filter(id__in=pending).update(validation_status=PENDING, updated_at=now)
    if refused:
        _refuse([lead.id for lead in to_judge if lead.email_domain in refused], now)
    return Queued([str(lead_id) for lead_id in pending], len(leads) - len(to_judge), len(to_judge) - len(pending))


def _locked(leads: list[Lead]) -> list[Lead]:
    """As they are now, in the order they were named in; locked in the order that everybody locks them in."""
    fields = ("id", "email_domain", "validation_status", "validated_at")
    rows = Lead.objects.filter(id__in=[lead.id for lead in leads]).order_by("id").only(*fields)
    found = {lead.id: lead for lead in rows.select_for_update(no_key=True)}
    return [found[lead.id] for lead in leads if lead.id in found]


def _stands(lead: Lead, now: datetime) -> bool:
    settled = lead.validation_status not in (None, PENDING, UNKNOWN)
    return settled and lead.validated_at is not None and now < lead.validated_at + STANDS_FOR


def _refuse(lead_ids: list, now: datetime) -> None:
    Lead.objects.filter(id__in=lead_ids).update(
        validation_status=NO_CREDITS.status, validation_score=NO_CREDITS.score, validation_reason=NO_CREDITS.reason,
        validated_at=now, updated_at=now,
    )  # fmt: skip


def validate_due(*, stop=lambda: False, resolver=None) -> int:
    """Ask for the domains that are due and judge their leads, a batch of each workspace in turn, until nothing is due.

    Returns how many leads were judged. `resolver`: a dns.resolver.Resolver instead of the configured one.
    """
    judged, busy = 0, True
    while busy and not stop():
        busy = False
        for workspace in domain_facts.workspaces_with_work():
            taken = domain_facts.claim(workspace, now=now_for(workspace))
            if taken:
                busy = True
                judged += _work(taken, resolver)
    return judged


def _work(taken: Claim, resolver) -> int:
    now = now_for(taken.workspace)
    to_ask = taken.to_ask(now)
    if to_ask and taken.workspace.livemode:
        domain_facts.keep(taken, find_out(to_ask, resolver=resolver), now=now)
    elif to_ask:  # a test workspace asks nobody
        domain_facts.keep(taken, sandbox_findings(to_ask), now=now)
    judged = _judge_all(taken, now)
    domain_facts.release(taken, now=now)
    return judged


def _judge_all(taken: Claim, now: datetime) -> int:
    """Every lead of the domains that waits for a verdict, those that got none before included."""
    judged, last = 0, None
    waiting = Lead.objects.for_workspace(taken.workspace).filter(
        email_domain__in=list(taken.facts), validation_status__in=(PENDING, UNKNOWN)
    )
    while True:
        rest = waiting if last is None else waiting.filter(id__gt=last)
        leads = list(rest.order_by("id")[:BATCH])
        if not leads or not taken.still_ours():
            return judged
        judged += _store(taken, leads, _verdicts(taken, leads), now)
        last = leads[-1].id


def _verdicts(taken: Claim, leads: list[Lead]) -> list[Verdict]:
    verdicts = [verdict_of(lead.email, taken.facts[lead.email_domain]) for lead in leads]
    if not settings.VALIDATION_THIRD_PARTY or not taken.workspace.livemode:
        return verdicts
    third_party = import_string(settings.VALIDATION_THIRD_PARTY)
    with ThreadPoolExecutor(max_workers=settings.DNS_CONCURRENCY) as pool:
        said = pool.map(lambda lead, verdict: _ask_third_party(third_party, lead.email, verdict), leads, verdicts)
        return [corrected(verdict, each) for verdict, each in zip(verdicts, said, strict=True)]


def _ask_third_party(third_party, email: str, verdict: Verdict) -> Verdict | None:
    """Only where it could change something: what is invalid for certain is not paid for."""
    if verdict.status == "invalid":
        return None
    try:
        return third_party(email, verdict)
    except Exception:  # noqa: BLE001  somebody else's code: without its word ours counts
        logger.warning("The third party that checks addresses failed.", exc_info=True)
        return None


@transaction.atomic
def _store(taken: Claim, leads: list[Lead], verdicts: list[Verdict], now: datetime) -> int:
    """Only on leads that still wait and still have the address that was judged."""
    ids = [lead.id for lead in leads]
    locked = Lead.objects.filter(id__in=ids, validation_status__in=(PENDING, UNKNOWN)).order_by("id")
    addresses = dict(locked.select_for_update(no_key=True).values_list("id", "email"))
    rows, facts = [], []
    for lead, verdict in zip(leads, verdicts, strict=True):
        no_news = lead.validation_status == verdict.status == UNKNOWN
        if addresses.get(lead.id) == lead.email and not no_news:
            before = health_of(lead)[0]
            rows.append(_judged(lead, verdict, taken.facts[lead.email_domain], now))
            facts += _events(taken.workspace, lead, before, now)
    update_rows(Lead, rows)
    record_events(facts)
    return len(rows)


def _judged(lead: Lead, verdict: Verdict, fact, now: datetime) -> dict:
    """The row to write; the lead itself is changed too, so that its health can be asked for."""
    row = {
        "id": lead.id,
        "validation_status": verdict.status,
        "validation_score": verdict.score,
        "validation_reason": verdict.reason,
        "validated_at": now,
        "is_catch_all": fact.is_catch_all,
        "is_disposable": is_disposable(lead.email_domain),
        "updated_at": now,
    }
    for name, value in row.items():
        setattr(lead, name, value)
    return row


def _events(workspace: Workspace, lead: Lead, before: str, now: datetime) -> list[dict]:
    common = {"workspace": workspace, "now": now, "lead_id": lead.id}
    facts = [
        {
            **common, "kind": "lead.validated", "summary": f"{lead.email} is {lead.validation_status}",
            "status": lead.validation_status, "score": lead.validation_score, "reason": lead.validation_reason,
        }
    ]  # fmt: skip
    health, reasons = health_of(lead)
    if health != before:
        summary = f"{lead.email} went from {before} to {health}"
        facts.append(
            {**common, "kind": "lead.health_changed", "summary": summary, "before": before, "health": health,
             "reasons": reasons}
        )  # fmt: skip
    return facts
