"""What a person wrote themselves: a reply without the quoted mail, the signature and the device's advertisement. Pure.

Simple rules, one pass over the lines, no pattern that can go wrong on a hostile text. A quote we fail to recognise
stays in the text; a person's own words are never cut for a pattern that is not a quote's beginning.
"""

import re

MAX_LINES = 5_000
MAX_LINE = 500

_ORIGINAL = re.compile(
    r"[\s>]*[-_*=]{2,40}\s*(?:\w{0,20}\s?)?(?:original|ursprüngliche|forwarded|weitergeleitete|d'origine|"
    r"transféré|reenviado|messaggio|oorspronkelijk|mensagem|исходное)"
    r"[\w' ]{0,40}\s*[-_*=]{2,40}\s*|[-_*=]{2,40}\s*(?:message|mensaje|messaggio) (?:d'origine|original|originale|"
    r"transféré|reenviado)\s*[-_*=]{2,40}\s*",
    re.IGNORECASE,
)
_RULE = re.compile(r"\s*_{16,}\s*")
_FROM = re.compile(
    r"\s*\*{0,2}(?:from|von|de|da|van|från|fra|od|от|mittente|expéditeur|差出人|发件人)\s?:\*{0,2}\s*\S", re.IGNORECASE
)
_OTHER = re.compile(
    r"\s*\*{0,2}(?:sent|date|to|cc|subject|reply-to|gesendet|datum|an|betreff|envoyé(?: le| par)?|à|objet|"
    r"date d'envoi|"
    r"enviado(?: el)?|fecha|para|asunto|inviato|data|a|oggetto|verzonden|aan|onderwerp|skickat|till|ämne|wysłano|"
    r"do|temat|"
    r"отправлено|дата|кому|тема|发送时间|收件人|主题)\s?:\*{0,2}",
    re.IGNORECASE,
)
_ATTRIBUTION = re.compile(
    r"\s*(?:on\b.{4,300}\bwrote\s?:|am\b.{4,300}\bschrieb\b.{0,200}:|.{4,200}\bschrieb am\b.{4,200}:|"
    r"le\b.{4,300}\ba écrit\s?:|"
    r"el\b.{4,300}\bescribi[óo]\s?:|il\b.{4,300}\bha scritto\s?:|em\b.{4,300}\bescreveu\s?:|"
    r"op\b.{4,300}\b(?:schreef|het volgende geschreven)\b.{0,200}:|"
    r"(?:den|d)\b.{4,300}\bskrev\b.{0,200}:)\s*",
    re.IGNORECASE,
)
_ADDRESS_WROTE = re.compile(
    r"\s*(?:.{4,300}<[^<>\s]{3,250}@[^<>\s]{3,250}>\s*(?:wrote|schrieb|a écrit|escribió|ha scritto|"
    r"napisał\(?a?\)?|написал\(?а?\)?|пише)\s?:)\s*",
    re.IGNORECASE,
)
_DATED = re.compile(r"\s*\d{4}-\d\d-\d\d \d\d?:\d\d\b.{0,40}(?:GMT|UTC|[+-]\d\d:?\d\d)\b.{0,200}")
_CLOCK_OR_YEAR = re.compile(r"\d{1,2}[:.h]\d\d|\b(?:19|20)\d\d\b")
_DEVICE = re.compile(
    r"\W{0,4}(?:sent (?:from|via|with|by)|from my \w|envoyé (?:depuis|de) mon|von meinem .{0,40}gesendet|"
    r"diese nachricht wurde von|gesendet (?:von|mit)|"
    r"enviado desde mi|inviato da|verzonden (?:met|vanaf)|get outlook for|отправлено с|從我的|从我的).{0,120}",
    re.IGNORECASE,
)
_LINE_OF_MARKS = re.compile(r"\s*[-_*#~=+ᐧ]{2,60}\s*|\s*ᐧ\s*")


def own_words(text: str) -> str:
    """The part of a reply that its author wrote. A mail that is all quote gives ""."""
    lines = [line[:MAX_LINE].rstrip() for line in text.split("\n")[:MAX_LINES]]
    lines = _before_signature(lines)
    cut, rest = _quote_begins(lines)
    above = [line for line in lines[:cut] if not _is_quoted(line)]
    below = _below_quote(lines[rest:])
    if not any(line.strip() for line in above + below) and _is_attributed(lines, cut):
        below = lines[rest:]  # a quote without marks: what is whose cannot be told
    return _tidy(above + [""] + below)


def _before_signature(lines: list[str]) -> list[str]:
    """Without what follows the signature mark `-- ` (RFC 3676 §4.3), unless quoted text or nothing stands before it."""
    for index, line in enumerate(lines):
        if line in ("--", "-- ") and any(word.strip() for word in lines[:index]):
            below = any(_is_quoted(word) or _ORIGINAL.fullmatch(word) for word in lines[index:])
            return lines if below else lines[:index]
    return lines


def _is_quoted(line: str) -> bool:
    return line.lstrip().startswith(">")


def _quote_begins(lines: list[str]) -> tuple[int, int]:
    """Where the quoted mail's introduction begins, and where it ends; twice len(lines) when there is none."""
    for index, line in enumerate(lines):
        if _ORIGINAL.fullmatch(line) or _DATED.fullmatch(line) or _is_header_block(lines, index):
            return index, len(lines)
        if _RULE.fullmatch(line) and _is_header_block(lines, _next_full(lines, index + 1)):
            return index, len(lines)
        if length := _attribution_length(lines, index):
            return index, index + length
    return len(lines), len(lines)


def _next_full(lines: list[str], start: int) -> int:
    return next((index for index in range(start, min(start + 4, len(lines))) if lines[index].strip()), len(lines))


def _is_header_block(lines: list[str], index: int) -> bool:
    """`From: …` with at least two more such lines right below it, as Outlook puts above a quoted mail."""
    if index >= len(lines) or not _FROM.match(lines[index]):
        return False
    return sum(bool(_OTHER.match(line)) for line in lines[index + 1 : index + 7]) >= 2


def _is_attributed(lines: list[str], index: int) -> bool:
    return index < len(lines) and bool(_attribution_length(lines, index))


def _attribution_length(lines: list[str], index: int) -> int:
    """How many lines `On … wrote:` takes here, 0 for none; in other languages when quoted lines follow a dated one."""
    if not lines[index].strip() or _is_quoted(lines[index]):
        return 0
    joins = _joins(lines, index)
    for count, joined in enumerate(joins, start=1):
        if _ATTRIBUTION.fullmatch(joined):
            return count
    for count, joined in enumerate(joins, start=1):
        if _names_writer(joined, lines, index + count):
            # What also holds without its first line begins below: that line is the author's.
            later = _joins(lines, index + 1) if count > 1 else []
            return (
                0
                if any(_ATTRIBUTION.fullmatch(one) or _names_writer(one, lines, index + count) for one in later)
                else count
            )
    return 0


def _joins(lines: list[str], index: int) -> list[str]:
    """Line `index` alone, with the next, and with the next two, as far as no blank line comes between."""
    joins: list[str] = []
    for line in lines[index : index + 3]:
        if not line.strip():
            break
        joins.append(f"{joins[-1]} {line.lstrip('> ')}" if joins else line)
    return joins


def _names_writer(joined: str, lines: list[str], below: int) -> bool:
    """`… <a@b.c> wrote:`, or any dated or addressed line with a colon at its end and quoted lines below it."""
    if _ADDRESS_WROTE.fullmatch(joined):
        return True
    return (
        joined.endswith(":") and _quote_follows(lines, below) and ("@" in joined or bool(_CLOCK_OR_YEAR.search(joined)))
    )


def _quote_follows(lines: list[str], start: int) -> bool:
    return any(_is_quoted(line) for line in lines[start : start + 3])


def _below_quote(lines: list[str]) -> list[str]:
    """What the author wrote under or between quoted lines: paragraphs of their own. [] when no line is marked.

    A line right below a marked one is that line's broken end, not the author's.
    """
    own: list[str] = []
    after_blank = False
    for line in lines[next((index for index, line in enumerate(lines) if _is_quoted(line)), len(lines)) :]:
        if _is_quoted(line):
            after_blank = False
        elif not line.strip() or after_blank:
            after_blank = True
            own.append(line)
    return own


def _tidy(lines: list[str]) -> str:
    while lines and (not lines[-1].strip() or _DEVICE.fullmatch(lines[-1]) or _LINE_OF_MARKS.fullmatch(lines[-1])):
        lines = lines[:-1]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()
