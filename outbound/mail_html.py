"""The HTML a mail may carry, and the way between HTML and plain text. Pure.

One allow list for what authors and models write. Inline style is kept as far as it cannot fetch or cover anything.
"""

import html as markup
import re
from collections.abc import Callable

import nh3
from inscriptis import get_text
from inscriptis.model.config import ParserConfig

from outbound.templating import text_of


def _set(words: str) -> set[str]:
    return set(words.split())


_TAGS = _set(
    "a abbr b big blockquote br caption center code col colgroup dd del div dl dt em font h1 h2 h3 h4 h5 h6 hr i img "
    "ins kbd li mark ol p pre q s samp small span strike strong sub sup table tbody td tfoot th thead tr tt u ul"
)
# Their content is no text for a reader, so it goes with them.
_DROPPED_WHOLE = _set(
    "script style title textarea xmp iframe noembed noframes noscript template svg math object select"
)
_CELL = {"width", "height", "valign", "bgcolor", "colspan", "rowspan", "scope", "nowrap"}
_ATTRIBUTES = {
    "*": {"style", "align", "dir", "lang", "title"},
    "a": {"href", "target", "name"},
    "img": {"src", "alt", "width", "height", "border"},
    "table": {"width", "height", "border", "cellpadding", "cellspacing", "bgcolor", "role"},
    "tr": {"height", "valign", "bgcolor"},
    "td": _CELL,
    "th": _CELL,
    "col": {"width", "span"},
    "font": {"color", "face", "size"},
    "hr": {"width", "size", "color"},
    "ol": {"start", "type"},
}
_BOXES = [f"{box}{side}" for box in ("margin", "padding") for side in ("", "-top", "-right", "-bottom", "-left")]
_BORDERS = [f"border{side}{what}" for side in ("", "-top", "-right", "-bottom", "-left") for what in ("", "-color")]
_STYLES = _set(
    "background background-color border-collapse border-radius border-spacing border-style border-width color display "
    "font font-family font-size font-style font-weight height letter-spacing line-height list-style list-style-type "
    "max-width min-width text-align text-decoration text-indent text-transform vertical-align white-space width "
    "word-break word-wrap"
) | set(_BOXES + _BORDERS)
_INVISIBLE = dict.fromkeys([0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF, 0xAD])
_LINK = re.compile(r'href="([^"]*)"')
_WITH_LINKS = ParserConfig(display_links=True)


class SafeHtml(str):
    """A value that is markup: cleaned and inserted as such in HTML, as its text elsewhere."""


def clean_html(html: str) -> str:
    """HTML with only what a mail needs: links to http, https, mailto; images over https; tables; inline style."""
    return _CLEANER.clean(html)


def rewrite_links(html: str, rewrite: Callable[[str], str]) -> str:
    """Cleaned HTML with each link's address as `rewrite` gives it; called in the order of the text."""

    def attribute(element: str, name: str, value: str) -> str | None:
        return rewrite(value) if (element, name) == ("a", "href") else _attribute(element, name, value)

    return _cleaner(attribute).clean(html)


def html_to_text(html: str) -> str:
    """The text of cleaned HTML, links written as [words](address)."""
    # The layout engine gives up on elements nested hundreds deep; the words still count.
    text = get_text(html, _WITH_LINKS) or visible_text(html)
    for link in dict.fromkeys(_LINK.findall(html)[:50]):
        url = markup.unescape(link)
        bare = url.removeprefix("mailto:")
        text = text.replace(f"[{bare}]({url})", bare).replace(f"[]({url})", url)
    lines = "\n".join(line.rstrip() for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", lines).strip()


def text_to_html(text: str) -> str:
    """Paragraphs and line breaks of a plain text, escaped. Addresses are not made into links."""
    paragraphs = re.split(r"\n\s*\n", text_of(text).strip())
    return "\n".join(f"<p>{lines_to_html(paragraph)}</p>" for paragraph in paragraphs if paragraph)


def visible_text(html: str) -> str:
    """All text of it without layout: what is left when the tags are stripped."""
    return markup.unescape(_STRIPPER.clean(html))


def lines_to_html(text: str) -> str:
    """Escaped text with <br> for its line breaks."""
    return markup.escape(text_of(text), quote=False).replace("\n", "<br>\n")


def is_blank(text: str) -> bool:
    """Nothing a reader could see: white space and zero-width characters count for nothing."""
    return not text.translate(_INVISIBLE).strip()


def _attribute(element: str, attribute: str, value: str) -> str | None:
    """The cleaner's last word on an attribute: images over https only, no addresses hidden in styles."""
    if attribute == "src" and not value.lower().startswith("https://"):
        return None
    if attribute == "style" and re.search(r"url\s*\(|expression|@|\\", value, re.IGNORECASE):
        return None
    return value


def _cleaner(attribute_filter: Callable[[str, str, str], str | None]) -> nh3.Cleaner:
    return nh3.Cleaner(
        tags=_TAGS,
        clean_content_tags=_DROPPED_WHOLE,
        attributes=_ATTRIBUTES,
        attribute_filter=attribute_filter,
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel=None,
        filter_style_properties=_STYLES,
    )


_STRIPPER = nh3.Cleaner(tags=set())
_CLEANER = _cleaner(_attribute)
