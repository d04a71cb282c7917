"""When someone who is away says they will be back: English, German, French, Spanish. Pure."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

MAX_TEXT = 3_000
# An older date is a mistake or another matter, as is one further off.
_FURTHEST = timedelta(days=370)

_MONTHS = {
    1: "january jan januar jänner janvier janv enero ene",
    2: "february feb februar février fevrier févr fév febrero",
    3: "march mar märz maerz mrz mars marzo",
    4: "april apr avril avr abril abr",
    5: "may mai mayo",
    6: "june jun juni juin junio",
    7: "july jul juli juillet juil julio",
    8: "august aug août aout agosto ago",
    9: "september sep sept septembre septiembre setiembre",
    10: "october oct oktober okt octobre octubre",
    11: "november nov novembre noviembre",
    12: "december dec dezember dez décembre decembre déc diciembre dic",
}
_MONTH_OF = {name: number for number, names in _MONTHS.items() for name in names.split()}
_DAYS = [
    "monday montag lundi lunes",
    "tuesday dienstag mardi martes",
    "wednesday mittwoch mercredi miércoles miercoles",
]
_DAYS += [
    "thursday donnerstag jeudi jueves",
    "friday freitag vendredi viernes",
    "saturday samstag sonnabend samedi sábado",
]
_DAYS += ["sunday sonntag dimanche domingo"]
_DAY_OF = {name: number for number, names in enumerate(_DAYS) for name in names.split()}

_MONTH = "(" + "|".join(sorted(_MONTH_OF, key=len, reverse=True)) + r")\b\.?"
_WEEKDAY = "(" + "|".join(sorted(_DAY_OF, key=len, reverse=True)) + r")\b"
_YEAR = r"(?:,?\s{0,2}(?:de |del )?(\d{4}))?"
_ISO = re.compile(r"\b(\d{4})-(\d\d)-(\d\d)\b")
_DOTTED = re.compile(r"\b(\d{1,2})\.\s?(\d{1,2})\.(?:\s?(\d{4}|\d\d)\b)?")
_SLASHED = re.compile(r"(?<![\d/-])(\d{1,2})(?:/(\d{1,2})(?:/(\d{4}|\d\d))?|-(\d{1,2})-(\d{4}))(?![\d/-])")
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?\s{{0,2}}(?:of |de )?{_MONTH}{_YEAR}", re.IGNORECASE)
_MONTH_DAY = re.compile(
    rf"\b{_MONTH}\s{{0,2}}(\d{{1,2}})(?:st|nd|rd|th)?\b(?:\s?[-–]\s?(\d{{1,2}})\b)?{_YEAR}", re.IGNORECASE
)
_ON_DAY = re.compile(
    rf"(?:\W{{0,2}}(?:on|am|le|el|until|next|this|coming|bis|ab|wieder|ce|este|nächsten|"
    rf"kommenden)){{0,3}}\W{{0,2}}{_WEEKDAY}",
    re.IGNORECASE,
)

# What stands before the date of coming back, or before the last day away.
_CUE = re.compile(
    r"\b(?:back|return(?:s|ing)?|until|til|till|through|thru|to|available(?: again)?|reachable|resume|as of|"
    r"bis|ab|wieder|zurück|erreichbar|rückkehr|retour|jusqu|reviens|reviendrai|serai de retour|rentre|à partir|au|"
    r"hasta|vuelvo|volver[ée]|regreso|regresar[ée]|vuelta|a partir|de nuevo|al)\b|[-–](?=\s?\d)",
    re.IGNORECASE,
)
_REACH = 48  # characters between the cue and its date


def away_until(text: str, *, received_at: datetime) -> datetime | None:
    """Midnight (in the zone of `received_at`) of the return date a text names, the latest if several; None when none.

    A date without a year is the next such day. `03/04` is read day first unless that is impossible or already past.
    """
    text = text[:MAX_TEXT]
    today = received_at.date()
    days = [day for cue in _CUE.finditer(text) for day in _dates_after(text, cue.end(), today)]
    days += [day for found in _MONTH_DAY.finditer(text) if found[3] for day in _month_days(found, today)]
    days = [day for day in days if today <= day <= today + _FURTHEST]
    if not days:
        return None
    return datetime.combine(max(days), time(), tzinfo=received_at.tzinfo)


def _dates_after(text: str, start: int, today: date) -> Iterator[date]:
    """The first date within reach of a cue."""
    window = text[start : start + _REACH + 30].split("\n\n")[0]
    found = [(match.start(), days) for match, days in _all_dates(window, today) if match.start() <= _REACH and days]
    if found:
        yield min(found)[1][0]
    elif weekday := _ON_DAY.match(window):
        ahead = (_DAY_OF[weekday[1].lower()] - today.weekday()) % 7
        yield today + timedelta(days=ahead or 7)


def _all_dates(text: str, today: date) -> "Iterator[tuple[re.Match[str], list[date]]]":
    for match in _ISO.finditer(text):
        yield match, _date(int(match[1]), int(match[2]), int(match[3]))
    for match in _DOTTED.finditer(text):
        yield match, _this_or_next(match[3], int(match[2]), int(match[1]), today)
    for match in _SLASHED.finditer(text):
        yield match, _either_order(match, today)
    for match in _DAY_MONTH.finditer(text):
        yield match, _this_or_next(match[3], _MONTH_OF[match[2].lower()], int(match[1]), today)
    for match in _MONTH_DAY.finditer(text):
        yield match, _month_days(match, today)


def _month_days(match: re.Match[str], today: date) -> list[date]:
    return _this_or_next(match[4], _MONTH_OF[match[1].lower()], int(match[3] or match[2]), today)


def _either_order(match: re.Match[str], today: date) -> list[date]:
    first, second, year = int(match[1]), int(match[2] or match[4]), match[3] or match[5]
    for month, day in ((second, first), (first, second)):
        days = [found for found in _this_or_next(year, month, day, today) if found >= today]
        if days:
            return days
    return []


def _this_or_next(year: str | None, month: int, day: int, today: date) -> list[date]:
    if year:
        return _date(int(year) + (2000 if len(year) == 2 else 0), month, day)
    this = _date(today.year, month, day)
    # A little past is a stale note, not next year.
    if this and this[0] >= today - timedelta(days=60):
        return this
    return _date(today.year + 1, month, day)


def _date(year: int, month: int, day: int) -> list[date]:
    try:
        return [date(year, month, day)]
    except ValueError:
        return []
