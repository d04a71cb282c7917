"""Imports only go down. Every import counts, those inside functions too: see ARCHITECTURE.md."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
APPS = ("apikeys", "leads", "sending", "campaigns", "mcp")  # from the lowest floor up
GROUND = (
    "outbound.acknowledging", "outbound.api", "outbound.admin_base", "outbound.admin_display", "outbound.bulk",
    "outbound.clock", "outbound.dns", "outbound.doorbell", "outbound.env", "outbound.failpoints", "outbound.fields",
    "outbound.home", "outbound.http", "outbound.ids", "outbound.mail_html", "outbound.net", "outbound.templating",
)  # fmt: skip
PUBLIC = {"models", "services", "queries"}  # of an app, for everyone above
# Doors and engines may take a little more from below: (who, what) by the first part inside the app.
ALSO = {
    "serializers": PUBLIC | {"serializers"}, "views": PUBLIC | {"serializers", "viewsets"},
    # A tool is a view in another protocol: what both do between input and output stands beside the views, once.
    "tools": PUBLIC | {"serializers", "views"}, "admin": PUBLIC | {"serializers"}, "engines": PUBLIC | {"providers"},
    "tasks": PUBLIC | {"tasks"},  # a bell may ring the one below
}  # fmt: skip
OPEN = {
    # What the lowest floor is there for: keys, the log, the base class of every door.
    "apikeys": {
        "events",
        "viewsets",
        "authentication",
        "permissions",
        "scopes",
        "idempotency",
        "throttling",
        "tiers",
        "ingest",
        "inbound",
    },
    # The planner plans by the same numbers that the post office reserves.
    "sending": {"limits"},
}
# Inside an app these stand above services, queries, pure helpers and models, none of which may import them.
DOORS = {"apps", "views", "tools", "tasks", "admin", "urls", "public_views", "management", "ingest", "viewsets"}
LONGEST_FILE = 400


def modules() -> list[Path]:
    found = [path for folder in (*APPS, "outbound") for path in sorted((ROOT / folder).rglob("*.py"))]
    return [path for path in found if "migrations" not in path.parts]


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: Path) -> set[str]:
    """Every module named in an import statement; `from package import module` counts as the module."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = name_of(path).split(".")
                package = package if path.name == "__init__.py" else package[:-1]
                base = ".".join([*package[: len(package) - node.level + 1], *filter(None, [base])])
            found |= {_module(f"{base}.{alias.name}", base) for alias in node.names}
    return {name for name in found if name.split(".")[0] in (*APPS, "outbound")}


def _module(full: str, base: str) -> str:
    path = ROOT.joinpath(*full.split("."))
    return full if path.with_suffix(".py").exists() or path.is_dir() else base


def is_ground(module: str) -> bool:
    return any(module == ground or module.startswith(f"{ground}.") for ground in GROUND)


def wrong(importer: str, imported: str) -> str:
    """Why this import is wrong; empty when it is right."""
    app, target = importer.split(".")[0], imported.split(".")[0]
    if is_ground(importer):
        return "" if is_ground(imported) or imported == "outbound" else "the ground imports no app and no roof"
    if app == "outbound":
        return ""  # the roof sees everyone
    if target == "outbound":
        return "" if is_ground(imported) else "nobody imports the roof"
    if APPS.index(target) > APPS.index(app):
        return "imports only go down"
    return _across(importer, imported) if target != app else _inside(importer, imported)


def role(module: str) -> str:
    """The part of a module inside its app: bulk_views has the rights of views, and so on."""
    part = (module.split(".") + [""])[1]
    return next(
        (kind for kind in ("views", "serializers", "urls", "models", "admin") if part.endswith(f"_{kind}")), part
    )


def _across(importer: str, imported: str) -> str:
    part, target, inside = role(importer), imported.split(".")[0], role(imported)
    allowed = ALSO.get(part, PUBLIC) | OPEN.get(target, set())
    return "" if inside in allowed else f"from another app only {', '.join(sorted(allowed))}"


def _inside(importer: str, imported: str) -> str:
    part, inside = role(importer), role(imported)
    if part in ("models", "querysets") and inside not in ("models", "querysets"):
        return "models import no logic"
    if inside in DOORS and part not in DOORS:
        return "a door is opened from outside: services do not import views, tools or tasks"
    return ""


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_only_go_down(path):
    importer = name_of(path)
    found = [
        f"{importer} -> {imported}: {why}"
        for imported in sorted(imports_of(path))
        if (why := wrong(importer, imported))
    ]
    assert not found, "\n".join(found)


def test_no_file_is_too_long_to_hold_in_the_head():
    lengths = {name_of(path): len(path.read_text().splitlines()) for path in modules()}
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FILE}


def test_no_file_hides_what_it_knows():
    hiding = {"utils", "helpers", "common"}
    assert not [name_of(path) for path in modules() if path.stem in hiding]


def test_nothing_is_signalled_upwards():
    """Django's signals would let a floor below start work above; the floor above asks instead."""
    assert not [
        name_of(path) for path in modules()
        if "django.db.models.signals" in path.read_text() or "django.dispatch" in path.read_text()
    ]  # fmt: skip


class TestTheRule:
    """The rule itself, on imports that must never be let through."""

    @pytest.mark.parametrize(
        ("importer", "imported"),
        [
            ("sending.services", "campaigns.models"),
            ("leads.models", "leads.services"),
            ("apikeys.services", "leads.models"),
            ("outbound.api.errors", "apikeys.models"),
            ("leads.services", "outbound.celery"),
            ("campaigns.services", "sending.ledger"),
            ("leads.services", "leads.views"),
        ],
    )
    def test_it_refuses(self, importer, imported):
        assert wrong(importer, imported)

    @pytest.mark.parametrize(
        ("importer", "imported"),
        [
            ("campaigns.services", "sending.services"),
            ("mcp.tools.runs", "campaigns.serializers"),
            ("campaigns.engines.native", "sending.providers.base"),
            ("outbound.urls", "mcp.views"),
            ("leads.views", "apikeys.viewsets"),
        ],
    )
    def test_it_lets_through(self, importer, imported):
        assert not wrong(importer, imported)
