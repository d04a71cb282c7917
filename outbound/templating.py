"""The words of a mail with holes in them: `{{name|fallback}}`, `{Hi|Hello}` and `{{random|a|b}}`. Nothing else.

A template is compiled once to parts and rendered by walking them, so a value is inserted as data and never read again
as a template. Everything here is linear in the length of the text. Pure: no clock, no database.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

ALIASES = {"company": "company_name"}  # both contracts' words for one field

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_ ]*")
_INLINE = r"(?P<escape>\\[{}|])|(?P<slot>\{\{[^{}]*+\}\})"
_PLAIN = re.compile(_INLINE + r"|(?P<brace>[{}|])")
_IN_TAG = re.compile(_INLINE)
_SPACE = r"[ \t\n\r\f]*+"
_RAW = "script|style|title|textarea|xmp|iframe|noembed|noframes|noscript|template|svg|math"
_HTML = re.compile(
    _PLAIN.pattern
    # Their content is nobody's words: left alone here, and dropped when the mail is cleaned.
    + rf"|(?P<raw><!--.*?(?:-->|\Z)|<(?P<raw_name>{_RAW})\b.*?(?:</(?P=raw_name)|\Z)|<(?:[!?]|/(?![A-Za-z]))[^>]*+>?)"
    rf"|(?P<tag></?[A-Za-z](?:={_SPACE}\"[^\"]*+(?:\"|\Z)|={_SPACE}'[^']*+(?:'|\Z)|\{{\{{[^{{}}]*+\}}\}}|[^>={{]++|[={{])*+>?)"
    r"|(?P<less><)",
    re.DOTALL | re.IGNORECASE,
)
# Controls but tab and newline, C1, and lone surrogates: no reader shows them and no mail server is bound to carry them.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_NEWLINES = re.compile("\r\n|[\r\u0085\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Slot:
    """A hole for a value. `fallback` None: none was written. `in_tag`: inside an HTML tag, where markup cannot be."""

    name: str
    fallback: str | None
    in_tag: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Fork:
    """Options of which one is taken. `index` numbers the forks of a template, for a stable choice."""

    index: int
    options: tuple[tuple, ...]


@dataclass(frozen=True, slots=True)
class Rendered:
    """`missing`: names that came out empty without a written fallback. `shown`: names that stand in the text itself."""

    text: str
    missing: tuple[str, ...]
    shown: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A compiled text: parts are str, Slot or Fork."""

    parts: tuple
    slots: tuple[Slot, ...]

    def names(self) -> set[str]:
        """Every name the text may ask for, aliases resolved, options that will not be chosen included."""
        return {slot.name for slot in self.slots}

    def names_without_fallback(self) -> set[str]:
        return {slot.name for slot in self.slots if slot.fallback is None}

    def render(
        self,
        values: Mapping[str, object],
        *,
        escape: Callable[[object, bool], str] | None = None,
        choose: Callable[[int, int], int] | None = None,
    ) -> Rendered:
        """The text with its values. `escape(value, in_tag)` makes the text of a value that is not blank;
        `choose(index, n)` answers 0 … n−1 for each fork (the first option without it)."""
        out: list[str] = []
        missing: dict[str, None] = {}
        shown: set[str] = set()
        for part in self._chosen(choose or (lambda index, n: 0)):
            if isinstance(part, str):
                out.append(part)
                continue
            value = values.get(part.name)
            if not text_of(value).strip():
                out.append(part.fallback or "")
                if part.fallback is None:
                    missing[part.name] = None
                continue
            out.append(escape(value, part.in_tag) if escape else text_of(value))
            if not part.in_tag:
                shown.add(part.name)
        return Rendered("".join(out), tuple(missing), frozenset(shown))

    def _chosen(self, choose: Callable[[int, int], int]) -> Iterator[str | Slot]:
        # A stack of our own: ten thousand nested braces must not end in a RecursionError.
        stack = [iter(self.parts)]
        while stack:
            for part in stack[-1]:
                if isinstance(part, Fork):
                    stack.append(iter(part.options[choose(part.index, len(part.options))]))
                    break
                yield part
            else:
                stack.pop()


@lru_cache(maxsize=512)
def compile_template(text: str, *, html: bool = False) -> Template:
    """Compile `text`. With `html`, braces inside tags, attributes, styles and comments are left alone, while
    `{{name}}` still works in attributes."""
    tokens = list(_tokens(text, html))
    return _build(tokens, _pair(tokens))


def seeded(seed: str) -> Callable[[int, int], int]:
    """A `choose` that gives the same answer for the same seed and fork, in every process and for ever."""

    def choose(index: int, n: int) -> int:
        digest = hashlib.sha256(f"{seed}\x00{index}".encode("utf-8", "replace")).digest()
        return int.from_bytes(digest[:8], "big") % n

    return choose


def text_of(value: object) -> str:
    """A value as plain text: None is empty, booleans as JSON writes them, a list with commas, controls dropped."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return ", ".join(text_of(item) for item in value)
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False, default=str)
    return _UNPRINTABLE.sub("", _NEWLINES.sub("\n", str(value)))


def problems(text: str, *, html: bool = False) -> list[str]:
    """Sentences about what was probably meant otherwise. None of them stops the text from rendering."""
    tokens = list(_tokens(text, html))
    pairs = _pair(tokens)
    found: dict[str, None] = {}
    for at, (kind, value) in enumerate(tokens):
        if kind == "illegal":
            found[f"{_short(value)} is no placeholder: names are letters, digits, spaces and _, no digit first."] = None
        elif kind == "open" and at in pairs.unclosed:
            found["A { is never closed by a }."] = None
        elif kind == "close" and at in pairs.unopened:
            found["A } closes nothing."] = None
        elif kind == "open" and at not in pairs.forks and _is_single_braced_name(tokens, at):
            name = tokens[at + 1][1].strip()
            found[f"{{{_short(name)}}} is plain text: a placeholder is written {{{{{_short(name)}}}}}."] = None
    return list(found)[:20]


# --- Text to tokens ---------------------------------------------------------------------------------------------------


def _tokens(text: str, html: bool) -> Iterator[tuple[str, Any]]:
    """(kind, value): text str · slot Slot · random options · illegal str · open, bar, close str."""
    kinds = {"{": "open", "|": "bar", "}": "close"}
    done = 0
    for match in (_HTML if html else _PLAIN).finditer(text):
        if match.start() > done:
            yield "text", text[done : match.start()]
        done = match.end()
        kind, found = match.lastgroup, match.group()
        if kind == "brace":
            yield kinds[found], found
        elif kind == "tag":
            yield from _tag_tokens(found)
        elif kind == "less":
            # A < that begins no tag must not begin one together with a value: <{{name}}>.
            yield "text", "&lt;"
        else:
            yield _inline(kind, found, in_tag=False)
    yield "text", text[done:]


def _tag_tokens(tag: str) -> Iterator[tuple[str, Any]]:
    done = 0
    for match in _IN_TAG.finditer(tag):
        yield "text", tag[done : match.start()]
        done = match.end()
        yield _inline(match.lastgroup, match.group(), in_tag=True)
    yield "text", tag[done:]


def _inline(kind: str | None, found: str, *, in_tag: bool) -> tuple[str, Any]:
    if kind == "slot":
        return _placeholder(found, in_tag)
    if kind == "escape":
        # Outside braces a bar needs no escape, so its backslash is meant: _build decides.
        return ("escaped bar", found) if found[1] == "|" else ("text", found[1])
    return "text", found


def _placeholder(found: str, in_tag: bool) -> tuple[str, Any]:
    name, bar, rest = found[2:-2].partition("|")
    name = name.strip()
    if not _NAME.fullmatch(name):
        return "illegal", found
    if bar and name.lower() == "random":
        return "random", tuple(rest.split("|"))
    return "slot", Slot(ALIASES.get(name, name), rest.strip() if bar else None, in_tag)


# --- Tokens to parts --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Positions among the tokens: what each brace turned out to be."""

    forks: set[int]  # opening and closing braces with a bar between, and those bars
    unclosed: set[int]
    unopened: set[int]


def _pair(tokens: list[tuple[str, Any]]) -> _Pairs:
    """Match the braces first, so that building never has to take anything back (which would be quadratic)."""
    forks: set[int] = set()
    unopened: set[int] = set()
    stack: list[tuple[int, list[int]]] = []
    for at, (kind, _) in enumerate(tokens):
        if kind == "open":
            stack.append((at, []))
        elif kind == "bar" and stack:
            stack[-1][1].append(at)
        elif kind == "close" and stack:
            opened, bars = stack.pop()
            if bars:
                forks.update((opened, at), bars)
        elif kind == "close":
            unopened.add(at)
    return _Pairs(forks, {opened for opened, _ in stack}, unopened)


def _build(tokens: list[tuple[str, Any]], pairs: _Pairs) -> Template:
    slots: list[Slot] = []
    index = 0
    stack: list[list[list]] = [[[]]]  # frames of options of parts; the outermost has one option
    for at, (kind, value) in enumerate(tokens):
        here = stack[-1][-1]
        if at in pairs.forks and kind == "open":
            stack.append([[]])
        elif at in pairs.forks and kind == "bar":
            stack[-1].append([])
        elif at in pairs.forks:
            options = tuple(tuple(parts) for parts in stack.pop())
            stack[-1][-1].append(Fork(index, options))
            index += 1
        elif kind == "random":
            here.append(Fork(index, tuple((option.strip(),) for option in value)))
            index += 1
        elif kind == "slot":
            here.append(value)
            slots.append(value)
        elif kind == "escaped bar":
            here.append("|" if len(stack) > 1 else value)
        elif value:
            here.append(value)
    return Template(tuple(stack[0][0]), tuple(slots))


def _is_single_braced_name(tokens: list[tuple[str, Any]], at: int) -> bool:
    if at + 2 >= len(tokens) or tokens[at + 1][0] != "text" or tokens[at + 2][0] != "close":
        return False
    return bool(_NAME.fullmatch(tokens[at + 1][1].strip()))


def _short(text: object) -> str:
    text = str(text)
    return text if len(text) <= 60 else text[:57] + "…"
