"""Wrong values in every field and query parameter: 400 that names it, never 500. Made from the serializers."""

import base64
import json

import pytest
from rest_framework import serializers

from outbound.api.serializers import OwnedField, OwnedListField
from tests import make
from tests.contract import RANDOM_ID, cast_of, fields_of, request_of, with_value
from tests.test_contract import OPERATIONS, TAKES_JSON, asked, each, refused, send_to

QUERIES = [operation for operation in OPERATIONS if operation.query]
HUGE = 9_999_999_999_999_999_999  # as long as the parser lets through, more than a column holds
POISON = ["", "x" * 70_000, "\x01\x0b\u2028\ufeff{{%s'\\", "İKß\u03a3ς٣", HUGE, [[{"a": {}}]]]
# Beyond what no field of the kind takes; the rest of POISON must only not be a 500.
WRONG = [
    (serializers.BooleanField, ["maybe", [], {}, 7, "x" * 300]),
    (serializers.IntegerField, ["abc", [], {}, 1.5, HUGE, -(10**17), "NaN", "1e400", "9" * 400]),
    (serializers.DateTimeField, ["nope", 5, [], {}, "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"]),
    (serializers.ChoiceField, ["zzz", [], {}, 5, "x" * 70_000]),
    (OwnedListField, ["x", {}, 5, [{}], [None], ["nope"], [RANDOM_ID], [RANDOM_ID] * 5001]),
    (OwnedField, [5, [], {}, "nope", RANDOM_ID, "x" * 70_000, ""]),
    (serializers.ListSerializer, ["x", {}, [5], [None], None]),
    (serializers.Serializer, ["x", [], 5, True]),
    (serializers.ListField, ["x", {"0": "x"}, [{}], [None]]),
    (serializers.DictField, ["x", 5, [], True]),
    (serializers.CharField, [[], {}, [None], "x" * 300_000]),
]


def wrong_for(field) -> list:
    values = next((values for kind, values in WRONG if isinstance(field, kind)), [])
    return [*values, *too_long_for(field), *([] if field.allow_null else [None])]


def too_long_for(field) -> list[str]:
    """Text that would fit once the blanks are gone: the document's maxLength is of what is sent."""
    longest = field.max_length if isinstance(field, serializers.CharField) else None
    return [] if longest is None else ["x" + " " * longest, "\n" * longest + "x"]


@pytest.fixture
def cast(acme):
    return cast_of(acme)


@pytest.fixture
def key(acme):
    return make.key(acme)


def once_each(operations) -> list[tuple]:
    """(operation, place, field), each field of each serializer once, wherever it is used."""
    seen, found = set(), []
    for operation in operations:
        for place, field in fields_of(operation.body):
            if (type(field.parent), field.field_name) not in seen:
                seen.add((type(field.parent), field.field_name))
                found.append((operation, place, field))
    return found


def named(details: dict, path: tuple) -> bool:
    """Do the details name the field, or something inside or around it?"""
    dotted = ".".join(map(str, path))
    return any(dotted.startswith(name) or name.startswith(dotted) for name in details)


def test_a_wrong_value_in_a_body_is_400_that_names_the_field(cast, key):
    cases = [(*case, value) for case in once_each(TAKES_JSON) for value in wrong_for(case[2])]
    for operation, place, _, value in each(cases):
        path, body = request_of(operation, cast)
        said = refused(send_to(path, operation, with_value(body, place, value), key), 400, "invalid")
        assert named(said["details"], place), (place, str(value)[:80], said)


def test_no_value_in_a_body_is_a_500(cast, key):
    for operation, place, _, value in each((*case, value) for case in once_each(TAKES_JSON) for value in POISON):
        path, body = request_of(operation, cast)
        answer = send_to(path, operation, with_value(body, place, value), key)
        assert answer.status_code < 500, (place, str(value)[:80], asked(answer))
        assert json.loads(answer.content or b"{}", parse_constant=pytest.fail) is not None


STRANGE = [
    "",
    "x" * 5000,
    "%00",
    "%ED%A0%80",
    "%FF",
    "-1",
    "0",
    "9" * 400,
    "{}",
    "%D9%A3",
    "%25_%5C'",
    RANDOM_ID,
    "%20",
]
WRONG_IN_QUERY = {
    serializers.BooleanField: ["maybe", "7", "x" * 5000, "%00", "[]"],
    serializers.IntegerField: ["", "x", "-1", "1.5", "NaN", "9" * 400, "9" * 5000, "%00", "1e9"],
    serializers.ChoiceField: ["zzz", "x" * 5000, "%00"],
    OwnedField: ["nope", RANDOM_ID, "%00", "x" * 5000, "x" * 70_000, "%25", "_"],
}


def query_fields() -> list[tuple]:
    """(operation, name, field), each field of each serializer once."""
    found = {}
    for operation in QUERIES:
        for (name, *_), field in fields_of(operation.query):
            found.setdefault((operation.query, name), (operation, name, field))
    return list(found.values())


def test_a_wrong_query_parameter_is_400_that_names_it(cast, key):
    for operation, name, field in query_fields():
        path, body = request_of(operation, cast)
        for value in next((values for kind, values in WRONG_IN_QUERY.items() if isinstance(field, kind)), []):
            said = refused(send_to(f"{path.partition('?')[0]}?{name}={value}", operation, body, key), 400, "invalid")
            assert list(said["details"]) == [name]


def test_no_query_is_a_500(cast, key):
    for operation, name, _ in each(query_fields()):
        path, body = request_of(operation, cast)
        for value in STRANGE:
            answer = send_to(f"{path.partition('?')[0]}?{name}={value}", operation, body, key)
            assert answer.status_code < 500, asked(answer)
            if answer.status_code == 400:
                assert list(refused(answer, 400)["details"]) == [name]


CURSORS = [
    "null",
    "[]",
    "[1,2]",
    '["2026-01-01T00:00:00+00:00",5]',
    '["2026-01-01T00:00:00+00:00",null]',
    '["2026-01-01T00:00:00","x"]',
    f'["0001-01-01T00:00:00+14:00","{RANDOM_ID}"]',
    f'["9999-12-31T23:59:59-14:00","{RANDOM_ID}"]',
    '{"a":1,"b":2}',
    "[" * 200,
    '["2026-01-01T00:00:00+00:00",["x"]]',
    "\xff\xfe",
    '["2026-01-01T00:00:00+00:00","\\u0000"]',
]


@pytest.mark.parametrize("cursor", CURSORS)
def test_a_cursor_that_we_did_not_give_is_400_that_names_it(api, cursor):
    text = base64.urlsafe_b64encode(cursor.encode("latin-1")).decode()

    said = refused(api("get", f"/leads?after={text}"), 400, "invalid")

    assert list(said["details"]) == ["after"]
