"""Which column of a stranger's file is which field of a lead: guessed from the header, then applied row by row.

A mapping is {column: target}; a target is a lead field, "full_name", "groups", "custom:<key>", or None to leave the
column out. Headers are compared without case, accents, spaces and punctuation.
"""

import re
import unicodedata

from leads.cells import restore
from leads.rows import TEXT_FIELDS

LEAD_FIELDS = ("email", *TEXT_FIELDS, "lead_score")
SPECIAL = ("full_name", "groups")
# A custom key is reached as {{key}} in templates, so it may not hide a word that already means something there.
RESERVED_KEYS = frozenset({*LEAD_FIELDS, *SPECIAL, "company", "custom", "random", "unsubscribe_url"})
MAX_KEY = 50
CUSTOM = "custom:"
CUSTOM_KEY = re.compile(r"[a-z][a-z0-9_]{0,49}")
OUR_EXPORT = frozenset({"id", "email", "lead_score", "status"})
UNNAMED = re.compile(r"Column \d+")

# Target → headers, as _bare() leaves them. Apollo, Clay, HubSpot and the common CRMs; English, German, French, Spanish.
ALIASES = {
    "email": "email emailaddress mail workemail businessemail primaryemail contactemail personemail"
    " emailadresse mailadresse courriel adresseemail adressemail emailprofessionnel correo correoelectronico",
    "first_name": "firstname givenname forename vorname prenom nombre",
    "last_name": "lastname surname familyname nachname familienname nom nomdefamille apellido apellidos",
    "full_name": "fullname name contactname personname leadname vollername vollstandigername"
    " nomcomplet nometprenom nombrecompleto",
    "company_name": "company companyname organization organisation organizationname account accountname employer"
    " firma firmenname unternehmen unternehmensname entreprise societe nomdelentreprise empresa nombredelaempresa",
    "title": "title jobtitle position role headline jobtitel berufsbezeichnung funktion poste fonction titre"
    " intituleduposte cargo puesto",
    "persona": "persona buyerpersona",
    "phone": "phone phonenumber telephone tel workphone workdirectphone directphone mobilephone mobile cellphone"
    " corporatephone companyphone telefon telefonnummer rufnummer mobil mobiltelefon handy handynummer durchwahl"
    " numerodetelephone portable telefono movil",
    "website": "website websiteurl url companywebsite companydomain domain webseite homepage internetseite"
    " siteweb siteinternet sitioweb paginaweb",
    "linkedin_url": "linkedinurl linkedin linkedinprofile linkedinprofileurl personlinkedin personlinkedinurl"
    " contactlinkedinurl profillinkedin linkedinprofil perfildelinkedin",
    "city": "city town ort stadt wohnort ville ciudad",
    "country": "country countryregion land pays pais",
    "timezone": "timezone zeitzone fuseauhoraire zonahoraria",
    "source": "source leadsource quelle leadquelle herkunft origine fuente origen",
    "lead_score": "leadscore score",
    "groups": "groups group lists list gruppen gruppe groupes groupe grupos grupo",
}
TARGET_OF = {header: target for target, headers in ALIASES.items() for header in headers.split()}
TITLES = frozenset({"dr", "prof", "mr", "mrs", "ms", "mx", "herr", "frau", "m", "mme", "mlle", "sr", "sra", "ing"})


def guess_mapping(columns: list[str], *, given: dict[str, str | None] | None = None) -> dict[str, str | None]:
    """A target for every column. The first column that fits a field has it; the others become custom facts.

    What is `given` by hand stands as it is, and the guesses make room for it.
    """
    mapping: dict[str, str | None] = dict(given or {})
    wanted = {column: TARGET_OF.get(_bare(column)) for column in columns}
    known = [*wanted.values(), *mapping.values()]
    has_both_names = "first_name" in known and "last_name" in known
    for column in columns:
        if column not in mapping:
            target = None if has_both_names and wanted[column] == "full_name" else wanted[column]
            mapping[column] = _settle(column, target, mapping, columns)
    return mapping


def _settle(column: str, target: str | None, mapping: dict, columns: list[str]) -> str | None:
    if UNNAMED.fullmatch(column):
        return None  # nobody named it, so nobody could ask for it by name
    if column in OUR_EXPORT and set(columns) >= OUR_EXPORT:
        return target if column in LEAD_FIELDS else None  # our own id and status are no facts about the person
    if target and target not in mapping.values():
        return target
    return CUSTOM + _free_key(column, mapping)


def custom_key(column: str) -> str:
    """`# Employees (est.)` → `employees_est`: a-z, 0-9 and _, from a letter on, at most 50."""
    words = re.sub(r"[^a-z0-9]+", "_", _plain(column)).strip("_")
    if not words:
        words = "column"  # a header in another script
    if not words[0].isalpha():
        words = f"c_{words}"
    return words[:MAX_KEY].rstrip("_")


def mapping_problems(mapping: dict[str, str | None], *, columns: list[str]) -> dict[str, str]:
    """What is wrong with a mapping somebody wrote: {column: sentence}, empty when it can be applied."""
    problems, taken = {}, set()
    for column, target in mapping.items():
        if column not in columns:
            problems[column] = "The file has no such column."
        elif target is None:
            continue
        elif not _is_target(target):
            problems[column] = f"{target} is neither a lead field nor custom:<key> with a key like team_size."
        elif target in taken:
            problems[column] = f"Another column is already mapped to {target}."
        else:
            taken.add(target)
    return problems


def apply_mapping(row: dict[str, str], mapping: dict[str, str | None]) -> dict:
    """One row as lead input: text fields, lead_score an int where it is one, groups a list, custom a dict.

    Values are trimmed and formula cells restored. A blank cell is absent, not null: an empty column of an export
    must not wipe what is known. `custom` is absent when there is nothing in it.
    """
    lead: dict = {}
    custom: dict[str, str] = {}
    for column, target in mapping.items():
        value = restore(row.get(column, "").strip()).strip()
        if not value or not target:
            continue
        if target.startswith(CUSTOM):
            custom[target.removeprefix(CUSTOM)] = value
        else:
            lead[target] = " ".join(value.split())  # a line break inside a name or title is an accident
    return _shaped(lead) | ({"custom": custom} if custom else {})


def _shaped(lead: dict) -> dict:
    if full_name := lead.pop("full_name", ""):
        first, last = split_name(full_name)
        lead = {"first_name": first, "last_name": last} | lead
    if "groups" in lead:
        lead["groups"] = _names(lead["groups"])
    if "lead_score" in lead:
        lead["lead_score"] = _whole_number(lead["lead_score"])
    return {field: value for field, value in lead.items() if value != ""}


def _names(listed: str) -> list[str]:
    names: dict[str, str] = {}
    for name in re.split(r"[;,]", listed):
        if name.strip():
            names.setdefault(name.strip().casefold(), name.strip())
    return list(names.values())


def split_name(full_name: str) -> tuple[str, str]:
    """("Ana María", "López") from "López, Ana María"; otherwise the first word, less titles, is the first name."""
    before, comma, after = full_name.partition(",")
    if comma and after.strip():
        return after.strip(), before.strip()
    words = before.split()
    while len(words) > 1 and words[0].rstrip(".").lower() in TITLES:
        words.pop(0)
    return (words[0], " ".join(words[1:])) if words else ("", "")


def _whole_number(value: str) -> int | str:
    number = re.fullmatch(r"(-?\d{1,9})(?:[.,]0+)?\s*%?", value)
    return int(number[1]) if number else value  # whatever else it is, the lead's own check refuses it by name


def _is_target(target: object) -> bool:
    if not isinstance(target, str):
        return False
    if target.startswith(CUSTOM):
        key = target.removeprefix(CUSTOM)
        return bool(CUSTOM_KEY.fullmatch(key)) and key not in RESERVED_KEYS
    return target in LEAD_FIELDS or target in SPECIAL


def _free_key(column: str, mapping: dict[str, str | None]) -> str:
    key = candidate = custom_key(column)
    count = 1
    while candidate in RESERVED_KEYS or CUSTOM + candidate in mapping.values():
        count += 1
        candidate = f"{key[: MAX_KEY - 4]}_{count}"
    return candidate


def _plain(text: str) -> str:
    """Lower case without accents: `Straße` → `strasse`, `Prénom` → `prenom`."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def _bare(column: str) -> str:
    return re.sub(r"[\W_]+", "", _plain(column))
