"""What a text says of somebody, held against what we know of them. Pure; asks no model.

A writer names its sources: each claim is a field of the lead that the prompt used, and the words of that field it rests
on. Here the words are looked for in the field, and every fact of the text (leads.facts) in those words or in what the
prompt's author wrote. What rests on nothing is told, and the variable's setting says what becomes of it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from leads.facts import FIGURES, Fact, facts_in, plain_words, words_of
from outbound.mail_html import visible_text
from outbound.templating import ALIASES, Fork, Slot, compile_template, text_of

MOST_CLAIMS = 30
LONGEST_QUOTE = 1000  # characters
ECHO = 12  # words in a row out of one field: that field speaks, not the writer
SHOWN = 5  # facts in a reason


@dataclass(frozen=True)
class Claim:
    """`field` of the lead, the `quote` in it, and whether it `holds`: whether the field says that."""

    field: str
    quote: str
    holds: bool = False

    def as_json(self) -> dict:
        return asdict(self)


@dataclass(frozen=True)
class Checked:
    """`unsupported`: the facts, as they stand in the text, that nothing supports. `reason`: a sentence, "" when all is
    supported."""

    claims: tuple[Claim, ...] = ()
    unsupported: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Sources:
    """What a text may rest on: the lead's values by field, only those that the prompt uses, and the author's words."""

    fields: Mapping[str, str]
    author: str = ""
    _known: dict = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, prompt_template: str, values: Mapping[str, object]) -> "Sources":
        used = compile_template(prompt_template).names()
        fields = {name: text_of(values[name]) for name in used if text_of(values.get(name)).strip()}
        return cls(fields, author_words(prompt_template))


def author_words(template: str) -> str:
    """A template without its holes: what its author wrote, fallbacks and every option included."""
    return "\n".join(_written(compile_template(template).parts)).strip()


def _written(parts: Iterable) -> Iterable[str]:
    for part in parts:
        if isinstance(part, str):
            yield part
        elif isinstance(part, Slot):
            yield part.fallback or ""
        elif isinstance(part, Fork):
            for option in part.options:
                yield from _written(option)


def read_claims(given: object) -> tuple[Claim, ...]:
    """What the writer gave, as far as it has the shape of claims."""
    rows = given if isinstance(given, list) else []
    pairs = [(row.get("field"), row.get("quote")) for row in rows[:MOST_CLAIMS] if isinstance(row, dict)]
    return tuple(
        dict.fromkeys(
            Claim(name[:100], quote[:LONGEST_QUOTE].strip())
            for name, quote in pairs
            if isinstance(name, str) and isinstance(quote, str) and quote.strip()
        )
    )


def check(value: object, claims: Iterable[Claim], sources: Sources, *, output_type: str = "text") -> Checked:
    """The claims, each with whether it holds, and the facts of a text or HTML that nothing supports."""
    looked_at = tuple(Claim(each.field, each.quote, holds(each, sources)) for each in claims)
    wrong = [each for each in looked_at if not each.holds]
    text = readable(value, output_type)
    loose = [fact.text for fact in facts_in(text) if not is_supported(fact, looked_at, sources)] if text else []
    return Checked(looked_at, tuple(loose), _reason(loose, wrong, echoed_field(text, sources)))


def readable(value: object, output_type: str) -> str:
    """The words of a text or HTML as a reader sees them; other types make no statements."""
    if not isinstance(value, str) or output_type not in ("text", "html"):
        return ""
    return visible_text(re.sub(r"<br\s*/?>", "\n", value)) if output_type == "html" else value


def holds(claim: Claim, sources: Sources) -> bool:
    """The quote stands in that field, at the borders of words; case, white space and look-alike marks aside."""
    said = plain_words(sources.fields.get(ALIASES.get(claim.field, claim.field), ""))
    quote = plain_words(claim.quote)
    return bool(quote) and any(_is_whole(said, at, at + len(quote)) for at in _places(said, quote))


def _places(text: str, part: str) -> Iterable[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)


def _is_whole(text: str, start: int, end: int) -> bool:
    return not _splits(text[:start], text[start:]) and not _splits(text[:end], text[end:])


def _splits(before: str, after: str) -> bool:
    """A border inside a word or a figure: `art` in Martin, `1` in 1.5. Scripts without spaces have no such borders."""
    pair = before[-1:] + after[:1]
    if len(pair) == 2 and pair.isalnum():
        return not all(c.isalpha() and c.lower() == c.upper() for c in pair)
    return bool(re.search(r"\d[.,']$", before[-2:]) and after[:1].isdigit()) or bool(
        before[-1:].isdigit() and re.match(r"[.,']\d", after)
    )


def is_supported(fact: Fact, claims: Iterable[Claim], sources: Sources) -> bool:
    """By what a claim that holds quotes, or by the author's own words."""
    if _says(sources.author, fact, sources):
        return True
    kept = [each for each in claims if each.holds]
    return any(
        # A figure must mean the same in the field: the 5 of "5 %" makes no five offices.
        _says(each.quote, fact, sources)
        and (fact.kind not in FIGURES or _says(sources.fields[ALIASES.get(each.field, each.field)], fact, sources))
        for each in kept
    )


def _says(text: str, fact: Fact, sources: Sources) -> bool:
    if text not in sources._known:
        figures = [each for each in facts_in(text) if each.kind in FIGURES]
        sources._known[text] = (figures, words_of(text), plain_words(text))
    figures, words, plain = sources._known[text]
    if fact.kind in FIGURES:
        return any(each.kind == fact.kind and each.keys & fact.keys for each in figures)
    return bool(fact.keys & words) or any(_has_no_case(key) and key in plain for key in fact.keys)


def _has_no_case(key: str) -> bool:
    return key.isalpha() and key.lower() == key.upper()


def echoed_field(text: str, sources: Sources) -> str:
    """The field that the text repeats at length, or ""."""
    spoken = f" {' '.join(_bare(text))} "
    for name, value in sources.fields.items():
        words = _bare(value)
        runs = (" ".join(words[at : at + ECHO]) for at in range(len(words) - ECHO + 1))
        if any(f" {run} " in spoken for run in runs):
            return name
    return ""


def _bare(text: str) -> list[str]:
    return re.findall(r"\w+", plain_words(text))


def _reason(loose: list[str], wrong: list[Claim], echoed: str) -> str:
    if loose:
        shown = ", ".join(f"“{text[:40]}”" for text in loose[:SHOWN])
        return f"Nothing supports {shown}" + (f" and {len(loose) - SHOWN} more." if len(loose) > SHOWN else ".")
    if wrong:
        return f"{wrong[0].field[:50]} does not say “{wrong[0].quote[:80]}”."
    return f"It repeats {ECHO} words or more of {echoed}." if echoed else ""
