"""The tools: what each is called, takes, gives and needs. A module in mcp/tools registers its own when imported.

    @tool(input=GroupInput, output=GroupOutput, scope="leads:write", title="Create a group")
    def create_group(caller, **data):
        \"\"\"Create a named audience.\"\"\"
        return GroupOutput(services.create_group(workspace=caller.workspace, **data)).data

The docstring is the description, the serializers are the schemas; nothing is written twice. `on` names the
rows that are acted on, which REST has in its path: `on={"group_id": NamedField(…)}`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from rest_framework import serializers

from mcp.extras import extras_for
from mcp.results import PREVIEW_SCHEMA
from outbound.api.schema import input_schema, output_schema
from outbound.api.serializers import Input

TOOLSETS = ("outbound", "campaigns", "infra")
ALL = "all"


@dataclass(frozen=True)
class Tool:
    """One tool. `run(caller, **validated)` returns plain data, or an Answer of it; `preview` a mcp.confirm.Preview.

    `on_replay(data)` brings what an idempotency key stored up to date.
    """

    run: Callable
    input: type[serializers.Serializer]
    path: type[serializers.Serializer]
    output: type[serializers.Serializer]
    scope: str
    title: str
    read_only: bool
    destructive: bool
    idempotent: bool
    open_world: bool
    third_party: bool
    toolset: str
    preview: Callable | None
    needs_token: Callable | None
    on_replay: Callable

    @property
    def name(self) -> str:
        return self.run.__name__

    @property
    def description(self) -> str:
        return " ".join(self.run.__doc__.split())

    @cached_property
    def extras(self) -> type[serializers.Serializer]:
        """Parameters that every tool of this kind has, whatever its Input."""
        return extras_for(writes=not self.read_only, previews=self.preview is not None)

    @cached_property
    def definition(self) -> dict:
        """What tools/list shows. Built once, in a fixed order of keys, so the list is the same bytes every time."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self._input_schema(),
            "outputSchema": self._output_schema(),
            "annotations": {
                "readOnlyHint": self.read_only,
                "destructiveHint": self.destructive,
                "idempotentHint": self.idempotent,
                "openWorldHint": self.open_world,
            },
        }

    def _input_schema(self) -> dict:
        path, own, extras = (input_schema(part) for part in (self.path, self.input, self.extras))
        required = [*path.get("required", ()), *own.get("required", ())]
        return {
            "type": "object",
            "properties": path["properties"] | own["properties"] | extras["properties"],
            **({"required": required} if required else {}),
            "additionalProperties": False,
        }

    def _output_schema(self) -> dict:
        schema = output_schema(self.output)
        if self.preview:
            schema["properties"] |= PREVIEW_SCHEMA
        return schema


class Registry(dict):
    """Name → Tool, in the order of registration. A second tool of one name fails at import."""

    def tool(
        self,
        *,
        output: type[serializers.Serializer],
        scope: str,
        title: str,
        input: type[serializers.Serializer] = Input,
        on: dict[str, serializers.Field] | None = None,
        read_only: bool = False,
        destructive: bool = False,
        idempotent: bool = False,
        open_world: bool = False,
        third_party: bool = False,
        toolset: str = "outbound",
        preview: Callable | None = None,
        needs_token: Callable | None = None,
        on_replay: Callable = lambda data: data,
    ):
        """Register the function below.

        `third_party`: it shows text that leads, replies or vendors wrote. `needs_token(caller, preview) -> bool` says
        when a dry run must come first.
        """
        path = type("Path", (serializers.Serializer,), dict(on or {}))  # a copy: DRF empties it
        hints = {"destructive": destructive, "idempotent": idempotent or read_only, "open_world": open_world}

        def register(run: Callable) -> Callable:
            if run.__name__ in self:
                raise ValueError(f"There are two tools called {run.__name__}.")
            if toolset not in TOOLSETS:
                raise ValueError(f"{run.__name__} is in an unknown toolset: {toolset}.")
            self[run.__name__] = Tool(
                run=run, input=input, path=path, output=output, scope=scope, title=title, read_only=read_only,
                third_party=third_party, toolset=toolset, preview=preview, needs_token=needs_token,
                on_replay=on_replay, **hints,
            )  # fmt: skip
            return run

        return register

    def visible(self, *, scopes=None, toolsets=("outbound",), read_only: bool = False) -> dict[str, Tool]:
        """What this caller may see and call. Scopes None: a stranger reading the capability document."""
        return {
            name: each
            for name, each in self.items()
            if (ALL in toolsets or each.toolset in toolsets)
            and (scopes is None or each.scope in scopes)
            and (each.read_only or not read_only)
        }


TOOLS = Registry()
tool = TOOLS.tool
