"""What strangers' generators make of our document, type-checked, runs the whole pipeline on a live server."""

import shutil
from pathlib import Path

import pytest

from tests.ops.clients import NODE, needs_npm, node_folder, python_with, run

pytestmark = pytest.mark.clients

HERE = Path(__file__).parent
PYTHON = ("openapi-python-client==0.29.1", "mypy==2.4.1", "ruff==0.17.6")
TYPESCRIPT = (
    NODE,
    "typescript@5.9.3",
    "@types/node@22.20.5",
    "openapi-typescript@7.13.0",
    "openapi-fetch@0.17.0",
)


def test_openapi_python_client(outbound, tmp_path):
    python = python_with(*PYTHON)
    shutil.copy(HERE / "python_pipeline.py", tmp_path)
    document = f"{outbound['OUTBOUND_URL']}/api/v1/openapi.json"
    where = ["--output-path", tmp_path / "outbound_client", "--meta", "none", "--config", HERE / "generator.yml"]
    tools = {"PATH": f"{python.parent}:/usr/bin:/bin"}  # it formats what it makes with the ruff beside it

    said = run([python.parent / "openapi-python-client", "generate", "--url", document, *where], environment=tools)
    assert "Warning" not in said, said
    # Silent about the generator's own frame; what the pipeline says of its types is held strictly.
    run([python, "-m", "mypy", "--strict", "--follow-imports=silent", "python_pipeline.py"], cwd=tmp_path)
    assert run([python, "python_pipeline.py"], cwd=tmp_path, environment=tagged(outbound, "py")).startswith("ok: ")


@needs_npm
def test_openapi_typescript_with_openapi_fetch(outbound):
    folder = node_folder(*TYPESCRIPT)
    for name in ("typescript_pipeline.ts", "tsconfig.json"):
        shutil.copy(HERE / name, folder)
    bin = folder / "node_modules/.bin"
    node = bin / "node"
    document = f"{outbound['OUTBOUND_URL']}/api/v1/openapi.json"

    # A field with a default may be left out; the generator has to be told.
    run(
        [node, bin / "openapi-typescript", document, "-o", "schema.d.ts", "--default-non-nullable", "false"], cwd=folder
    )
    run([node, bin / "tsc"], cwd=folder)
    assert run([node, "typescript_pipeline.ts"], cwd=folder, environment=tagged(outbound, "ts")).startswith("ok: ")


def tagged(outbound: dict, tag: str) -> dict:
    return {**outbound, "OUTBOUND_TAG": tag}
