"""What other floors may ask about leads without changing anything."""

from django.db.models import Count

from leads.health import NOT_VALIDATED, awaits_validation, health_of
from leads.mail_providers import provider_of_domain, provider_of_hosts  # noqa: F401  the second for those above
from leads.models import DomainFact, Lead, Suppression, Variable, VariableValue
from leads.querysets import SuppressionQuerySet
from leads.rows import TEMPLATE_NAMES, TEXT_FIELDS
from leads.suppression import digest
from leads.verdicts import STATUSES

__all__ = [
    "NOT_VALIDATED", "awaits_validation", "health_of", "known_names", "lead_values", "mail_providers", "suppressions",
    "validation_summary", "variable_values", "variables_named",
]  # fmt: skip

_SAMPLE = 200  # leads looked at for keys of custom


def variables_named(workspace, names) -> dict[str, Variable]:
    """The workspace's variables among `names`, by name."""
    return {v.name: v for v in Variable.objects.for_workspace(workspace).filter(name__in=list(names))}


def known_names(workspace) -> set[str]:
    """Every name a template may use: fields, variables, and the custom keys of the newest leads."""
    custom = Lead.objects.for_workspace(workspace).newest_first().values_list("custom", flat=True)[:_SAMPLE]
    names = Variable.objects.for_workspace(workspace).values_list("name", flat=True)
    return set(TEMPLATE_NAMES) | set(names) | {key for each in custom for key in each}


def lead_values(lead: Lead) -> dict:
    """A lead as template values: its fields, then its own. `company` is `company_name` (decisions C8)."""
    fields = {name: getattr(lead, name) for name in ("email", *TEXT_FIELDS, "lead_score")}
    return {**lead.custom, **fields, "company": lead.company_name}


def variable_values(leads, variables: dict[str, Variable]) -> dict:
    """{lead id: {name: VariableValue}} in one statement. A name without a row was never generated for that lead."""
    found: dict = {}
    if variables:
        names = {variable.id: name for name, variable in variables.items()}
        rows = VariableValue.objects.filter(variable__in=list(names), lead__in=leads)
        for row in rows:
            found.setdefault(row.lead_id, {})[names[row.variable_id]] = row
    return found


def mail_providers(workspace, addresses) -> dict[str, str]:
    """{address: who keeps its mail, such as google, or ""}: by the domain, or as the DNS said at its validation. One
    statement."""
    domains = {address: address.rpartition("@")[2].lower() for address in addresses}
    facts = DomainFact.objects.for_workspace(workspace).filter(domain__in=set(domains.values()))
    known = dict(facts.exclude(provider="").values_list("domain", "provider"))
    return {address: provider_of_domain(domain) or known.get(domain, "") for address, domain in domains.items()}


def suppressions(workspace, *, kind: str = "", search: str = "") -> SuppressionQuerySet:
    """Narrowed by kind and by part of the value; a whole address finds the row from which it was erased, too."""
    rows = Suppression.objects.for_workspace(workspace)
    rows = rows.filter(kind=kind) if kind else rows
    return rows.search(search, digest(workspace, search.strip().lower()))


def validation_summary(workspace) -> dict:
    """{total_validated, status_breakdown: {valid, risky, invalid, unknown}}, zeros included: one grouped statement.

    What is pending has no verdict, and is not counted.
    """
    rows = Lead.objects.for_workspace(workspace).filter(validation_status__in=STATUSES).values("validation_status")
    counts = dict(rows.annotate(n=Count("id")).values_list("validation_status", "n"))
    breakdown = {status: counts.get(status, 0) for status in STATUSES}
    return {"total_validated": sum(breakdown.values()), "status_breakdown": breakdown}
