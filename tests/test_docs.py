"""What the documents say is there, is there."""

import json
import re
from pathlib import Path

import pytest
from django.core.management import get_commands

from mcp.registry import TOOLS

ROOT = Path(__file__).resolve().parents[1]
DOCS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*.md")])
WRITTEN = [*DOCS, *ROOT.glob("*.toml"), ROOT / "Makefile", ROOT / ".env.example"]
# Read by gunicorn and by .ci/test.py, not by settings.py.
READ_ELSEWHERE = {"WEB_CONCURRENCY", "TEST_DATABASE_URL", "TEST_REDIS_URL", "TEST_REQUIRE_SERVERS"}


def text_of(name: str) -> str:
    return (ROOT / name).read_text()


def variables_of_settings() -> set[str]:
    code = text_of("outbound/settings.py") + text_of("outbound/home.py")
    return set(re.findall(r'\b(?:env_\w+|secret)\(\s*"([A-Z_]+)"', code)) | READ_ELSEWHERE


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


class TestSettings:
    def test_every_variable_is_explained(self):
        assert set(re.findall(r"^\| `([A-Z_]+)` \|", text_of("docs/settings.md"), re.M)) == variables_of_settings()

    def test_the_example_has_every_variable(self):
        assert set(re.findall(r"^# ([A-Z_]+)=", text_of(".env.example"), re.M)) == variables_of_settings()

    def test_a_default_is_the_same_in_both(self):
        table = dict(re.findall(r"^\| `([A-Z_]+)` \| `([^`|]+)` \|", text_of("docs/settings.md"), re.M))
        example = dict(re.findall(r"^# ([A-Z_]+)=(\S+)", text_of(".env.example"), re.M))
        shared = {each: value for each, value in table.items() if each in example and each != "WEB_CONCURRENCY"}
        assert shared and shared == {each: example[each] for each in shared}


def test_every_tool_has_a_heading():
    headings = set(re.findall(r"^#+ `?(\w+)`?$", text_of("docs/mcp.md"), re.M))
    assert not set(TOOLS) - headings


class TestCommands:
    def test_every_make_target_that_is_named_exists(self):
        targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.M))
        named = {target for path in DOCS for target in re.findall(r"(?:`|^)make ([a-z-]+)", path.read_text(), re.M)}
        assert {"demo", "test", "run"} <= named
        assert not named - targets

    def test_every_management_command_that_is_named_exists(self):
        named = {command for path in DOCS for command in re.findall(r"manage\.py (\w+)", path.read_text())}
        assert {"create_key", "up"} <= named
        assert not named - set(get_commands())


def test_the_mcp_configuration_of_the_readme_is_the_one_that_ships():
    block = next(
        block for block in re.findall(r"```json\n(.*?)```", text_of("README.md"), re.S) if "mcpServers" in block
    )
    assert json.loads(block) == json.loads(text_of("examples/mcp.json"))


def test_every_line_of_the_readme_that_looks_like_json_is_json():
    for block in re.findall(r"```json\n(.*?)```", text_of("README.md") + text_of("docs/api.md"), re.S):
        json.loads(block)


@pytest.mark.parametrize("path", DOCS, ids=name)
def test_every_link_leads_somewhere(path):
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", path.read_text())
    inside = [link for link in links if not re.match(r"\w+:", link)]
    assert not [link for link in inside if not (path.parent / link.replace("\\", "")).exists()]


@pytest.mark.parametrize("path", WRITTEN, ids=name)
def test_nothing_names_a_place_on_somebodys_machine(path):
    assert not re.findall(r"(?<![\w.])/(?:work|home|root|Users|tmp)/\S*", path.read_text())


def test_every_model_that_people_meet_is_in_the_glossary():
    words = [
        "workspace", "api key", "lead", "group", "variable", "suppression", "import", "sequence", "step", "variant",
        "campaign", "enrollment", "touch", "mailbox", "domain", "lane", "thread", "message", "event",
    ]  # fmt: skip
    glossary = text_of("docs/glossary.md").lower()
    assert not [word for word in words if f"**{word}**" not in glossary]


def test_the_decisions_are_numbered_without_a_gap():
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/adr").glob("*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
