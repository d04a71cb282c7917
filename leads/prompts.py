"""From a variable and a lead to what the model is asked, and which leads ask the same. Pure."""

import hashlib
import json

from leads.models import Lead, Variable
from leads.queries import lead_values
from leads.writers.base import WriteRequest, fence_text, fenced
from outbound.templating import compile_template, seeded, text_of


def missing_in(variable: Variable, lead: Lead) -> list[str]:
    """The names that the prompt needs and the lead has not."""
    values = lead_values(lead)
    names = compile_template(variable.prompt_template).names_without_fallback()
    return sorted(name for name in names if not text_of(values.get(name)).strip())


def input_key(variable: Variable, lead: Lead) -> str:
    """Equal inputs make equal values: a variable of company fields alone is written once per company (decisions §5)."""
    values = lead_values(lead)
    names = sorted(compile_template(variable.prompt_template).names())
    used = [[name, fence_text(values.get(name))] for name in names]
    parts = [str(variable.pk), variable.prompt_version, variable.output_type, used]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def request_for(variable: Variable, lead: Lead, *, key: str) -> WriteRequest:
    """The prompt filled with the lead's fields, each in its fence. Needs `variable.workspace`."""
    workspace, values = variable.workspace, lead_values(lead)
    choose = seeded(workspace.chance(variable.pk, variable.name))
    template = compile_template(variable.prompt_template)
    return WriteRequest(
        prompt=template.render(fenced(values), choose=choose).text,
        output_type=variable.output_type,
        seed=workspace.chance(f"{variable.pk}:{key}", variable.name),
        fields=values,
        used=tuple(template.names()),
        max_length=variable.max_length,
    )
