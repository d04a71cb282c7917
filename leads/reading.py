"""Open a file of leads, whatever it is: CSV in any common encoding and delimiter, or an Excel workbook.

The content decides, not the name: people rename files. Nothing here knows what the columns mean (leads.columns).
"""

from email.message import Message
from typing import BinaryIO

from leads.csv_rows import read_csv
from leads.tables import Row, Table, UnreadableFile
from leads.xlsx_rows import read_xlsx

__all__ = ["Row", "Table", "UnreadableFile", "read_rows"]

SAMPLE = 256 * 1024  # bytes looked at before deciding
NOT_A_TABLE = (
    (b"\xd0\xcf\x11\xe0", "This is an old Excel file (.xls). Save it as .xlsx or CSV."),
    (b"\x1f\x8b", "The file is compressed. Unpack it first."),
    (b"%PDF", "This is a PDF. Upload a .csv or .xlsx file."),
    (b"{", "This looks like JSON. Upload a .csv or .xlsx file, or send JSON to POST /api/v1/leads."),
    (b"<", "This looks like a web page or XML. Upload a .csv or .xlsx file."),
)


def read_rows(source: BinaryIO, *, filename: str = "", content_type: str = "") -> Table:
    """The columns at once, the rows as they are asked for. `source` needs read(); it stays open and is the caller's.

    A charset in `content_type` is believed if the text fits it. Raises UnreadableFile, also while rows are walked.
    """
    sample = _read_up_to(source, SAMPLE)
    if not sample.strip():
        raise UnreadableFile(f"The file {filename} is empty." if filename else "The file is empty.")
    if sample.startswith(b"PK\x03\x04"):
        return read_xlsx(source, sample=sample)
    _refuse_what_is_no_table(sample)
    return read_csv(source, sample=sample, charset=_charset_of(content_type))


def _read_up_to(source: BinaryIO, size: int) -> bytes:
    pieces, missing = [], size
    while missing and (piece := source.read(missing)):  # a socket may give less than asked for
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def _refuse_what_is_no_table(sample: bytes) -> None:
    start = sample.removeprefix(b"\xef\xbb\xbf").lstrip()
    for mark, sentence in NOT_A_TABLE:
        if start.startswith(mark):
            raise UnreadableFile(sentence)
    control = sum(sample.count(bytes([code])) for code in range(1, 32) if code not in b"\t\n\x0b\x0c\r")
    if control > len(sample) / 10:
        raise UnreadableFile("This is not a text file. Upload a .csv or .xlsx file.")


def _charset_of(content_type: str) -> str:
    header = Message()
    header["content-type"] = content_type.replace("\r", " ").replace("\n", " ")
    return header.get_content_charset("") or ""
