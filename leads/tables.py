"""What every file reader hands on: rows of text under named columns, whatever the file was."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

MAX_CELL = 10_000  # characters in one cell; more is an essay or an attack, not a fact about a person
MAX_COLUMNS = 500
LOOKS_LIKE_AN_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+\.[^@\s]+")


class UnreadableFile(ValueError):
    """The whole file cannot be read. The text is a sentence for the person who chose the file."""


class Row(NamedTuple):
    """One record. `line` is the physical line it starts on (CSV) or its row number (XLSX), counted from 1.

    `cells` has every column of the table, untouched text, "" where the file has nothing.
    `error` is a sentence when the record cannot be used; `cells` is then empty.
    """

    line: int
    cells: dict[str, str]
    error: str = ""


@dataclass(frozen=True)
class Table:
    """An opened file: the column names are known, the rows are read as they are asked for.

    Walking `rows` may still raise UnreadableFile when the file turns out to be broken further down.
    """

    columns: list[str]
    rows: Iterator[Row]
    kind: str  # "csv" or "xlsx"
    encoding: str = ""  # CSV only
    delimiter: str = ""  # CSV only
    sheet: str = ""  # XLSX only


def name_columns(header: list[str]) -> list[str]:
    """Unique, non-empty names: a second `Name` becomes `Name (2)`, an empty one `Column 3`."""
    if len(header) > MAX_COLUMNS:
        raise UnreadableFile(f"The first line has {len(header)} columns; {MAX_COLUMNS} is the most we read.")
    names: list[str] = []
    for position, raw in enumerate(header, start=1):
        _refuse_a_bad_title(raw)
        name = " ".join(raw.replace("\ufeff", "").split()) or f"Column {position}"
        names.append(_not_yet_in(names, name))
    return names


def _refuse_a_bad_title(raw: str) -> None:
    if problem := _bad_cell(raw):
        raise UnreadableFile(f"The first line must name the columns, but one name {problem}.")
    if LOOKS_LIKE_AN_ADDRESS.fullmatch(raw.strip()):
        # Read as names, this line's person would be lost without a word.
        raise UnreadableFile("The first line must name the columns, but it holds an e-mail address.")


def _not_yet_in(names: list[str], name: str) -> str:
    candidate, count = name, 1
    while candidate in names:
        count += 1
        candidate = f"{name} ({count})"
    return candidate


def make_row(line: int, values: list[str], columns: list[str]) -> Row | None:
    """A row under its columns, an error row, or None for a blank one.

    Missing cells at the end are empty; surplus cells are an error unless they are blank, as spreadsheets
    like to leave trailing delimiters behind.
    """
    if not any(value.strip() for value in values):
        return None
    if problem := next((problem for problem in map(_bad_cell, values) if problem), ""):
        return Row(line, {}, f"A cell {problem}.")
    if any(value.strip() for value in values[len(columns) :]):
        return Row(line, {}, f"The row has {len(values)} cells, the header has {len(columns)}.")
    values = values[: len(columns)] + [""] * (len(columns) - len(values))
    return Row(line, dict(zip(columns, values, strict=True)))


def _bad_cell(value: str) -> str:
    if len(value) > MAX_CELL:
        return f"is longer than {MAX_CELL:,} characters"
    if "\0" in value:
        return "holds a NUL character"
    return ""
