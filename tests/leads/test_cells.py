import pytest
from hypothesis import given
from hypothesis import strategies as st

from leads.cells import defuse, restore

formulas = st.text(alphabet="'=+-@\t\r\n ＝a1\0", max_size=12)


@given(st.one_of(st.text(), formulas))
def test_what_was_exported_is_imported_unchanged(cell):
    assert restore(defuse(cell)) == cell


@pytest.mark.parametrize("cell", ["=1+1", "+49 30", "-5", "@SUM(A1)", "\t=1", "\r=1", " =1", "'=1", "＝1", "\n=1"])
def test_a_formula_becomes_text(cell):
    assert defuse(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["", "Ana", "O'Neil", "'s-Hertogenbosch", "a=b", "1-2", "'quoted'"])
def test_other_cells_are_left_alone(cell):
    assert defuse(cell) == cell
    assert restore(cell) == cell
