"""Guess how a text file was written: its encoding and its delimiter, from the first bytes of it."""

import codecs
import csv
import io
import re

import charset_normalizer

DELIMITERS = (",", ";", "\t", "|")
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16: its mark begins with UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SEP_LINE = re.compile(r"sep=([^\w\s\"]|\t)[\r\n]", re.IGNORECASE)  # Excel's own way of naming the delimiter
TABLE_CODECS = re.compile(
    r"utf-8|utf-16(-[lb]e)?|cp125\d|iso8859-\d+|mac-roman|shift_jis|cp932|gbk|gb18030|big5|euc_(kr|jp)|koi8-[ru]"
)
# Symbols that stand inside words only when Central European letters (ł ą ż Ł) are read as Western ones.
CENTRAL_EUROPEAN = re.compile(r"(?<=[A-Za-z])[³¹¿£¯]|[³¹¿£¯](?=[a-z])")


def guess_encoding(sample: bytes, *, hint: str = "") -> str:
    """A Python codec name. `hint` is what the sender said (a charset parameter); it counts only if it fits."""
    for mark, encoding in BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            return encoding
    said = _table_codec(hint)
    if said and _decodes(sample, said):
        return said
    if wide := _utf16_without_mark(sample):
        return wide
    if _decodes(sample, "utf-8"):
        return "utf-8"
    return _legacy_encoding(sample)


def _table_codec(name: str) -> str:
    """A codec people's tables are in, or "". Codecs like zip or unicode_escape must not be had by asking for them."""
    try:
        known = codecs.lookup(name).name if name else ""
    except LookupError:
        return ""
    if known == "iso8859-1":
        return "cp1252"  # as browsers do: whoever says Latin-1 nearly always means Windows
    return known if TABLE_CODECS.fullmatch(known) else ""


def _decodes(sample: bytes, encoding: str) -> bool:
    try:
        # Not final: the sample may end in the middle of a character.
        codecs.getincrementaldecoder(encoding)("strict").decode(sample, final=False)
    except (UnicodeError, LookupError, TypeError):
        return False
    return True


def _utf16_without_mark(sample: bytes) -> str:
    even, odd = sample[::2].count(0), sample[1::2].count(0)
    enough = len(sample) * 0.3
    if odd > enough and not even:
        return "utf-16-le"
    return "utf-16-be" if even > enough and not odd else ""


def _legacy_encoding(sample: bytes) -> str:
    """Western by default: in a list of names, few letters are not ASCII, and statistics cannot tell which they are.

    Only when most letters are foreign (Cyrillic, Greek, Japanese…) is there enough for the statistics.
    """
    high = sum(byte > 0x7F for byte in sample)
    ascii_letters = sum(chr(byte).isalpha() for byte in sample if byte < 0x80)
    if high > 0.5 * ascii_letters and (best := charset_normalizer.from_bytes(sample[:20_000]).best()):
        return best.encoding
    if len(CENTRAL_EUROPEAN.findall(sample.decode("cp1252", "replace"))) >= 2:
        return "cp1250"
    return "cp1252"


def guess_delimiter(sample: str) -> str:
    """The delimiter under which the records are most alike, more columns counting a little more.

    csv.Sniffer is not used: it counts characters, and takes the commas inside values for delimiters.
    """
    if named := SEP_LINE.match(sample):
        return named[1]
    scores = {delimiter: _consistency(sample, delimiter) for delimiter in DELIMITERS}
    return max(DELIMITERS, key=lambda delimiter: scores[delimiter])  # a tie goes to the comma


def _consistency(sample: str, delimiter: str) -> float:
    widths = _widths(sample, delimiter)
    if not widths or widths[0] < 2:
        return 0.0
    alike = sum(width == widths[0] for width in widths) / len(widths)
    return alike * (1 - 1 / (widths[0] + 1))


def _widths(sample: str, delimiter: str, most: int = 200) -> list[int]:
    widths: list[int] = []
    try:
        for record in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
            if any(cell.strip() for cell in record):
                widths.append(len(record))
            if len(widths) >= most:
                break
        else:
            widths = widths[:-1] or widths  # the last record may be cut off by the sample's end
    except csv.Error:
        pass  # an endless quoted cell further down: judge by what came before it
    return widths
