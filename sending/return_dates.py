"""When someone who is away says they will be back: in the languages of Europe, Japanese, Chinese and Korean. Pure."""

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta

MAX_TEXT = 3_000
# An older date is a mistake or another matter, as is one further off.
_FURTHEST = timedelta(days=370)

# English, German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Danish, Norwegian, Finnish, Polish, Czech,
# Hungarian, Romanian, Turkish, Russian. Short forms that are words of another language are left out.
_MONTHS = """
january jan januar jänner januari janvier janv enero ene gennaio gen janeiro tammikuuta tammikuun stycznia ledna
január ianuarie ocak января

february feb februar februari février fevrier févr fév febrero febbraio fevereiro fev helmikuuta lutego února február
februarie şubat февраля

march mar märz maerz mrz maart mrt mars marzo março marts maaliskuuta marca března március martie mart марта

april apr avril avr abril abr aprile huhtikuuta kwietnia dubna április aprilie nisan апреля

may mai mayo maggio maio mei maj toukokuuta maja května május mayıs мая

june jun juni juin junio giugno giu junho kesäkuuta czerwca června június iunie haziran июня

july jul juli juillet juil julio luglio lug julho heinäkuuta lipca července július iulie temmuz июля

august aug august août aout agosto ago augustus augusti elokuuta sierpnia srpna augusztus ağustos августа

september sep sept septembre septiembre setiembre settembre sett setembro syyskuuta września září szeptember
septembrie eylül сентября

october oct oktober okt octobre octubre ottobre ott outubro lokakuuta października října október octombrie ekim
октября

november nov novembre noviembre novembro marraskuuta listopada listopadu noiembrie kasım ноября

december dec dezember dez décembre decembre déc diciembre dicembre dic dezembro desember joulukuuta grudnia prosince
decembrie aralık декабря
"""
_MONTH_OF = {name: month for month, names in enumerate(_MONTHS.split("\n\n"), start=1) for name in names.split()}
_DAYS = """
monday montag lundi lunes lunedì segunda maandag måndag mandag maanantaina poniedziałek poniedziałku pondělí
понедельник понедельника

tuesday dienstag mardi martes martedì terça dinsdag tisdag tirsdag tiistaina wtorek wtorku úterý вторник вторника

wednesday mittwoch mercredi miércoles miercoles mercoledì quarta woensdag onsdag keskiviikkona środa środę środy
středa středu среду среды

thursday donnerstag jeudi jueves giovedì quinta donderdag torsdag torstaina czwartek czwartku čtvrtek четверг четверга

friday freitag vendredi viernes venerdì sexta vrijdag fredag perjantaina piątek piątku pátek пятницу пятницы

saturday samstag sonnabend samedi sábado sabato zaterdag lördag lørdag lauantaina sobota sobotę sobotu субботу

sunday sonntag dimanche domingo domenica zondag söndag søndag sunnuntaina niedziela niedzielę neděli воскресенье
"""
_DAY_OF = {name: day for day, names in enumerate(_DAYS.split("\n\n")) for name in names.split()}

_MONTH = "(" + "|".join(sorted(_MONTH_OF, key=len, reverse=True)) + r")\b\.?"
_WEEKDAY = "(" + "|".join(sorted(_DAY_OF, key=len, reverse=True)) + r")\b"
_YEAR = r"(?:,?\s{0,2}(?:de |del )?(\d{4}))?"
_ISO = re.compile(r"\b(\d{4})[-/.] ?(\d\d)[-/.] ?(\d\d)\b")
_CJK = re.compile(r"(?:(\d{4})\s?[年년]\s?)?(\d{1,2})\s?[月월]\s?(\d{1,2})\s?[日일]")
_DOTTED = re.compile(r"\b(\d{1,2})\.\s?(\d{1,2})\.(?:\s?(\d{4}|\d\d)\b)?")
_SLASHED = re.compile(r"(?<![\d/-])(\d{1,2})(?:/(\d{1,2})(?:/(\d{4}|\d\d))?|-(\d{1,2})-(\d{4}))(?![\d/-])")
_DAY_MONTH = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th|er|º|\.)?\s{{0,2}}(?:of |de )?{_MONTH}{_YEAR}", re.IGNORECASE)
_MONTH_DAY = re.compile(
    rf"\b{_MONTH}\s{{0,2}}(\d{{1,2}})(?:st|nd|rd|th)?\b(?:\s?[-–]\s?(\d{{1,2}})\b)?{_YEAR}", re.IGNORECASE
)
_ON_DAY = re.compile(
    rf"(?:\W{{0,2}}(?:on|am|le|el|until|next|this|coming|bis|ab|wieder|ce|este|nächsten|il|na|op|på|den|w|we|v|ve|в|во|"
    rf"kommenden)){{0,3}}\W{{0,2}}{_WEEKDAY}",
    re.IGNORECASE,
)

# What stands after the date of coming back, in languages that say it so.
_AFTER = re.compile(r".{0,12}?\b(?:asti|saakka|alkaen|kadar|itibaren|-ig\b|-től)", re.IGNORECASE)
# What stands before the date of coming back, or before the last day away.
_CUE = re.compile(
    r"\b(?:back|return(?:s|ing)?|until|til|till|through|thru|to|available(?: again)?|reachable|resume|as of|"
    r"bis|ab|wieder|zurück|erreichbar|rückkehr|retour|jusqu|reviens|reviendrai|serai de retour|rentre|à partir|au|"
    r"hasta|vuelvo|volver[ée]|regreso|regresar[ée]|vuelta|a partir|de nuevo|al|"
    r"fino|sino|torno|torner[òo]|rientro|rientrer[òo]|ritorno|dal|até|volto|voltarei|regressarei|retorno|retornarei|"
    r"t/m|tot|vanaf|terug|weer|till|t\.?o\.?m|åter|tillbaka|fr\.?o\.?m|från och med|til|tilbage|tilbake|fra|palaan|"
    r"do|wracam|wrócę|powrotu?|od|vrátím|zpět|până|revin|din|döneceğim|до|по|вернусь|буду|с|至|到)(?!\w)|[-–](?=\s?\d)|(?<=\d)\s?[-–]",
    re.IGNORECASE,
)
_REACH = 48  # characters between the cue and its date
# Words that stand before much else: only a date close by counts, and no bare weekday.
_WEAK = {"to", "au", "al", "do", "od", "din", "с", "по", "fra", "dal", "-", "–"}
_WEAK_REACH = 16


def away_until(text: str, *, received_at: datetime) -> datetime | None:
    """Midnight (in the zone of `received_at`) of the return date a text names, the latest if several; None when none.

    A date without a year is the next such day. `03/04` is read day first unless that is impossible or already past.
    """
    text = text[:MAX_TEXT]
    today = received_at.date()
    days = [day for cue in _CUE.finditer(text) for day in _dates_after(text, cue, today)]
    days += [day for match, found in _all_dates(text, today) if _AFTER.match(text, match.end()) for day in found]
    days += [
        day for match in _CJK.finditer(text) for day in _this_or_next(match[1], int(match[2]), int(match[3]), today)
    ]
    days += [day for found in _MONTH_DAY.finditer(text) if found[3] for day in _month_days(found, today)]
    days = [day for day in days if today <= day <= today + _FURTHEST]
    if not days:
        return None
    return datetime.combine(max(days), time(), tzinfo=received_at.tzinfo)


def _dates_after(text: str, cue: re.Match[str], today: date) -> Iterator[date]:
    """The first date within reach of a cue."""
    weak = cue[0].lower().strip() in _WEAK
    reach = _WEAK_REACH if weak else _REACH
    window = text[cue.end() : cue.end() + reach + 30].split("\n\n")[0]
    found = [(match.start(), days) for match, days in _all_dates(window, today) if match.start() <= reach and days]
    if found:
        yield min(found)[1][0]
    elif not weak and (weekday := _ON_DAY.match(window)):
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
