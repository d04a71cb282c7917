"""Sequences: what we say."""

from rest_framework import serializers

from apikeys.services import now_for
from campaigns import queries, services
from campaigns import serializers as s
from campaigns.models import Sequence
from campaigns.views import preview, sequence_detail, show_sequences
from mcp.fields import LeadField, NamedField
from mcp.pages import ListInput, page, page_output
from mcp.registry import tool

SEQUENCE = {
    "sequence_id": NamedField(Sequence.objects.select_related("workspace"), what="sequence", listed_by="list_sequences")
}


class CreatedSequenceOutput(s.SequenceOutput):
    """Without the steps: they were sent a moment ago. get_sequence shows them."""

    warnings = serializers.ListField(child=serializers.CharField())


class PreviewEmailInput(s.PreviewInput):
    lead_id = LeadField(required=False, help_text="For this lead (id or e-mail address); the newest one when absent.")


@tool(
    input=ListInput,
    output=page_output("sequences", s.SequenceOutput),
    scope="campaigns:read",
    title="List sequences",
    read_only=True,
)
def list_sequences(caller, **paging):
    """Sequences with their number of steps."""
    found = queries.with_counts(Sequence.objects.for_workspace(caller.workspace))
    return page("sequences", found, **paging, show=show_sequences)


@tool(on=SEQUENCE, output=s.SequenceDetailOutput, scope="campaigns:read", title="Get a sequence", read_only=True)
def get_sequence(caller, *, sequence_id):
    """One sequence with its steps, their variants, and warnings."""
    return sequence_detail(sequence_id)


@tool(input=s.SequenceInput, output=CreatedSequenceOutput, scope="campaigns:write", title="Create a sequence")
def create_sequence(caller, **data):
    """Build a sequence of 1 to 15 e-mails. The first goes out at once, each other after its delay.

    Read the warnings in the answer, then preview_email."""
    sequence = services.create_sequence(workspace=caller.workspace, now=now_for(caller.workspace), **data)
    return {name: value for name, value in sequence_detail(sequence).items() if name != "steps"}


@tool(
    input=PreviewEmailInput,
    on=SEQUENCE,
    output=s.PreviewOutput,
    scope="campaigns:read",
    title="Preview an e-mail",
    third_party=True,
    read_only=True,
)
def preview_email(caller, *, sequence_id, **data):
    """One step as a lead would get it, with the names that came out empty and what would hold it back."""
    return preview(sequence_id, **data)
