"""One step for one lead: which wording, with which values, or why it has to wait. Used by planner and preview alike."""

from dataclasses import dataclass, field

from apikeys.models import Workspace
from campaigns.choosing import choose_variant
from campaigns.models import Step
from campaigns.rendering import (
    Footer,
    RenderedMail,
    SafeHtml,
    Words,
    names_in,
    names_without_fallback,
    render_step,
)
from campaigns.sequences import Wording, wordings
from leads.models import Lead, Variable, VariableValue
from leads.queries import lead_values
from sending.services import public_url

State = VariableValue.State
USABLE = (State.DONE, State.OVERRIDDEN)
WILL_COME = (State.PENDING, State.GENERATING)


@dataclass
class Composed:
    """`holds`: sentences why this must not be sent yet; empty when it may."""

    wording: Wording
    mail: RenderedMail
    holds: list[str] = field(default_factory=list)


def missing_footer(workspace: Workspace) -> list[str]:
    """What the foot of every mail must say and cannot yet."""
    needed = {
        "a postal address (it stands at the foot of every mail)": workspace.postal_address,
        "PUBLIC_URL (where unsubscribe links point)": public_url(workspace),
    }
    return [sentence for sentence, value in needed.items() if not value]


def names_of(steps: list[Step]) -> set[str]:
    """Every name the steps may ask for."""
    return {name for step in steps for wording in wordings(step) for name in names_in(wording.words)}


def compose(
    *,
    workspace: Workspace,
    step: Step,
    lead: Lead,
    variables: dict[str, Variable],
    values: dict[str, VariableValue],
    unsubscribe_url: str,
    first_subject: str = "",
    label: str | None = None,
) -> Composed:
    """The step as this lead would get it. The wording is the lead's own by a stable hash, unless `label` names one."""
    wording = _wording(step, workspace.chance(lead.id, lead.email), label)
    written = {
        name: _as_text(variables[name], row.value)
        for name, row in values.items()
        if name in variables and row.state in USABLE
    }
    mail = render_step(
        wording.words,
        values={**written, **lead_values(lead)},
        seed=f"{workspace.chance(lead.id, lead.email)}:{step.position}",
        footer=Footer(postal_address=workspace.postal_address, unsubscribe_url=unsubscribe_url),
        first_subject=first_subject,
    )
    # A body that is blank because its value is awaited has one reason, not two.
    return Composed(wording, mail, _waiting_for(wording.words, variables, values) or list(mail.problems))


def _wording(step: Step, lead_seed: str, label: str | None) -> Wording:
    options = {wording.label: wording for wording in wordings(step)}
    if label in options:
        return options[label]
    chosen = choose_variant([(each.label, each.weight) for each in options.values()], lead_seed, step.position)
    return options[chosen]


def _as_text(variable: Variable, value) -> object:
    """A value as it stands in a mail. Text of type html is marked, so that it is cleaned and not escaped."""
    if variable.output_type == Variable.OutputType.HTML:
        return SafeHtml(str(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value


def _waiting_for(words: Words, variables: dict[str, Variable], values: dict[str, VariableValue]) -> list[str]:
    """A pending value holds the lead; a failed or skipped one uses the written fallback, else holds (C13)."""
    needed = names_in(words) & set(variables)
    without_fallback = names_without_fallback(words)
    return [
        sentence
        for name in sorted(needed)
        if (sentence := _why_not(name, values.get(name), has_fallback=name not in without_fallback))
    ]


def _why_not(name: str, row: VariableValue | None, *, has_fallback: bool) -> str:
    if row is not None and row.state in USABLE:
        return ""
    if row is not None and row.state in WILL_COME:
        return f"Waiting for {name}."
    if row is not None and row.state == State.REVIEW:
        return f"Waiting for review of {name}."
    if row is not None and row.state == State.STALE:
        return f"{name} was written by an older prompt. Generate it again."
    if has_fallback:
        return ""
    if row is None:
        return f"{name} was not generated for this lead."
    return f"{name} {row.state}: {row.reason}"
