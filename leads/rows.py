"""One lead as it comes in: which fields there are, how long they may be, what is refused. Pure, and fast.

The table TEXT_FIELDS is the one source of the limits: the serializers of REST and MCP are built from it. What is sent
is measured as it comes, before blanks and control characters go: the document's maxLength is a promise to both sides.
"""

import re
import zoneinfo
from dataclasses import dataclass, field
from functools import lru_cache

from leads.checks import normalise_email

# name → longest text; all blank when null is sent.
TEXT_FIELDS = {
    "first_name": 200,
    "last_name": 200,
    "company_name": 200,
    "title": 200,
    "persona": 200,
    "phone": 60,
    "website": 500,
    "linkedin_url": 500,
    "city": 200,
    "country": 200,
    "timezone": 64,
    "source": 100,
}
DEFAULT_SCORE = 50
DEFAULTS: dict[str, object] = {"persona": "general", "source": "api", "lead_score": DEFAULT_SCORE}
ALIASES = {"company": "company_name"}
LEAD_FIELDS = ("email", *TEXT_FIELDS, "lead_score", "custom")
TEMPLATE_NAMES = frozenset(LEAD_FIELDS) - {"custom"} | {"company"}

MAX_EMAIL = 254
MAX_CUSTOM_KEYS = 100
MAX_CUSTOM_TEXT = 10_000
MAX_GROUPS = 20
MAX_GROUP_NAME = 80
_CUSTOM_KEY = re.compile(r"[a-z][a-z0-9_]{0,49}")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")


class RowRefused(ValueError):
    """details is {field: [sentences]}, every wrong field at once."""

    def __init__(self, details: dict[str, list[str]]):
        self.details = details
        name, sentences = next(iter(details.items()))
        super().__init__(f"{name}: {sentences[0]}")


@dataclass
class LeadRow:
    """fields: only what was given, cleaned. groups: names, None when not given."""

    fields: dict
    groups: list[str] | None = None
    errors: dict = field(default_factory=dict)


def read_row(row, *, email_required: bool = True) -> LeadRow:
    """Clean one lead given as a dict. Raises RowRefused naming every wrong field (decisions C8, C21, §3)."""
    if not isinstance(row, dict):
        raise RowRefused({"body": ['A lead is an object such as {"email": "jo@acme.com"}.']})
    found = LeadRow(fields={})
    for given, value in row.items():
        name = ALIASES.get(given, str(given))
        try:
            _read(found, name, value)
        except ValueError as error:
            found.errors[name] = [str(error)]
    if email_required and "email" not in row:
        found.errors["email"] = ["This field is required."]
    if found.errors:
        raise RowRefused(found.errors)
    return found


def _read(found: LeadRow, name: str, value) -> None:
    if name in TEXT_FIELDS:
        found.fields[name] = _text(name, value)
    elif name == "email":
        found.fields["email"] = _email(value)
    elif name == "lead_score":
        found.fields["lead_score"] = _score(value)
    elif name == "custom":
        found.fields["custom"] = _custom(value)
    elif name == "groups":
        found.groups = _groups(value)
    else:
        raise ValueError("Unknown field. Put fields of your own into custom.")


def _text(name: str, value) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ValueError("Give text.")
    if len(value) > TEXT_FIELDS[name]:
        raise ValueError(f"At most {TEXT_FIELDS[name]} characters.")
    value = _CONTROL.sub("", value).strip()
    if name == "timezone" and value and value not in _zones():
        raise ValueError("Give an IANA timezone, such as Europe/Madrid.")
    return value


def _email(value) -> str:
    if not isinstance(value, str):
        raise ValueError("Give an e-mail address as text.")
    if len(value) > MAX_EMAIL:
        raise ValueError(f"At most {MAX_EMAIL} characters.")
    return normalise_email(value)


def _score(value) -> int:
    if value is None:
        return DEFAULT_SCORE
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 100:
        raise ValueError("Give a whole number from 0 to 100.")
    return value


def _custom(value) -> dict:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError("Give an object of your own fields.")
    if len(value) > MAX_CUSTOM_KEYS:
        raise ValueError(f"At most {MAX_CUSTOM_KEYS} fields of your own.")
    for key, item in value.items():
        if not _CUSTOM_KEY.fullmatch(key):
            raise ValueError(f"{key[:60]}: a name is lower-case letters, digits and _, 50 at most, a letter first.")
        if key in TEMPLATE_NAMES:
            raise ValueError(f"{key}: this is a field of the lead itself.")
        if isinstance(item, (dict, list)):
            raise ValueError(f"{key}: give text, a number or true/false.")
        if isinstance(item, str) and len(item) > MAX_CUSTOM_TEXT:
            raise ValueError(f"{key}: at most {MAX_CUSTOM_TEXT} characters.")
    return value


def _groups(value) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise ValueError("Give a list of group names.")
    if len(value) > MAX_GROUPS:
        raise ValueError(f"At most {MAX_GROUPS} groups.")
    names = list(dict.fromkeys(_CONTROL.sub("", name).strip() for name in value))
    if not all(names) or any(len(name) > MAX_GROUP_NAME for name in value):
        raise ValueError(f"A group's name has 1 to {MAX_GROUP_NAME} characters.")
    return names


@lru_cache(maxsize=1)
def _zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())
