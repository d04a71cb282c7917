"""Each row of the failure matrix has its tests, each protection its mutant, and docs/ledger.md says so."""

import importlib
import os

import pytest

from tests.faults import matrix, mutants
from tests.faults.matrix import ROWS
from tests.ops.processes import ROOT

ALL = {f"F{number}" for number in range(1, 35)} - {"F11", "F16", "F27", "F33"}  # those four are no faults of sending


def is_there(test: str) -> bool:
    path, *names = test.split("::")
    found = importlib.import_module(path.removesuffix(".py").replace("/", "."))
    for name in names:
        found = getattr(found, name, None)
    return found is not None


def test_every_row_is_there():
    assert set(ROWS) == ALL


@pytest.mark.parametrize("name", ROWS)
def test_every_test_of_a_row_is_there(name):
    tests = ROWS[name].tests
    assert tests and [test for test in tests if not is_there(test)] == []


def test_every_mutant_belongs_to_a_row_and_every_one_named_exists():
    assert {mutant for row in ROWS.values() for mutant in row.mutants} == set(mutants.MUTANTS)


@pytest.mark.parametrize("name", mutants.MUTANTS)
def test_a_mutant_still_changes_the_code(name, tmp_path):
    mutant = mutants.MUTANTS[name]
    for file, _, _ in mutant.edits:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text((ROOT / file).read_text())
    mutants.change(tmp_path, mutant)
    assert is_there(mutant.test)


def test_the_document_has_the_table():
    """Write it anew with `python -m tests.faults.matrix`."""
    assert matrix.table() in (ROOT / "docs" / "ledger.md").read_text()


@pytest.mark.slow
@pytest.mark.skipif(os.environ.get("TEST_REQUIRE_SERVERS") != "1", reason="takes minutes: `make mutants`")
@pytest.mark.skipif(os.environ.get("TEST_ON") != "servers", reason="once is enough; each knows its own place")
@pytest.mark.parametrize("name", mutants.MUTANTS)
def test_a_mutant_is_caught(name):
    assert mutants.is_caught(name)
