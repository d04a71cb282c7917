"""Who asked for an image or a link: somebody who reads, or a machine. Pure, and a guess: no request says it for sure.

Known machines say so in their User-Agent, or ask the way no mail program does. The rest shows in when they ask: within
seconds of the delivery, or for several links at once (security gateways try every link before the mail is shown).
In doubt it is a machine: a number of readers that is too low misleads less than one that is made of scanners.
"""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta

# From the delivery on. A gateway asks while it holds the mail back, or right after.
TOO_SOON = timedelta(seconds=10)
AT_ONCE = timedelta(seconds=3)
_SEVERAL = 3

# These load images when a person opens the mail, on that person's behalf:
# https://support.google.com/mail/answer/145919, https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html
_FOR_A_PERSON = re.compile(r"GoogleImageProxy|YahooMailProxy", re.IGNORECASE)
# Gateways that name themselves, previews of links in chats, libraries, tools and browsers without a screen.
_MACHINE = re.compile(
    r"barracuda|proofpoint|mimecast|safelinks|bingpreview|symantec|messagelabs|fortinet|fortiguard|cisco|ironport|"
    r"trend ?micro|sophos|zscaler|forcepoint|fireeye|trellix|virustotal|urlscan|bot\b|crawl|spider|slurp|scanner|"
    r"preview|prefetch|facebookexternalhit|whatsapp|skypeuripreview|headless|phantomjs|puppeteer|playwright|selenium|"
    r"python|curl/|wget|go-http|okhttp|java/|libwww|httpclient|axios|node|ruby|php|perl|scrapy|monitor|uptime",
    re.IGNORECASE,
)
# Apple's Mail Privacy Protection loads every image in advance and says this much and no more.
_APPLE_PREFETCH = "Mozilla/5.0"


def asked_by_machine(*, method: str, user_agent: str, purpose: str = "", image: bool = False) -> bool:
    """By the request alone. `purpose` is what Sec-Purpose, Purpose, X-Purpose and X-Moz say; `image`: it was for the
    image and not for a link."""
    said = user_agent.strip()
    if method != "GET" or not said or re.search(r"prefetch|preview", purpose, re.IGNORECASE):
        return True
    if image and _FOR_A_PERSON.search(said):
        return False
    return said == _APPLE_PREFETCH or bool(_MACHINE.search(said))


def came_too_soon(at: datetime, delivered_at: datetime | None) -> bool:
    """None: it was not delivered, so whoever asks looked at it on its way."""
    return delivered_at is None or at - delivered_at < TOO_SOON


def clicked_at_once(at: datetime, each_link_at: Iterable[list[datetime]], *, links: int) -> bool:
    """Whether a click at `at` is one of several: three links of the mail, or all of them, within three seconds.

    `each_link_at`: the moments at which each link of the mail was asked for, this one's too. One link proves nothing.
    """
    near = sum(any(abs(moment - at) <= AT_ONCE for moment in moments) for moments in each_link_at)
    return near >= max(2, min(_SEVERAL, links))
