"""What a writer wrote, on its way into a mail. Pure.

Whoever fills a lead's field may have addressed the model. So whatever it says: no link, address or telephone number
that the prompt's author did not write, no markup beyond the output type, no invisible or direction-changing
characters, none of our own instructions, nothing over-long.
"""

import html
import json
import re
import unicodedata
from typing import Any

import nh3

from leads.writers.base import FENCE, OutputType, WriterFailed, WriterRefused

LONGEST = {"text": 2000, "html": 4000, "json": 4000}
INLINE = {"a", "b", "br", "em", "i", "span", "strong", "u"}
JOINERS = "\u200c\u200d"  # needed by Persian, Indic scripts and emoji
# Letters and symbols that show nothing, and marks that only choose a shape.
UNSEEN = dict.fromkeys([0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0, 0x34F])
SELECTORS = dict.fromkeys([*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0), *map(ord, JOINERS)])

URL = re.compile(
    r"\b(?:[a-z][a-z0-9+.-]{1,20}:/{1,2}|www\.|(?:mailto|tel|sms|javascript|data|hxxps?):)[^\s<>\"'()\[\]]+", re.I
)
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
DOMAIN = re.compile(
    r"(?<![\w.@-])(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,5}([^\W\d_]{2,24}|xn--[a-z0-9-]{2,59})(?![\w-])", re.I
)
ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?(?:/[^\s<>\"']*)?(?![\w.])")
# Written so that no machine sees a link and every person does: evil[.]com, evil dot com, boss (at) evil.
SPELLED = re.compile(
    r"\w+\s*[\[({<]\s*(?:\.|dot|punkt|punto|point|at|@)\s*[\])}>]\s*\w+"
    r"|\w+\s+(?:dot|punkt|punto|point)\s+(?:com|net|org|io|co|info|biz|test|app|dev|xyz|de|ru|cn)\b",
    re.I,
)
PHONE = re.compile(r"(?<![\w.,])(?:\+|00)?\(?\d(?:[\s().\u2010-\u2015/·-]{0,3}\d){6,17}(?![\w])")
NO_PHONE = re.compile(
    r"(?:\d{4}\s?[\u2010-\u2015/-]\s?\d{4}|\d{4}-\d\d-\d\d|\d\d?[./-]\d\d?[./-]\d{4}|\d{1,3}(?:[ .,]\d{3})+)"
)
DOTS = str.maketrans("。｡．․‧∙", "......")  # what browsers, or eyes, take for a dot in a name
NO_DOMAINS = frozenset(("js", "ts", "pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "css", "json", "txt", "png"))
SURE_DOMAINS = frozenset(
    ("com", "net", "org", "info", "biz", "xyz", "io", "ru", "cn", "tk", "top", "test")
)  # however they are written
PRODUCTS = {"asp.net", "ado.net", "vb.net"}
MARKUP = re.compile(r"<[a-z/!?]", re.I)
EMPHASIS = re.compile(r"(\*\*|__)(?=\S)([^*_\n]{1,300}?)(?<=\S)\1")
MARKS = re.compile(r"`+|^#{1,6} ", re.M)  # of Markdown: code and headings
MARKDOWN_LINK = re.compile(r"!?\[[^\[\]]{0,300}\]\s?(?:\(|\[|:)")
# What we said to the writer, said back: the fence, a template's hole, somebody's role in a conversation.
ECHO = re.compile(
    rf"{FENCE}|\{{\{{|\}}\}}|<\|[a-z_]+\|>|\[/?INST\]|<<SYS>>|\b(?:system|assistant) ?prompt\b"
    r"|^\s*(?:system|assistant|human)\s*:",
    re.I | re.M,
)
ECHOED_WORDS = 12  # in a row, out of the prompt


def filtered(
    value: Any,
    *,
    output_type: OutputType,
    prompt: str,
    company: str = "",
    max_length: int | None = None,
    instructions: str = "",
) -> Any:
    """The value as it may go out. `prompt` without lead data says which links and numbers are allowed.

    `instructions`: what the writer was told and must not repeat. Raises WriterFailed for what another attempt may mend,
    WriterRefused for a link or an address.
    """
    if output_type in ("number", "boolean"):
        return value
    refuse_long(value, output_type, max_length)
    shape = inline_html if output_type == "html" else plain

    def change(text: str) -> str:
        refuse_echo(text, instructions)
        return without_links(shape(text), allowed=allowed_in(prompt, company))

    shaped = each_text(value, change)
    refuse_long(shaped, output_type, max_length)
    return shaped


def refuse_long(value: Any, output_type: OutputType, max_length: int | None) -> None:
    """Characters of a text as it is written, of JSON as it is stored."""
    most = min(LONGEST[output_type], max_length or LONGEST[output_type])
    if len(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)) > most:
        raise WriterFailed(f"The text is longer than {most:,} characters.")


def refuse_echo(text: str, instructions: str = "") -> None:
    """Neither the frame of the conversation nor our instructions may come back as copy."""
    seen = unicodedata.normalize("NFKC", html.unescape(text))
    if ECHO.search(seen) or repeats(seen, instructions):
        raise WriterFailed("The text repeats what the model was told.")


def repeats(text: str, told: str) -> bool:
    """Whether a long run of words of `told` stands in `text`."""
    spoken, words = (re.findall(r"\w+", each.casefold()) for each in (text, told))
    runs = {tuple(words[at : at + ECHOED_WORDS]) for at in range(len(words) - ECHOED_WORDS + 1)}
    return any(tuple(spoken[at : at + ECHOED_WORDS]) in runs for at in range(len(spoken) - ECHOED_WORDS + 1))


def allowed_in(prompt: str, company: str = "") -> set[str]:
    """Links, addresses and numbers that may stand: the author's, and the name of a company called like a domain."""
    name = company.strip().lower()
    return links_in(prompt) | ({name} if DOMAIN.fullmatch(name) else set())


def each_text(value: Any, change) -> Any:
    """Every string inside a JSON value, keys included, through `change`."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [each_text(item, change) for item in value]
    if isinstance(value, dict):
        return {change(key): each_text(item, change) for key, item in value.items()}
    return value


def tidy(text: str) -> str:
    """Without control, format (bidi, tags, zero width), private, unassigned and blank characters; line ends as \\n."""
    text = re.sub(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]", "\n", text).replace("\t", " ")
    text = re.sub(rf"(?<=[ -~])[{JOINERS}]|[{JOINERS}](?=[ -~])", "", text.translate(UNSEEN))
    kept = (c for c in text if c == "\n" or c in JOINERS or unicodedata.category(c)[0] != "C")
    return "".join(kept).strip()


def plain(text: str) -> str:
    """Text without markup, also where it was written escaped."""
    text = MARKS.sub("", EMPHASIS.sub(r"\2", tidy(text)))
    for _ in range(3):
        if not (MARKUP.search(text) or MARKUP.search(html.unescape(text))):
            return text
        text = html.unescape(nh3.clean(html.unescape(text), tags=set()))
    raise WriterFailed("The text holds markup that cannot be removed.")


def inline_html(text: str) -> str:
    """Inline elements only; a link's address is looked at by `without_links`. A link to nowhere is no element."""
    kept = _inline(text, INLINE)
    return kept if 'href="' in kept else _inline(kept, INLINE - {"a"})


def _inline(text: str, tags: set[str]) -> str:
    attributes = {"a": {"href"}} if "a" in tags else {}
    return nh3.clean(tidy(text), tags=tags, attributes=attributes, url_schemes={"http", "https"}, link_rel=None)


def without_links(text: str, *, allowed: set[str]) -> str:
    """The same text. Raises WriterRefused for any link, domain, e-mail address or number that is not allowed."""
    found = links_in(html.unescape(text)) | {html.unescape(link).lower() for link in HREF.findall(text)}
    if found := {each.rstrip(ENDING) for each in found} - allowed:
        raise WriterRefused(f"The text holds a link or an address that the prompt does not: {sorted(found)[0][:80]}")
    if MARKDOWN_LINK.search(text):
        raise WriterRefused("The text holds a link or an address in Markdown.")
    return text


HREF = re.compile(r'href="([^"]*)"')
ENDING = ".,;:!?*"


def links_in(text: str) -> set[str]:
    """Web and e-mail addresses, bare domains and telephone numbers, in lower case, without closing punctuation."""
    text = unicodedata.normalize("NFKC", text.translate(DOTS).translate(SELECTORS))
    found = {match[0] for pattern in (URL, EMAIL, ADDRESS, SPELLED) for match in pattern.finditer(text)}
    found |= {match[0] for match in DOMAIN.finditer(text) if is_domain(match[0], match[1])}
    found |= {digits(match[0]) for match in PHONE.finditer(text) if not NO_PHONE.fullmatch(match[0].strip())}
    return {link.rstrip(ENDING).lower() for link in found}


def digits(number: str) -> str:
    """A telephone number as its figures, so that it is the same however it is written."""
    return re.sub(r"\D", "", number)


def is_domain(name: str, ending: str) -> bool:
    """A missing space after a full stop (`done.Next`) and file names are no domains."""
    if name.lower() in PRODUCTS or ending.lower() in NO_DOMAINS:
        return False
    return ending.islower() or name.isupper() or not ending.isascii() or ending.lower() in SURE_DOMAINS
