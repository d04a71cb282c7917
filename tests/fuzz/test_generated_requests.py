"""schemathesis over the whole API: every operation by itself and in sequences, with every check it has.

The same requests each time; FUZZ_SEED=7 makes others. `pytest -rP tests/fuzz` shows what it did.
"""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from urllib.request import urlopen

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.servers.basehttp import WSGIRequestHandler

from apikeys.services import add_member
from apikeys.tokens import token_for
from tests import make
from tests.contract import cast_of
from tests.fuzz import known_rows

HERE = Path(__file__).parent
pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not settings.REDIS_URL, reason="many requests at once: PostgreSQL"),
]


@pytest.fixture(autouse=True)
def _headers_at_once(monkeypatch):
    """The test server writes an answer in pieces: held back until the first is acknowledged, each took 40 ms."""
    monkeypatch.setattr(WSGIRequestHandler, "disable_nagle_algorithm", True)


def run(server, folder: Path, *, examples: int) -> None:
    seed = os.environ.get("FUZZ_SEED")
    workspace = make.workspace("Fuzz")
    command = [
        Path(sys.executable).with_name("schemathesis"), "--config-file", settings_file(server, workspace, folder),
        "run", f"{server.url}/api/v1/openapi.json", "--header", f"Authorization: Bearer {token(workspace)}",
        "--max-examples", str(examples), "--checks", "all", "--no-color",
        *(["--seed", seed] if seed else ["--generation-deterministic"]),
    ]  # fmt: skip
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    print(done.stdout[-4_000:])
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2_000:]


def settings_file(server, workspace, folder: Path) -> Path:
    with urlopen(f"{server.url}/api/v1/openapi.json") as answer:
        document = json.load(answer)
    file = folder / "schemathesis.toml"
    file.write_text(f"{(HERE / file.name).read_text()}\n{known_rows.settings_for(cast_of(workspace), document)}\n")
    return file


def token(workspace) -> str:
    """An owner's, for longer than a run takes: a key would be revoked by one of the requests."""
    user = get_user_model().objects.create_user("fuzz", password="fuzz")
    token = token_for(add_member(workspace=workspace, user=user, role="owner")).access_token
    token.set_exp(lifetime=timedelta(hours=6))
    return str(token)


def test_twenty_of_each_and_in_sequence(live_server, tmp_path):
    run(live_server, tmp_path, examples=20)


@pytest.mark.slow
def test_two_hundred_of_each_and_in_sequence(live_server, tmp_path):
    run(live_server, tmp_path, examples=200)
