"""Variables: prompts that write one text per lead."""

from apikeys.services import now_for
from leads import serializers as s
from leads import services
from leads.models import Group, Variable
from leads.views import generate, show_variables
from mcp.confirm import Preview
from mcp.fields import NamedField
from mcp.pages import ListInput, page, page_output
from mcp.registry import tool


class GenerateVariablesInput(s.GenerateInput):
    dry_run = None  # the door's own, with a token
    sample = None  # sample_variable has it
    group_id = NamedField(
        Group.objects,
        what="group",
        listed_by="list_groups",
        required=False,
        help_text="Only leads of this group (id or name); every lead when absent.",
    )


@tool(
    input=ListInput,
    output=page_output("variables", s.VariableOutput),
    scope="leads:read",
    title="List variables",
    read_only=True,
)
def list_variables(caller, **paging):
    """Variables and how far their generation is: pct, counts by state. Poll this after generate_variables."""
    return page("variables", Variable.objects.for_workspace(caller.workspace), **paging, show=show_variables)


class NewVariableInput(s.VariableInput):
    """Without the settings of the check, which set_variable_checks has."""

    unsupported = fallback = max_length = None


@tool(input=NewVariableInput, output=s.VariableOutput, scope="leads:write", title="Create a variable")
def create_variable(caller, **data):
    """Define an AI prompt that writes one text per lead. Use it in a sequence as {{name}}, after generate_variables."""
    variable = services.create_variable(workspace=caller.workspace, now=now_for(caller.workspace), **data)
    return show_variables([variable])[0]


def generation_of(caller, *, name, **data):
    counts = generate(caller, name, **data, dry_run=True)
    return Preview(
        would=f"Write {counts['to_do']} values of {name.name}; {counts['already_done']} stay as they are.",
        counts={key: counts[key] for key in ("leads", "to_do", "already_done")},
        size=counts["to_do"],
        estimate={"values": counts["to_do"], "writer": counts["writer"], **(counts["estimate"] or {})},
        facts=[name.prompt_template, name.output_type],
    )


@tool(
    input=GenerateVariablesInput,
    on={"name": NamedField(Variable.objects, what="variable", listed_by="list_variables")},
    output=s.GenerateOutput,
    scope="variables:generate",
    title="Generate a variable",
    destructive=True,
    open_world=True,
    preview=generation_of,
)
def generate_variables(caller, *, name, **data):
    """Have a variable written for leads, in the background; costs money in a live workspace.

    Values that are done stay unless force. Then poll list_variables until pct is 100."""
    return generate(caller, name, **data)
