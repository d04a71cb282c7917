"""Three tools over a tiny shelf of notes, so that the door is tested without the house behind it."""

from django.urls import path
from rest_framework import serializers

from mcp.confirm import Preview
from mcp.registry import Registry
from mcp.views import McpView
from outbound.api.errors import Conflict
from outbound.api.serializers import Input, Output

SHELF: dict[str, dict] = {}
REGISTRY = Registry()


class StepInput(Input):
    text = serializers.CharField(max_length=10, help_text="What the step says.")


class NoteInput(Input):
    name = serializers.CharField(max_length=20, help_text="Unique name.")
    score = serializers.IntegerField(min_value=0, max_value=100, default=50, help_text="0 to 100.")
    color = serializers.ChoiceField(["red", "green"], required=False, help_text="How it is shown.")
    steps = StepInput(many=True, required=False, help_text="In order.")


class NoteOutput(Output):
    name = serializers.CharField()
    score = serializers.IntegerField()
    color = serializers.CharField(allow_null=True)
    text = serializers.CharField(required=False)


class ShelfOutput(Output):
    notes = NoteOutput(many=True)
    total = serializers.IntegerField()


class NoInput(Input):
    pass


class ManyInput(Input):
    least = serializers.IntegerField(default=0, help_text="Burn notes with at least this score.")


class BurntOutput(Output):
    burnt = serializers.IntegerField()


@REGISTRY.tool(input=NoInput, output=ShelfOutput, scope="leads:read", title="List notes", read_only=True)
def list_notes(caller):
    """List the notes."""
    notes = [NoteOutput(note).data for note in SHELF.values()]
    return {"notes": notes, "total": len(notes)}


@REGISTRY.tool(input=NoteInput, output=NoteOutput, scope="leads:write", title="Write a note")
def write_note(caller, *, name, score, color=None, steps=()):
    """Write a note
    on the shelf."""
    if name == "explode":
        raise RuntimeError("secret details")
    if name in SHELF:
        raise Conflict("There is a note of that name.", details={"name": ["Taken."]})
    SHELF[name] = {"name": name, "score": score, "color": color}
    return NoteOutput(SHELF[name]).data


def burning(caller, *, least):
    found = [note for note in SHELF.values() if note["score"] >= least]
    return Preview(would=f"Burn {len(found)} notes.", counts={"notes": len(found)}, size=len(found), facts=found)


@REGISTRY.tool(
    input=ManyInput,
    output=BurntOutput,
    scope="leads:write",
    title="Burn notes",
    destructive=True,
    preview=burning,
    needs_token=lambda caller, preview: preview.size > 2,
)
def burn_notes(caller, *, least):
    """Burn notes for ever."""
    gone = [name for name, note in SHELF.items() if note["score"] >= least]
    for name in gone:
        del SHELF[name]
    return {"burnt": len(gone)}


@REGISTRY.tool(input=NoInput, output=NoteOutput, scope="leads:read", title="Far", read_only=True, toolset="infra")
def far_note(caller):
    """A tool of another toolset."""
    return {"name": "far", "score": 1, "color": None}


urlpatterns = [
    path("api/mcp", McpView.as_view(registry=REGISTRY)),
    path("api/mcp/", McpView.as_view(registry=REGISTRY)),
]
