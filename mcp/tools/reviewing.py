"""What a model wrote, looked at before it goes out: values with their evidence, and a word on them."""

from leads import review_serializers as r
from leads import serializers as s
from leads import services
from leads.models import Variable
from leads.review_views import approve, review, show_values, values_of
from leads.views import generate, show_variable
from mcp.confirm import Preview
from mcp.fields import LeadField, NamedField
from mcp.pages import after_field, limit_field, page, page_output
from mcp.registry import tool
from mcp.tools.variables import generation_of

VARIABLE = {"name": NamedField(Variable.objects, what="variable", listed_by="list_variables")}


class ValuesInput(r.ValueListInput):
    page = None
    limit = limit_field()
    after = after_field()


class SampleInput(s.GenerateInput):
    lead_ids = force = dry_run = None
    sample = s.serializers.IntegerField(min_value=1, max_value=100, default=10, help_text="How many leads.")


class ChecksInput(s.VariablePatch):
    prompt_template = output_type = None


class EditInput(r.ValuePatch):
    action = None
    value = s.serializers.JSONField(help_text="Goes out instead, as it is; of the variable's type.")

    def validate(self, data):
        return data


@tool(
    input=ValuesInput,
    on=VARIABLE,
    output=page_output("values", r.ReviewValueOutput),
    scope="leads:read",
    title="List values of a variable",
    third_party=True,
    read_only=True,
    toolset="campaigns",
)
def list_variable_values(caller, *, name, state="", **paging):
    """What was written for each lead, what it rests on (field and quote), and facts that rest on nothing.

    state=review: those that wait for a person."""
    return page("values", values_of(name, state=state), **paging, show=show_values)


@tool(
    input=EditInput,
    on=VARIABLE | {"lead_id": LeadField()},
    output=r.ReviewValueOutput,
    scope="leads:write",
    title="Edit a value of a variable",
    third_party=True,
    idempotent=True,
    toolset="campaigns",
)
def edit_variable_value(caller, *, name, lead_id, value):
    """Set the value of one lead by hand. It goes out as it is, and is never written over."""
    return review(name, lead_id, value=value)


def approval_of(caller, *, name, **data):
    waiting = values_of(name, state="review")
    if "lead_ids" in data:
        waiting = waiting.filter(lead__in=data["lead_ids"])
    count = waiting.count()
    return Preview(
        would=f"Let {count} values of {name.name} that are in review go out as they are.",
        counts={"approved": count},
        size=count,
        facts=[name.prompt_template],
    )


@tool(
    input=r.ApproveInput,
    on=VARIABLE,
    output=r.ApproveOutput,
    scope="leads:write",
    title="Approve values of a variable",
    destructive=True,
    idempotent=True,
    preview=approval_of,
    toolset="campaigns",
)
def approve_variable_values(caller, *, name, **data):
    """Let values in review go out as they are: of some leads, or all. Ask a person; show what nothing supports."""
    return approve(name, **data)


@tool(
    input=ChecksInput,
    on=VARIABLE,
    output=s.VariableDetailOutput,
    scope="leads:write",
    title="Set how a variable is checked",
    idempotent=True,
    toolset="campaigns",
)
def set_variable_checks(caller, *, name, **data):
    """What becomes of a text that states what nothing supports (review or fallback), the fallback line, the length."""
    return show_variable(services.update_variable(variable=name, **data))


@tool(
    input=SampleInput,
    on=VARIABLE,
    output=s.GenerateOutput,
    scope="variables:generate",
    title="Write a sample of a variable",
    destructive=True,
    open_world=True,
    preview=generation_of,
    toolset="campaigns",
)
def sample_variable(caller, *, name, **data):
    """Have a variable written for a few leads, spread over all, to look at first; costs money in a live workspace.

    Nothing more is written until this or generate_variables is called again."""
    return generate(caller, name, **data)
