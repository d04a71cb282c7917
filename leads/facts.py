"""What in a text could be checked: figures, money, percentages, names, places, titles. Pure, and knows no source.

In doubt a word is a fact: one too many costs a person a look, one too few lets an invention out. What it cannot see is
said in docs/variables.md.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from leads.common_words import ALWAYS, NAMES_LIKE_VERBS, NUMBER_WORDS, QUANTITIES, STARTERS, TITLES

Kind = Literal["number", "percent", "money", "name", "title", "words"]

FIGURES = ("number", "percent", "money")
SPACES = " \u00a0\u202f"
_CURRENCY = {"$": "usd", "us$": "usd", "usd": "usd", "dollar": "usd", "dollars": "usd", "€": "eur", "eur": "eur",
             "euro": "eur", "euros": "eur", "£": "gbp", "gbp": "gbp", "pounds": "gbp", "chf": "chf", "¥": "jpy",
             "₹": "inr"}  # fmt: skip
_TIMES = {"k": 10**3, "thousand": 10**3, "tsd": 10**3, "m": 10**6, "mn": 10**6, "mio": 10**6, "million": 10**6,
          "millions": 10**6, "millionen": 10**6, "millones": 10**6, "b": 10**9, "bn": 10**9, "mrd": 10**9,
          "billion": 10**9, "billions": 10**9, "milliarden": 10**9}  # fmt: skip
_PERCENT = {"%", "percent", "per cent", "prozent", "pour cent", "por ciento", "per cento", "por cento", "procent"}

_NUMBER = re.compile(
    rf"(?:(?P<before>us\$|[$€£¥₹]|\b(?:usd|eur|gbp|chf))[{SPACES}]?)?"
    rf"(?<![\w])(?P<digits>\d{{1,3}}(?:[{SPACES}]\d{{3}})+(?!\d)|\d+(?:[.,'’]\d+)*)(?:st|nd|rd|th)?"
    rf"(?:[{SPACES}-]?(?P<times>{'|'.join(sorted(_TIMES, key=len, reverse=True))})\b\.?)?"
    rf"(?:[{SPACES}]?(?P<after>%|€|\$|£|(?:percent|per cent|prozent|pour cent|por ciento|per cento|por cento|procent"
    rf"|usd|eur|euros?|dollars?|pounds|gbp|chf)\b))?(?![\w])",
    re.I,
)
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_TITLE_OF = re.compile(r"\b(head|director|vp|vice president|leiter(?:in)?)\s+(?:of|der|des)\s+(\w+)", re.I)
_ENDS = re.compile(r"(?:^|[.!?:;…\n•¿¡])[\s\"'“”„«»‘’()\[\]*–—-]*$")
_GERMAN = re.compile(r"\b(?:der|die|das|und|ist|nicht|für|mit|sie|ihr|ihre|eine?|wir|ich|auf|sind|haben|wie)\b", re.I)
_GERMAN_NAME_AFTER = {"in", "bei", "aus", "nach", "von", "herr", "frau", "firma", "als", "namens", "um"}


@dataclass(frozen=True)
class Fact:
    """`text` as it stands there; `keys`: readings of it, of which a source must have one (of a word: its forms)."""

    text: str
    kind: Kind
    keys: frozenset


def facts_in(text: str) -> list[Fact]:
    """Every fact once, in the order of the text."""
    text = even(text).replace("24/7", "    ")  # an idiom
    numbers = list(_NUMBER.finditer(text))
    inside = [(match.start(), match.end()) for match in numbers]
    found = [
        (at, fact)
        for at, fact in (*_spelled(text), *_words(text))
        if not any(start <= at < end for start, end in inside)
    ]
    found += [(match.start(), _number(match)) for match in numbers]
    once: dict = {}
    for _, fact in sorted(found, key=lambda each: each[0]):
        once.setdefault(((fact.kind if fact.kind in FIGURES else "word"), fact.keys), fact)
    return list(once.values())


def words_of(text: str) -> set[str]:
    """Every word, folded: what a name may rest on."""
    return {word for match in _WORD.finditer(even(text)) for word in _forms(match[0])}


def even(text: str) -> str:
    """One form for what looks the same: compatibility characters, dashes, quotation marks; case and lines stay."""
    text = unicodedata.normalize("NFKC", text).replace("\u2011", "-")
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c)[0] != "C")


def plain_words(text: str) -> str:
    """As `even`, without case and with one space between words: what quotes are compared in."""
    return " ".join(even(text).translate(_QUOTES).casefold().split())


_QUOTES = str.maketrans({"’": "'", "‘": "'", "`": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-", "−": "-"})


# --- Numbers ----------------------------------------------------------------------------------------------------------


def _number(match: re.Match) -> Fact:
    sign = (match["before"] or match["after"] or "").lower()
    times = _TIMES.get((match["times"] or "").lower(), 1)
    kind: Kind = "percent" if sign in _PERCENT else "money" if sign in _CURRENCY else "number"
    readings = {value * times for value in _readings(match["digits"])} or {match["digits"]}
    return Fact(match[0].strip().rstrip("."), kind, frozenset((_CURRENCY.get(sign, ""), value) for value in readings))


def _readings(digits: str) -> set[Decimal]:
    """What a figure may mean: 1.200 is twelve hundred to some and one point two to others. None: a date, a version."""
    joined = re.sub(rf"[{SPACES}.,'’]", "", digits)
    marks = re.findall(rf"[{SPACES}.,'’]", digits)
    if not marks:
        return {Decimal(digits)}
    in_thousands = re.fullmatch(rf"\d{{1,3}}(?:[{SPACES}.,'’]\d{{3}})+", digits) and len(set(marks)) == 1
    found = {Decimal(joined)} if in_thousands else set()
    last = re.split(r"[.,]", digits)[-1]
    if marks[-1] in ".," and digits.count(marks[-1]) == 1 and (len(marks) == 1 or marks[-1] != marks[0]):
        found.add(Decimal(f"{joined[: -len(last)] or 0}.{last}"))
    return found


def _spelled(text: str) -> Iterator[tuple[int, Fact]]:
    """Numbers in words: twenty-five is 25, three hundred thousand 300,000."""
    for match in _SPELLED.finditer(text):
        yield match.start(), Fact(match[0], "number", frozenset({("", Decimal(_value(match[0])))}))


def _value(words: str) -> int:
    whole = part = 0
    for word in re.split(r"[\s-]+", words.casefold()):
        number = NUMBER_WORDS[word]
        if number < 100:
            part += number
        elif number == 100:
            part = max(part, 1) * number
        else:
            whole, part = whole + max(part, 1) * number, 0
    return whole + part


_ANY = "|".join(sorted(map(re.escape, NUMBER_WORDS), key=len, reverse=True))
_SPELLED = re.compile(rf"\b(?:{_ANY})(?:[ -](?:{_ANY}))*\b", re.I)

# --- Words ------------------------------------------------------------------------------------------------------------


def _words(text: str) -> Iterator[tuple[int, Fact]]:
    is_german = len(_GERMAN.findall(text)) * 6 >= len(text.split())
    matches = list(_WORD.finditer(text))
    for match in _TITLE_OF.finditer(text):
        yield from ((match.start(part), _fact(match[part], "title")) for part in (1, 2))
    for index, match in enumerate(matches):
        word, folded = match[0], match[0].casefold()
        if folded in NUMBER_WORDS:
            continue
        if folded in TITLES:
            yield match.start(), _fact(word, "title")
        elif folded in QUANTITIES:
            yield match.start(), _fact(word, "words")
        elif _has_no_case(word):
            yield match.start(), Fact(word, "words", frozenset({word.casefold()}))
        elif _looks_like_a_name(word) and not _is_ordinary(text, matches, index, is_german):
            yield match.start(), _fact(word, "name")


def _fact(word: str, kind: Kind) -> Fact:
    return Fact(word, kind, frozenset(_forms(word)))


def _forms(word: str) -> set[str]:
    """The word, and what it is without a possessive: Acme's, Berlins, James'."""
    folded = word.replace("’", "'").casefold()
    bare = folded.removesuffix("'s").removesuffix("'")
    article = re.sub(r"^(?:l|d|qu|j|c|n|s|m|t|dell|all|nell|sull|un)'", "", bare)  # l'équipe, d'Airbus
    return {folded, bare, article}


def _looks_like_a_name(word: str) -> bool:
    return any(c.isupper() or c.istitle() for c in word) or (
        any(c.isdigit() for c in word) and any(c.isalpha() for c in word)
    )


def _has_no_case(word: str) -> bool:
    """Scripts without capitals: nothing tells a name there, so every word counts."""
    return any(unicodedata.category(c) == "Lo" and c not in "ªº" for c in word)


def _is_ordinary(text: str, matches: list[re.Match], index: int, is_german: bool) -> bool:
    match = matches[index]
    folded = match[0].replace("’", "'").casefold()
    if folded in ALWAYS or (_NUMBER_ENDING.fullmatch(folded)):
        return True
    is_plain_capital = match[0][0].isupper() and not any(c.isupper() or c.isdigit() for c in match[0][1:])
    if not is_plain_capital and match[0] not in ("A", "I"):
        return False
    if _ENDS.search(text, max(0, match.start() - 12), match.start()) or match.start() == 0:
        return folded in STARTERS or (
            len(folded) > 5 and folded.endswith(("ing", "ly")) and folded not in NAMES_LIKE_VERBS
        )
    return is_german and _is_german_noun(matches, index)


_NUMBER_ENDING = re.compile(r"\d+(?:st|nd|rd|th)")


def _is_german_noun(matches: list[re.Match], index: int) -> bool:
    """German writes every noun large: a name is taken for one after certain words, or beside another capital."""
    before = matches[index - 1] if index else None
    after = matches[index + 1] if index + 1 < len(matches) else None
    here = matches[index]
    if before and before[0].casefold() in _GERMAN_NAME_AFTER:
        return False
    beside = [each for each in (before, after) if each and each[0][0].isupper() and _touch(each, here)]
    return not any(each[0].casefold() not in STARTERS | ALWAYS for each in beside)


def _touch(one: re.Match, other: re.Match) -> bool:
    low, high = sorted((one, other), key=lambda match: match.start())
    return (
        high.start() - low.end() == 1
        and "\n" not in high.string[low.end() : high.start()]
        and (high.string[low.end()] in " -")
    )
