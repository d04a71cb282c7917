"""A step's words and one lead's values → subject, HTML and text as they will be sent. Pure: no database, no clock.

Values are escaped in HTML and plain elsewhere; whatever the author or a model wrote, the HTML leaves through one allow
list, so a value can add no element, no attribute and no scheme.
"""

import html as markup
import re
from collections.abc import Mapping
from dataclasses import dataclass

from outbound import templating
from outbound.mail_html import SafeHtml, clean_html, html_to_text, is_blank, lines_to_html, text_to_html, visible_text
from outbound.templating import Rendered, Template, compile_template, seeded, text_of

OWN_NAMES = frozenset({"unsubscribe_url", "postal_address"})  # what the product itself fills in


@dataclass(frozen=True, kw_only=True)
class Words:
    """What a variant says, as templates. A blank body is derived from the other one."""

    subject: str
    body_html: str = ""
    body_text: str = ""


@dataclass(frozen=True, kw_only=True)
class Footer:
    """What every cold mail must carry; a body that shows it itself is left alone."""

    postal_address: str
    unsubscribe_url: str


@dataclass(frozen=True, kw_only=True)
class RenderedMail:
    """`missing`: names that came out empty without a fallback. `problems`: sentences; with any, do not send."""

    subject: str
    html: str
    text: str
    missing: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


def render_step(
    words: Words,
    *,
    values: Mapping[str, object],
    seed: str,
    footer: Footer | None = None,
    first_subject: str = "",
) -> RenderedMail:
    """The mail for one lead.

    `seed` names lead and step, so that the choices of spintax stay the same. `first_subject` is the subject that began
    the thread: a follow-up without one of its own continues it. Unknown and empty names render empty and are `missing`.
    """
    values = {name: _no_empty_markup(value) for name, value in values.items()}
    if footer:
        values |= {"unsubscribe_url": footer.unsubscribe_url, "postal_address": footer.postal_address}
    subject, html, text = (
        _render(template, values, seed=f"{seed}:{part}", html=part_is_html)
        for template, part, part_is_html in _templates(words)
    )
    body_html, body_text = _bodies(clean_html(html.text), text.text)
    line = thread_subject(one_line(subject.text), first_subject)
    return RenderedMail(
        subject=line,
        html=_with_html_footer(body_html, footer, html.shown if words.body_html.strip() else text.shown),
        text=_with_text_footer(body_text, footer, text.shown if words.body_text.strip() else html.shown),
        missing=tuple(dict.fromkeys(subject.missing + html.missing + text.missing)),
        problems=tuple(_blanks(line, body_html)),
    )


def thread_subject(own: str, first_subject: str) -> str:
    """A follow-up's subject: its own when it has one, else the first mail's as a reply (never `Re: Re:`)."""
    if not is_blank(own):
        return own
    first = one_line(first_subject)
    return first if not first or re.match(r"re\s?:", first, re.IGNORECASE) else f"Re: {first}"


def names_in(words: Words) -> set[str]:
    """Every name the words may ask for (`company` as `company_name`)."""
    return set().union(*(template.names() for template, _, _ in _templates(words)))


def names_without_fallback(words: Words) -> set[str]:
    """Those that stand somewhere without a written fallback: a lead without a value for one is held."""
    return set().union(*(template.names_without_fallback() for template, _, _ in _templates(words)))


def unknown_names(words: Words, known: set[str]) -> list[str]:
    """Names in the words that are neither known (fields, custom keys, variables) nor filled in by the product."""
    return sorted(names_in(words) - known - OWN_NAMES)


def lint(words: Words) -> list[str]:
    """Sentences about braces that were probably meant otherwise; warnings, not errors."""
    found = templating.problems(words.subject) + templating.problems(words.body_html, html=True)
    return list(dict.fromkeys(found + templating.problems(words.body_text)))


def one_line(text: str) -> str:
    """A header's text: controls dropped, every run of white space one space."""
    return " ".join(text_of(text).split())


# --- Parts ------------------------------------------------------------------------------------------------------------


def _templates(words: Words) -> list[tuple[Template, str, bool]]:
    # Both bodies draw under the same name: the same spintax in each gives the same choice.
    return [
        (compile_template(words.subject), "subject", False),
        (compile_template(words.body_html, html=True), "body", True),
        (compile_template(words.body_text), "body", False),
    ]


def _render(template: Template, values: Mapping[str, object], *, seed: str, html: bool) -> Rendered:
    return template.render(values, escape=_escape_html if html else _escape_text, choose=seeded(seed))


def _escape_text(value: object, in_tag: bool) -> str:
    return html_to_text(clean_html(value)) if isinstance(value, SafeHtml) else text_of(value)


def _escape_html(value: object, in_tag: bool) -> str:
    """Every character that could mean anything becomes a number, so no place in the markup, quoted or not, can be
    left by a value; the cleaner writes them as ordinary text again."""
    if isinstance(value, SafeHtml) and not in_tag:
        return clean_html(value)  # closes what it opens
    plain = _escape_text(value, in_tag)
    numbered = re.sub(r"[^A-Za-z0-9\u00a0-\U0010ffff]", lambda match: f"&#{ord(match.group())};", plain)
    return numbered if in_tag else numbered.replace("&#10;", "<br>")


def _no_empty_markup(value: object) -> object:
    is_empty = isinstance(value, SafeHtml) and is_blank(visible_text(clean_html(value)))
    return "" if is_empty else value


def _bodies(html: str, text: str) -> tuple[str, str]:
    """Each body, the missing one from the other."""
    text = text_of(text).strip()
    if is_blank(visible_text(html)) and "<img" not in html:  # an emptied editor leaves <p><br></p>
        return text_to_html(text), text
    return html, html_to_text(html) if is_blank(text) else text


def _blanks(subject: str, html: str) -> list[str]:
    found = ["The subject is blank."] if is_blank(subject) else []
    if is_blank(visible_text(html)):
        found.append("The body is blank.")
    return found


def _with_html_footer(html: str, footer: Footer | None, shown: frozenset[str]) -> str:
    if footer is None:
        return html
    lines = []
    if "postal_address" not in shown and footer.postal_address.strip():
        lines.append(lines_to_html(footer.postal_address.strip()))
    url = markup.escape(footer.unsubscribe_url)
    # Looked for in the finished mail: a link the cleaner removed is no way out for the reader.
    if url not in html:
        lines.append(f'<a href="{url}" style="color:#666666">Unsubscribe</a>')
    if not lines:
        return html
    return f'{html}\n<p style="color:#666666;font-size:12px">{"<br>".join(lines)}</p>'


def _with_text_footer(text: str, footer: Footer | None, shown: frozenset[str]) -> str:
    if footer is None:
        return text
    address = text_of(footer.postal_address).strip()
    lines = [address] if address and "postal_address" not in shown else []
    if footer.unsubscribe_url not in text:
        lines.append(f"Unsubscribe: {footer.unsubscribe_url}")
    return "\n".join([text, "", *lines]) if lines else text
