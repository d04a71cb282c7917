"""Where somebody is: the code of a country as people write it, its timezone, its public holidays. Pure, from tables."""

from datetime import date
from functools import cache, lru_cache
from importlib.resources import files
from zoneinfo import available_timezones

import holidays
import pycountry

# Names in use that ISO 3166 has not.
_ALIASES = {
    "america": "US", "brasil": "BR", "deutschland": "DE", "england": "GB", "espana": "ES", "españa": "ES",
    "great britain": "GB", "holland": "NL", "italia": "IT", "northern ireland": "GB", "russia": "RU", "schweiz": "CH",
    "scotland": "GB", "suisse": "CH", "the netherlands": "NL", "turkey": "TR", "u.k.": "GB", "u.s.": "US",
    "u.s.a.": "US", "uae": "AE", "uk": "GB", "wales": "GB", "österreich": "AT",
}  # fmt: skip
# tzdata names a country's zones the largest first where their places on the map allow it; here they do not.
_MOST_PEOPLE = {"AU": "Australia/Sydney", "BR": "America/Sao_Paulo", "CA": "America/Toronto", "RU": "Europe/Moscow"}
_WITH_ARTICLE = ("AE", "GB", "NL", "PH", "US")


@lru_cache(maxsize=4096)
def country_code(text: str) -> str:
    """ISO 3166's two letters for a name or code as somebody wrote it; "" when we do not know it."""
    text = " ".join(text.split())
    if text.lower() in _ALIASES:
        return _ALIASES[text.lower()]
    try:
        return pycountry.countries.lookup(text).alpha_2
    except LookupError:
        return ""


def country_name(code: str) -> str:
    """As it stands in a sentence after "in"."""
    country = pycountry.countries.get(alpha_2=code)
    name = getattr(country, "common_name", country.name) if country else code
    return f"the {name}" if code in _WITH_ARTICLE else name


def zone_of_country(code: str) -> str:
    """Its timezone; where it has several, the one in which most people live; "" when we do not know it."""
    return _MOST_PEOPLE.get(code) or _first_zones().get(code, "")


def is_zone(name: str) -> bool:
    return name in _zones()


@lru_cache(maxsize=4096)
def holidays_of(code: str, year: int) -> dict[date, str]:
    """{day: name} of the public holidays that a country keeps everywhere; none where we do not know them."""
    try:
        return dict(holidays.country_holidays(code, years=year, language="en_US"))
    except NotImplementedError:
        return {}


def holiday(code: str, day: date) -> str:
    """What is kept on that day, or ""."""
    return holidays_of(code, day.year).get(day, "") if code else ""


@cache
def _first_zones() -> dict[str, str]:
    found: dict[str, str] = {}
    for line in files("tzdata.zoneinfo").joinpath("zone.tab").read_text("utf-8").splitlines():
        if not line.startswith("#"):
            code, _, zone = line.split("\t")[:3]
            found.setdefault(code, zone)
    return found


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
