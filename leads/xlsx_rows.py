"""Records out of an Excel workbook, refusing those that are small on disk and huge in memory."""

import datetime
import shutil
import struct
import tempfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, BinaryIO

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from leads.tables import Row, Table, UnreadableFile, make_row, name_columns

MAX_UNPACKED = 200 * 1024 * 1024  # bytes, all parts together (security.md S32)
MAX_RATIO = 200  # unpacked to packed; honest sheets stay well under 50
MAX_PARTS = 5_000
# What zipfile, the XML parser and openpyxl raise on damaged workbooks (found by flipping bytes in good ones).
DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, InvalidFileException, SyntaxError, KeyError, ValueError, TypeError,
    IndexError, AttributeError, OSError, EOFError, RuntimeError, OverflowError, AssertionError,
)  # fmt: skip


def read_xlsx(source: BinaryIO, *, sample: bytes) -> Table:
    """The first visible sheet. `sample` is what has been read of `source` so far."""
    whole = _seekable(source, sample)
    _refuse_a_bomb(whole)
    with _damage_said_plainly(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # openpyxl warns about styles it does not know; we read values only
        book = openpyxl.load_workbook(whole, read_only=True, data_only=True, keep_links=False)
        sheet = next((sheet for sheet in book.worksheets if sheet.sheet_state == "visible"), None)
    if sheet is None:
        raise UnreadableFile("The workbook has no visible sheet.")
    records = _records(sheet)
    header = next((values for _, values in records if any(map(str.strip, values))), None)
    if header is None:
        raise UnreadableFile("The sheet holds no rows.")
    while header and not header[-1].strip():  # formatting alone makes sheets wide
        header.pop()
    columns = name_columns(header)
    return Table(columns, _rows(records, columns), "xlsx", sheet=sheet.title)


def _rows(records: Iterator[tuple[int, list[str]]], columns: list[str]) -> Iterator[Row]:
    for line, values in records:
        if row := make_row(line, values, columns):
            yield row


def _records(sheet) -> Iterator[tuple[int, list[str]]]:
    with _damage_said_plainly():
        sheet.reset_dimensions()  # many exporters write a wrong one, and rows beyond it would be lost
        for line, values in enumerate(sheet.iter_rows(values_only=True), start=1):
            yield line, [_as_text(value) for value in values]


def _as_text(value: object) -> str:
    """The cell as a person would type it: dates in ISO form, 4917 rather than 4917.0, an error as nothing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime.datetime):
        midnight = value.time() == datetime.time()
        return value.date().isoformat() if midnight else value.isoformat()
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    text = str(value)
    return "" if text in {"#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!"} else text


def _seekable(source: BinaryIO, sample: bytes) -> IO[bytes]:
    # A zip file's table of contents is at its end.
    if hasattr(source, "seekable") and source.seekable():
        source.seek(-len(sample), 1)
        if source.tell() == 0:
            return source
        sample = b""
    whole = tempfile.SpooledTemporaryFile(max_size=1024 * 1024)  # noqa: SIM115 – lives as long as the rows
    whole.write(sample)
    shutil.copyfileobj(source, whole)
    whole.seek(0)
    return whole


def _refuse_a_bomb(whole: IO[bytes]) -> None:
    with _damage_said_plainly():
        parts = zipfile.ZipFile(whole).infolist()
        whole.seek(0)
    names = {part.filename for part in parts}
    if not any(name.startswith("xl/") for name in names):
        raise UnreadableFile("This is a zip archive but not an Excel workbook. Upload a .csv or .xlsx file.")
    unpacked = sum(part.file_size for part in parts)
    packed = sum(part.compress_size for part in parts)
    if unpacked > MAX_UNPACKED or unpacked > MAX_RATIO * max(packed, 1) or len(parts) > MAX_PARTS:
        raise UnreadableFile("The workbook unpacks to far more than its size. Save it as CSV and upload that.")


@contextmanager
def _damage_said_plainly():
    try:
        yield
    except UnreadableFile:
        raise
    except DAMAGE as error:
        raise UnreadableFile("The workbook is damaged or protected. Open it in Excel and save it again.") from error
