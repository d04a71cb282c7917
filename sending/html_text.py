"""A mail's HTML as text, its quotes marked as a text mail marks them, so that one set of rules reads both. Pure."""

import re

import inscriptis
from lxml import etree
from lxml import html as lxml_html

# Deeper than any mail program nests, shallower than a converter's stack.
MAX_TAGS = 20_000
MAX_QUOTES = 200
_ORIGINAL = "-----Original Message-----"
# Where Outlook and its like put the mail they quote, unmarked, from here to the end.
_BEFORE_ORIGINAL = (
    "//*[contains(@id, 'divRplyFwdMsg')] | //*[contains(@id, 'appendonsend')] | //hr[contains(@id, 'stopSpelling')] |"
    " //*[contains(@id, 'mail-editor-reference-message-container')] | //*[contains(@class, 'OutlookMessageHeader')]"
)
# What holds a quoted mail. The outermost is enough: what it holds is quoted with it.
_QUOTES = (
    "//blockquote | //*[contains(@class, 'gmail_quote')] | //*[contains(@class, 'yahoo_quoted')] |"
    " //*[contains(@class, 'protonmail_quote')] | //*[contains(@class, 'tutanota_quote')] |"
    " //*[contains(@class, 'zmail_extra')] | //*[contains(@class, 'moz-forward-container')]"
)
_BROKEN = (ValueError, TypeError, LookupError, AttributeError, RecursionError, AssertionError, etree.LxmlError)


def text_of_html(html: str) -> str:
    """Text of HTML; quoted mails get `> ` before each line, or a line that says the original follows."""
    if not html.strip() or html.count("<") > MAX_TAGS:
        return ""
    try:
        tree = lxml_html.document_fromstring(re.sub(r"^\s*<\?xml[^>]*>", "", html))
        _mark_originals(tree)
        _mark_quotes(tree)
        return _text(tree)
    except _BROKEN:
        return re.sub(r"<[^<>]{0,2000}>", " ", html).strip()


def _text(tree: lxml_html.HtmlElement) -> str:
    lines = inscriptis.Inscriptis(tree).get_text().splitlines()
    return "\n".join(line.strip() for line in lines).strip()


def _mark_originals(tree: lxml_html.HtmlElement) -> None:
    for element in tree.xpath(_BEFORE_ORIGINAL)[:1]:
        _put_before(element, _ORIGINAL)


def _mark_quotes(tree: lxml_html.HtmlElement) -> None:
    found = tree.xpath(_QUOTES)[:MAX_QUOTES]
    for element in [one for one in found if not any(_is_quote(above) for above in one.iterancestors())]:
        _quote(element)


def _is_quote(element: lxml_html.HtmlElement) -> bool:
    return element.tag == "blockquote" or "_quote" in (element.get("class") or "")


def _quote(element: lxml_html.HtmlElement) -> None:
    """Put `> ` before its lines. Gmail's container holds `On … wrote:` besides the quote; that stays as it is."""
    inner = element.xpath(".//blockquote[1]") if element.tag != "blockquote" else []
    element = inner[0] if inner else element
    marked = etree.Element("pre")
    marked.text = "\n" + "\n".join(f"> {line}" for line in _text(element).splitlines()) + "\n"
    marked.tail, element.tail = element.tail, None
    element.getparent().replace(element, marked)


def _put_before(element: lxml_html.HtmlElement, words: str) -> None:
    if element.getparent() is not None:
        line = etree.Element("p")
        line.text = words
        element.addprevious(line)
