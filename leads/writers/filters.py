"""What a model wrote, on its way into a mail. Pure.

Whoever fills a lead's field may have addressed the model. So whatever it says: no link or address that the prompt's
author did not write, no markup in text, no invisible or direction-changing characters, nothing over-long.
"""

import html
import json
import re
import unicodedata
from typing import Any

import nh3

from leads.writers.base import OutputType, WriterFailed, WriterRefused

LONGEST = {"text": 2000, "html": 4000, "json": 4000}
INLINE = {"a", "b", "br", "em", "i", "span", "strong", "u"}
JOINERS = "\u200c\u200d"  # needed by Persian, Indic scripts and emoji

URL = re.compile(r"\b(?:[a-z][a-z0-9+.-]{1,20}://|www\.|(?:mailto|tel|javascript|data):)[^\s<>\"'()\[\]]+", re.I)
EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
DOMAIN = re.compile(r"(?<![\w.@-])(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,5}([^\W\d_]{2,24})(?![\w-])")
DOTS = str.maketrans("。｡．․", "....")  # what browsers take for a dot in a name
NO_DOMAINS = frozenset(("js", "ts", "pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "css", "json", "txt", "png"))
PRODUCTS = {"asp.net", "ado.net", "vb.net"}
MARKUP = re.compile(r"<[a-z/!?]", re.I)
EMPHASIS = re.compile(r"(\*\*|__)(?=\S)([^*_\n]{1,300}?)(?<=\S)\1")


def filtered(value: Any, *, output_type: OutputType, prompt: str, company: str = "") -> Any:
    """The value as it may go out. `prompt` without lead data says which links are allowed.

    Raises WriterFailed for what another attempt may mend, WriterRefused for a link or an address.
    """
    if output_type in ("number", "boolean"):
        return value
    if len(value if isinstance(value, str) else json.dumps(value)) > LONGEST[output_type]:
        raise WriterFailed(f"The text is longer than {LONGEST[output_type]:,} characters.")
    allowed = links_in(prompt) | {company.strip().lower()}
    shape = inline_html if output_type == "html" else plain
    return each_text(value, lambda text: without_links(shape(text), allowed=allowed))


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
    """Without control, format (bidi, tags, zero width), private and unassigned characters; line ends as \\n."""
    text = re.sub(r"\r\n?|[\u2028\u2029\x0b\x0c\x85]", "\n", text).replace("\t", " ")
    kept = (c for c in text if c == "\n" or c in JOINERS or unicodedata.category(c)[0] != "C")
    return "".join(kept).strip()


def plain(text: str) -> str:
    """Text without markup, also where it was written escaped."""
    text = EMPHASIS.sub(r"\2", tidy(text))
    for _ in range(3):
        if not (MARKUP.search(text) or MARKUP.search(html.unescape(text))):
            return text
        text = html.unescape(nh3.clean(html.unescape(text), tags=set()))
    raise WriterFailed("The text holds markup that cannot be removed.")


def inline_html(text: str) -> str:
    """Inline elements only; a link's address is looked at by `without_links`."""
    return nh3.clean(tidy(text), tags=INLINE, attributes={"a": {"href"}}, url_schemes={"http", "https"}, link_rel=None)


def without_links(text: str, *, allowed: set[str]) -> str:
    """The same text. Raises WriterRefused for any link, domain or e-mail address that is not allowed."""
    if found := links_in(html.unescape(text)) - allowed:
        raise WriterRefused(f"The text holds a link or an address that the prompt does not: {sorted(found)[0][:80]}")
    return text


def links_in(text: str) -> set[str]:
    """Web addresses, e-mail addresses and bare domains, in lower case, without closing punctuation."""
    text = unicodedata.normalize("NFKC", text.translate(DOTS))
    found = {match[0] for match in (*URL.finditer(text), *EMAIL.finditer(text))}
    found |= {match[0] for match in DOMAIN.finditer(text) if is_domain(match[0], match[1])}
    return {link.rstrip(".,;:!?*").lower() for link in found}


def is_domain(name: str, ending: str) -> bool:
    """A missing space after a full stop (`done.Next`) and file names are no domains."""
    if name.lower() in PRODUCTS or ending.lower() in NO_DOMAINS:
        return False
    return ending.islower() or name.isupper() or not ending.isascii()
