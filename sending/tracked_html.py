"""The HTML of a mail with an image that tells of opens and links that tell of clicks. Pure.

The text part stays as it was written: a reader of plain text would see forty letters of nothing in place of an address.
"""

import re
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit
from uuid import UUID

from django.utils.encoding import iri_to_uri

from outbound.mail_html import rewrite_links
from sending.tracking import MAX_LINKS, click_token, open_token, read_token

_LONGEST = 2_000  # what every browser, and Django, redirects to
# A way out is never delayed or counted, ours or the author's own.
_WAY_OUT = re.compile(r"unsubscribe|opt[-_]?out", re.IGNORECASE)


@dataclass(frozen=True)
class Tracked:
    """`links`: where the tracked links lead, by the place that their tokens name."""

    html: str
    links: list[str]


def tracked_html(html: str, *, message_id: UUID, base: str, opens: bool, clicks: bool) -> Tracked:
    """The same for the same arguments. `base` is an address without a slash at its end; a blank HTML stays blank."""
    links: list[str] = []

    def rewrite(address: str) -> str:
        found = place_of(destination(address), links)
        return address if found is None else f"{base}/c/{click_token(message_id, found)}"

    if not html.strip():
        return Tracked(html, [])
    if clicks:
        html = rewrite_links(html, rewrite)
    if opens:
        html += f'\n<img src="{escape(base)}/o/{open_token(message_id)}.gif" width="1" height="1" alt="">'
    return Tracked(html, links)


def destination(address: str) -> str:
    """Where a link leads, as a redirect would say it; blank for what is left alone: other schemes than http and https,
    ways out, nonsense, and what is too long to redirect to."""
    try:
        found = iri_to_uri(address.strip())
        parts = urlsplit(found)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return ""
    return found if is_web and len(found) <= _LONGEST and not _is_way_out(parts) else ""


def place_of(destination: str, links: list[str]) -> int | None:
    """Its place in `links`, where it is put if it is new; None when it has none to have."""
    if not destination or (destination not in links and len(links) >= MAX_LINKS):
        return None
    if destination not in links:
        links.append(destination)
    return links.index(destination)


def _is_way_out(parts) -> bool:
    ours = read_token(parts.path.rpartition("/")[2]) is not None
    return ours or bool(_WAY_OUT.search(f"{parts.path}?{parts.query}"))
