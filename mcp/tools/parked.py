"""Mails of which nobody knows whether they arrived: seen with their evidence, and decided on."""

from mcp.fields import KnownField
from mcp.pages import ListInput, page, page_output
from mcp.registry import tool
from sending.models import Message
from sending.serializers import DecisionInput, ParkedOutput
from sending.services import parked_mails
from sending.views import decide, show_parked

PARKED = {
    "parked_id": KnownField(
        Message.objects.filter(direction=Message.Direction.OUT).select_related("lane", "workspace"),
        what="parked mail",
        listed_by="list_parked_sends",
    )
}


@tool(
    input=ListInput,
    output=page_output("parked", ParkedOutput),
    scope="campaigns:read",
    title="List parked sends",
    third_party=True,
    read_only=True,
    toolset="campaigns",
)
def list_parked_sends(caller, **paging):
    """Mails that were handed over and never answered for: nobody knows whether they arrived. Each with what is known.

    Their leads wait until decide_parked_send."""
    return page("parked", parked_mails(caller.workspace), **paging, show=show_parked)


@tool(
    input=DecisionInput,
    on=PARKED,
    output=ParkedOutput,
    scope="campaigns:write",
    title="Decide on a parked send",
    third_party=True,
    destructive=True,
    idempotent=True,
    open_world=True,
    toolset="campaigns",
)
def decide_parked_send(caller, *, parked_id, **data):
    """Say what happens to a parked mail. It is final: ask a person, and show the evidence.

    The attempt is the one that list_parked_sends showed; the same decision on it again changes nothing."""
    return decide(parked_id, **data)
