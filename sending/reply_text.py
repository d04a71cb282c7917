"""What a person wrote themselves: a reply without the quoted mail, the signature and the device's advertisement. Pure.

Each line gets a kind, one letter: t text, q quoted, b the line that introduces a quote, d where everything below is
not the author's, F the head of a forwarded mail, e empty. The rules then speak of the order of kinds. Where an author
answers between quoted lines, those stay in what is shown (`reply_text`), since the answer needs them, and never in
`own_words`, on which decisions rest.
"""

import re

from sending import quote_words as words

MAX_LINES = 5_000
MAX_LINE = 500
# This many lines under a whole quoted mail are a footer; more are an answer.
_FOOTER_LINES = 6
_SIGNATURE_LINES = 12


def reply_text(text: str) -> str:
    """What the author sent, for reading: their words and, between them, the lines they answer.

    A mail that is nothing but a quote is shown whole.
    """
    lines, kinds = _read(text)
    return _tidy([line for line, kind in zip(lines, kinds, strict=True) if kind not in "bF"])


def own_words(text: str) -> str:
    """The author's words alone. A mail that is all quote, or only forwards one, gives ""."""
    lines, kinds = _read(text)
    if "F" in kinds:
        return ""
    return _tidy([line if kind != "q" else "" for line, kind in zip(lines, kinds, strict=True) if kind not in "bF"])


def _read(text: str) -> tuple[list[str], str]:
    """The lines that stay and their kinds."""
    lines = [line[:MAX_LINE].rstrip() for line in text.split("\n")[:MAX_LINES]]
    kinds = _kinds(lines)
    end = _end(kinds)
    start = _start(kinds[:end])
    lines, kinds = lines[start:end], kinds[start:end]
    return (lines, kinds) if "t" not in kinds else _without_tail(lines, kinds)


def _kinds(lines: list[str]) -> str:
    kinds = ["e" if not line.strip() else "q" if _is_quoted(line) else "t" for line in lines]
    index = 0
    while index < len(lines):
        index += _mark(lines, kinds, index)
    return _mend_wraps("".join(kinds))


def _mark(lines: list[str], kinds: list[str], index: int) -> int:
    """Mark what begins at a line; the number of lines it takes."""
    if kinds[index] != "t":
        return 1
    above = "t" in kinds[:index]
    length = _original_length(lines, index)
    if length or _is_signature(lines, kinds, index):
        # With nothing above, the mail is a forward, or answers below what it quotes.
        for at in range(index, index + max(1, length)):
            kinds[at] = "d" if above else "F" if length else "e"
        return max(1, length)
    if length := _attribution_length(lines, index):
        kinds[index : index + length] = "b" * length
    return max(1, length)


def _is_quoted(line: str) -> bool:
    return bool(re.match(r"\s*[A-Z]{0,3}[>|｜]", line)) and not line.lstrip().startswith("||")


def _original_length(lines: list[str], index: int) -> int:
    """Lines of `-----Original Message-----` with its headers, or of headers alone; 0 when neither begins here."""
    line = lines[index]
    if words.ORIGINAL.fullmatch(line) or words.BEGIN_FORWARDED.fullmatch(line):
        return 1 + _header_length(lines, _next_full(lines, index + 1))
    if words.DATED.fullmatch(line):
        return 1
    if words.RULE.fullmatch(line):
        start = _next_full(lines, index + 1)
        length = _header_length(lines, start)
        return start - index + length if length else 0
    return _header_length(lines, index)


def _header_length(lines: list[str], index: int) -> int:
    """`From: …` with at least two more such lines right below it, as Outlook puts above a quoted mail."""
    if index >= len(lines) or not words.FROM_LINE.match(lines[index]):
        return 0
    below = lines[index + 1 : index + 9]
    last = max((at for at, line in enumerate(below, 1) if words.OTHER_LINE.match(line)), default=0)
    return last + 1 if sum(bool(words.OTHER_LINE.match(line)) for line in below) >= 2 else 0


def _next_full(lines: list[str], start: int) -> int:
    return next((index for index in range(start, min(start + 4, len(lines))) if lines[index].strip()), len(lines))


def _is_signature(lines: list[str], kinds: list[str], index: int) -> bool:
    """`-- ` (RFC 3676 §4.3), or another line of marks with no more than a signature below it."""
    if lines[index].strip() == "--":
        return True
    if not words.MARKS.fullmatch(lines[index]):
        return False
    return kinds[index + 1 :].count("t") <= _SIGNATURE_LINES


def _attribution_length(lines: list[str], index: int) -> int:
    """How many lines `On … wrote:` takes here, 0 for none."""
    joins = _joins(lines, index)
    for count, joined in enumerate(joins, start=1):
        if _is_attribution(joined):
            return count
    for count, joined in enumerate(joins, start=1):
        if _introduces(joined, lines, index + count):
            # What also holds without its first line begins below: that line is the author's.
            later = _joins(lines, index + 1)[: count - 1]
            held = any(_is_attribution(one) or _introduces(one, lines, index + count) for one in later)
            return 0 if held else count
    return 0


def _is_attribution(joined: str) -> bool:
    return joined.endswith(":") and bool(words.ATTRIBUTION.fullmatch(joined))


def _joins(lines: list[str], index: int) -> list[str]:
    """Line `index` alone, with the next, and so on to four lines, as far as no blank line comes between."""
    joins: list[str] = []
    for line in lines[index : index + 4]:
        if not line.strip():
            break
        joins.append(f"{joins[-1]} {line.lstrip('> ').rstrip()}" if joins else line.strip())
    return joins


def _introduces(joined: str, lines: list[str], below: int) -> bool:
    """A dated or addressed line that ends in a colon and says `wrote`, names an address, or has a quote below."""
    if not joined.endswith((":", "：")):
        return False
    dated, addressed = bool(words.DATE_OR_CLOCK.search(joined)), bool(words.ADDRESS.search(joined))
    if dated and addressed or (addressed and words.WROTE.fullmatch(joined)):
        return True
    return (dated or "@" in joined) and any(_is_quoted(line) for line in lines[below : below + 3])


def _mend_wraps(kinds: str) -> str:
    """One line between quoted ones is the broken end of the line above it."""
    return re.sub(r"(?<=q)t(?=q)", "q", kinds)


def _end(kinds: str) -> int:
    """Where the author's part ends: at a delimiter, or where a quote begins that nobody answers within."""
    end = kinds.find("d") if "d" in kinds else len(kinds)
    for found in re.finditer("b+", kinds[:end]):
        below = kinds[found.end() : end]
        if "t" in kinds[: found.start()] and ("q" not in below or _is_footer(below)):
            return found.start()
    return end


def _start(kinds: str) -> int:
    """Where the author's part begins when all of it stands below a quote that was introduced as one."""
    lead = re.match(r"[eqb]*b[eqb]*q[eqb]*(?=t[^q]*$)", kinds)
    return lead.end() if lead else 0


def _is_footer(below: str) -> bool:
    """One quoted stretch with a few lines under it."""
    tail = re.fullmatch(r"[eqb]*q[eqb]*([te]*)", below)
    return bool(tail) and tail[1].count("t") <= _FOOTER_LINES


def _without_tail(lines: list[str], kinds: str) -> tuple[list[str], str]:
    """Without quoted lines, marks and the device's words at the end."""
    while kinds and (kinds[-1] != "t" or words.DEVICE.fullmatch(lines[-1]) or words.MARKS.fullmatch(lines[-1])):
        lines, kinds = lines[:-1], kinds[:-1]
    return lines, kinds


def _tidy(lines: list[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n").rstrip()
