"""A person's word on what was written: approve it, put it right, or have it written anew."""

from collections.abc import Iterable
from typing import Any

from django.db.models import QuerySet

from leads.claims import Sources
from leads.models import Lead, Variable, VariableValue
from leads.queries import lead_values
from leads.value_states import LEGAL_NOW, MOVES, wrong_state
from leads.variables import override_value, queue_generation
from leads.writers.filters import LONGEST
from leads.writers.outputs import NOUNS, typed
from outbound.api.errors import Invalid, NotFound
from outbound.templating import ALIASES

State = VariableValue.State


def values_of(variable: Variable, *, state: str = "") -> QuerySet:
    """A variable's values with their leads, in one state or in any."""
    rows = VariableValue.objects.filter(variable=variable).select_related("lead__imported_by", "variable")
    return rows.filter(state=state) if state else rows


def approve(*, variable: Variable, leads: Iterable[Lead] | None = None, now) -> int:
    """What is in review goes out as it is: of these leads, or all of it. Returns how many; others stay as they are."""
    froms, to, _ = MOVES["approve"]
    rows = variable.values.filter(state__in=froms)
    rows = rows if leads is None else rows.filter(lead__in=[lead.pk for lead in leads])
    return rows.update(state=to, reason="", settled_at=now)


def approve_one(*, variable: Variable, lead: Lead, now) -> VariableValue:
    """WrongState (409) where it is not in review."""
    if not approve(variable=variable, leads=[lead], now=now):
        raise wrong_state("approve", _value(variable, lead).state)
    return _value(variable, lead)


def edit(*, variable: Variable, lead: Lead, value: Any, now) -> VariableValue:
    """The value as a person wants it, of the variable's type. It is never written over."""
    override_value(variable=variable, lead=lead, value=_fitting(variable, value), now=now)
    return _value(variable, lead)


def retry(*, variable: Variable, lead: Lead, now) -> VariableValue:
    """Have it written anew, also where the same input was written before. WrongState (409) where that cannot be."""
    row = _value(variable, lead)
    if "retry" not in LEGAL_NOW[row.state]:
        raise wrong_state("retry", row.state)
    queue_generation(variable=variable, leads=Lead.objects.filter(pk=lead.pk), force=True, now=now)
    return _value(variable, lead)


def with_sources(row: VariableValue) -> list[dict]:
    """Each claim of a value with what its field says now and where the lead came from."""
    fields = Sources.of(row.variable.prompt_template, lead_values(row.lead)).fields
    source = row.lead.imported_by.filename if row.lead.imported_by else row.lead.source
    claims = row.evidence.get("claims", [])
    return [
        {**each, "says": fields.get(ALIASES.get(each["field"], each["field"])), "source": source} for each in claims
    ]


def _value(variable: Variable, lead: Lead) -> VariableValue:
    row = values_of(variable).filter(lead=lead).first()
    if row is None:
        raise NotFound()
    return row


def _fitting(variable: Variable, value: Any) -> Any:
    kind = variable.output_type
    try:
        value = typed(value, kind)
    except TypeError:
        raise Invalid.field("value", f"Give {NOUNS[kind]}, as the variable is of type {kind}.") from None
    most = LONGEST.get(kind)
    if most and len(str(value)) > most:
        raise Invalid.field("value", f"At most {most:,} characters.")
    if isinstance(value, str) and not value.strip():
        raise Invalid.field("value", "Write something, or suppress the lead.")
    return value
