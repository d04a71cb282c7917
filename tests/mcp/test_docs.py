"""docs/mcp.md and the examples say what is so."""

import json
import re
from pathlib import Path

import pytest

from mcp.eras import SUPPORTED
from mcp.instructions import INSTRUCTIONS, WORKFLOW
from mcp.registry import TOOLS

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs/mcp.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)\n\n(.*?)(?=\n###|\Z)", DOCS, re.DOTALL | re.MULTILINE))


def test_every_tool_has_a_heading_in_order():
    assert list(SECTIONS) == list(TOOLS)


@pytest.mark.parametrize("name", list(TOOLS))
def test_a_section_names_the_scope_and_the_required_parameters(name):
    schema = TOOLS[name].definition["inputSchema"]

    assert f"`{TOOLS[name].scope}`" in SECTIONS[name]
    for parameter in schema.get("required", ()):
        assert f"**{parameter}**" in SECTIONS[name]


@pytest.mark.parametrize("name", list(TOOLS))
def test_a_dagger_stands_where_a_dry_run_is(name):
    assert ("†" in SECTIONS[name]) == (TOOLS[name].preview is not None)


def test_every_version_is_named():
    assert all(version in DOCS for version in SUPPORTED)


def test_every_tool_of_the_workflow_exists_and_is_documented():
    names = [name for tool, _ in WORKFLOW for name in tool.split(" / ")]

    assert len(WORKFLOW) == 9
    assert set(names) <= set(TOOLS)
    assert all(f"`{name}`" in DOCS for name in names)


def test_the_instructions_begin_with_the_workflow_and_are_short_enough():
    assert len(INSTRUCTIONS) <= 2048
    assert INSTRUCTIONS.index("create_group") < 120


def test_the_example_configuration_is_one_that_works():
    servers = json.loads((ROOT / "examples/mcp.json").read_text())["mcpServers"]

    assert servers["outbound"]["type"] == "http"
    assert servers["outbound"]["url"].endswith("/api/mcp")
    assert servers["outbound"]["headers"]["Authorization"] == "Bearer ${OUTBOUND_API_KEY}"
