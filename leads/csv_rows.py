"""Records out of delimited text, one at a time: memory stays flat however long the file, line or quoted cell."""

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import BinaryIO

from leads.sniffing import SEP_LINE, guess_delimiter, guess_encoding
from leads.tables import Row, Table, UnreadableFile, make_row, name_columns

MAX_LINE = 1_000_000  # characters in one physical line
MAX_QUOTED = 100_000  # characters after which an open quote is taken for a stray one; below csv's own 131,072
Record = tuple[int, list[str], str]  # line, values, error


def read_csv(source: BinaryIO, *, sample: bytes, charset: str = "") -> Table:
    """`sample` is what has been read of `source` so far; the rest is read as the rows are walked."""
    encoding = guess_encoding(sample, hint=charset)
    text = sample.decode(encoding, "replace")
    delimiter = guess_delimiter(text)
    stream = io.TextIOWrapper(
        io.BufferedReader(_Borrowed(sample, source)), encoding=encoding, errors=_errors_for(encoding), newline=""
    )
    records = _records(_Lines(stream), delimiter, skip_first=bool(SEP_LINE.match(text)))
    _, header, error = next((record for record in records if record[2] or any(map(str.strip, record[1]))), (0, [], ""))
    if error or not header:
        raise UnreadableFile(error or "The file holds no rows.")
    columns = name_columns(header)
    return Table(columns, _rows(records, columns), "csv", encoding=encoding, delimiter=delimiter)


def _rows(records: Iterator[Record], columns: list[str]) -> Iterator[Row]:
    for line, values, error in records:
        row = Row(line, {}, error) if error else make_row(line, values, columns)
        if row:
            yield row


def _records(lines: "_Lines", delimiter: str, *, skip_first: bool) -> Iterator[Record]:
    if skip_first:
        next(lines)
    reader = csv.reader(lines, delimiter=delimiter)
    while True:
        lines.begin_record()
        try:
            values = next(reader)
        except StopIteration:
            return
        except (_StrayQuote, csv.Error):
            # Costs this one line: what the quote had swallowed is read again as lines of its own.
            lines.give_back()
            yield lines.start, [], "A quote opens here and never closes, or a cell is too long."
        else:
            yield lines.start, values, f"The line is longer than {MAX_LINE:,} characters." if lines.cut else ""


class _StrayQuote(Exception):
    pass


class _Lines:
    """Physical lines for csv.reader, remembering those of the record in hand so that they can be given back.

    csv.reader asks for a further line within a record only while a quote is open.
    """

    def __init__(self, stream: io.TextIOBase):
        self.stream, self.number = stream, 0
        self.waiting: deque[str] = deque()
        self.begin_record()

    def begin_record(self) -> None:
        self.start, self.size, self.cut = self.number + 1, 0, False
        self.taken: list[str] = []

    def give_back(self) -> None:
        """Everything but the record's first line will be read again."""
        surplus = self.taken[1:]
        self.waiting.extendleft(reversed(surplus))
        self.number -= len(surplus)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        if self.taken and self.size > MAX_QUOTED:
            raise _StrayQuote
        line = self.waiting.popleft() if self.waiting else self._read()
        if not line:
            raise _StrayQuote if self.taken else StopIteration
        self.number += 1
        self.taken.append(line)
        self.size += len(line)
        self.cut = self.cut or len(line) >= MAX_LINE
        return line

    def _read(self) -> str:
        line = self.stream.readline(MAX_LINE)
        if len(line) == MAX_LINE and line[-1] not in "\r\n":
            while (piece := self.stream.readline(MAX_LINE)) and piece[-1] not in "\r\n":
                pass  # the rest of an endless line is dropped unseen; `cut` tells
        return line


class _Borrowed(io.RawIOBase):
    """The sample, then the rest of a file that is not ours to close (closing this closes nothing else)."""

    def __init__(self, head: bytes, source: BinaryIO):
        self.head, self.source = head, source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        size = len(buffer)
        data, self.head = (self.head[:size], self.head[size:]) if self.head else (self.source.read(size), b"")
        buffer[: len(data)] = data
        return len(data)


def _western(error: UnicodeError) -> tuple[str, int]:
    """A stray byte far down in a UTF-8 file: somebody pasted Windows text into it, so read it as that."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("leads.western", _western)


def _errors_for(encoding: str) -> str:
    return "leads.western" if encoding.startswith("utf-8") else "replace"
