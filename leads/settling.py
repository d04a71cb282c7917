"""What becomes of a written value: it goes out, a line of the author's goes out instead, or a person looks at it.

The same for every writer, and for a value that was written before for an equal input. Pure but for what is given.
"""

from dataclasses import dataclass, field
from typing import Any

from leads.claims import Checked, Claim, Sources, author_words, check, read_claims
from leads.models import Variable, VariableValue
from leads.queries import lead_values
from leads.writers.base import WriterError, Written
from leads.writers.filters import filtered, plain
from outbound.mail_html import lines_to_html
from outbound.templating import compile_template

State = VariableValue.State
FALLBACK = "fallback"  # the writer of a value that is the author's own line


@dataclass(frozen=True)
class Settled:
    """Values, and the columns that all of them get."""

    rows: list[VariableValue]
    fields: dict[str, Any] = field(default_factory=dict)


def settle(rows: list[VariableValue], written: Written, *, writer: str) -> list[Settled]:
    """What is stored for values of one variable and one distinct input. Needs `variable` and `lead` of each."""
    variable = rows[0].variable
    found = check_of(variable, rows[0].lead, written.value, written.claims)
    shared = {"writer": writer, "model": written.model, "evidence": evidence(found)}
    if not found.reason:
        return [Settled(rows, {"state": State.DONE, "value": written.value, **shared})]
    if variable.unsupported == Variable.Unsupported.FALLBACK:
        return [_with_fallback(row, written, found, shared) for row in rows]
    return [Settled(rows, _for_review(written, found.reason, shared))]


def settle_as(twin: VariableValue, rows: list[VariableValue]) -> list[Settled]:
    """The same for values whose input is that of `twin`, which is done or in review. What was approved stays so."""
    if twin.state == State.DONE and twin.writer != FALLBACK:
        shared = {"value": twin.value, "writer": twin.writer, "model": twin.model, "evidence": twin.evidence}
        return [Settled(rows, {"state": State.DONE, **shared})]
    return settle(rows, written_before(twin), writer=twin.evidence.get("writer", twin.writer))


def written_before(twin: VariableValue) -> Written:
    """What the writer said then, also where the author's line went out instead."""
    claims = read_claims(twin.evidence.get("claims"))
    return Written(value=twin.evidence.get("written", twin.value), claims=claims, model=twin.model)


def check_of(variable: Variable, lead, value, claims: tuple[Claim, ...]) -> Checked:
    """The independent check of a value against its lead (leads/claims.py)."""
    sources = Sources.of(variable.prompt_template, lead_values(lead))
    return check(value, claims, sources, output_type=variable.output_type)


def evidence(found: Checked) -> dict:
    return {"claims": [claim.as_json() for claim in found.claims], "unsupported": list(found.unsupported)}


def fallback_line(variable: Variable, lead) -> str:
    """The author's line for this lead. Raises WriterError where the lead lacks a name in it, or brings a link."""
    html = variable.output_type == Variable.OutputType.HTML
    escape = (lambda value, in_tag: lines_to_html(str(value))) if html else None
    values = {name: plain(value) if isinstance(value, str) else value for name, value in lead_values(lead).items()}
    line = compile_template(variable.fallback, html=html).render(values, escape=escape)
    if line.missing or not line.text.strip():
        raise WriterError(f"The fallback cannot be used: the lead has no {', '.join(line.missing) or 'value for it'}.")
    return filtered(
        line.text, output_type=variable.output_type, prompt=author_words(variable.fallback),
        company=lead.company_name, max_length=variable.max_length,
    )  # fmt: skip


def _with_fallback(row: VariableValue, written: Written, found: Checked, shared: dict) -> Settled:
    try:
        line = fallback_line(row.variable, row.lead)
    except WriterError as why:
        return Settled([row], _for_review(written, f"{found.reason} {why.sentence}", shared))
    kept = {**shared["evidence"], "written": written.value, "writer": shared["writer"]}
    return Settled(
        [row],
        {"state": State.DONE, "value": line, "reason": found.reason[:300], "writer": FALLBACK, "model": written.model,
         "evidence": kept},
    )  # fmt: skip


def _for_review(written: Written, reason: str, shared: dict) -> dict:
    return {"state": State.REVIEW, "value": written.value, "reason": reason[:300], **shared}
