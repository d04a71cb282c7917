"""What holds at every address of REST, run over the URL table itself: a new route without an example fails here."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import Client
from rest_framework.test import APIClient

from apikeys.models import ApiKey
from apikeys.scopes import ALL_SCOPES
from apikeys.services import create_key, revoke_key
from outbound.api.parsers import MAX_DEPTH
from tests import make
from tests.contract import (
    EXAMPLES,
    RANDOM_ID,
    cast_of,
    fields_of,
    is_uuid,
    names_ids,
    operations,
    request_of,
    rows_of,
    with_value,
)

ALL = operations()
OPERATIONS = [operation for operation in ALL if operation.id in EXAMPLES]
WITH_ID = [operation for operation in OPERATIONS if operation.has_id]
TAKES_JSON = [operation for operation in OPERATIONS if operation.takes_json]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
PATHS = sorted({operation.path for operation in OPERATIONS})
STRANGE_IDS = [
    "%00",
    "%ED%A0%80",
    "x" * 5000,
    "..",
    "%27%20OR%201=1",
    "null",
    "-1",
    "%7B" + RANDOM_ID[2:] + "%7D",
    "urn:uuid:" + RANDOM_ID[9:],
    "%F0%9F%98%80",
    "%0d%0aX-A:b",
    "00000000-0000-0000-0000-00000000000g",
    "%25",
    "%2F",
]
TEN_MEGABYTES = 10 * 1024 * 1024
CLIENT = APIClient()  # one for all: a new one loads the middleware anew


@pytest.fixture
def cast(acme):
    return cast_of(acme)


@pytest.fixture
def rivals(rival):
    return cast_of(rival)


@pytest.fixture
def key(acme):
    return make.key(acme)


def each(found):
    """Each of them in a savepoint that is rolled back, so that one request does not spoil the next one's world."""
    for one in found:
        with transaction.atomic():
            yield one
            transaction.set_rollback(True)


def send(operation, cast, raw_key: str = "", **how):
    path, body = request_of(operation, cast)
    return send_to(path, operation, body, raw_key, **how)


def send_to(path, operation, body, raw_key: str = "", **headers):
    content_type = "text/csv" if operation.id == "create_import" else "application/json"
    return raw(operation.method, path, body, raw_key, content_type=content_type, **headers)


def raw(method, path, body=None, raw_key: str = "", *, content_type="application/json", client=None, **headers):
    """A request as its bytes, unknown methods and all."""
    if raw_key:
        headers["HTTP_AUTHORIZATION"] = f"Bearer {raw_key}"
    if not isinstance(body, bytes | str | type(None)):
        body = json.dumps(body)
    return (client or CLIENT).generic(method, f"/api/v1{path}", body or "", content_type=content_type, **headers)


def asked(answer) -> str:
    request = answer.wsgi_request
    return f"{request.method} {request.get_full_path()[:200]} → {answer.status_code} {answer.content[:500]}"


def refused(answer, status: int, code: str = "") -> dict:
    """The body of a refusal, held to the envelope of decisions C2."""
    assert answer.status_code == status, asked(answer)
    assert answer["Content-Type"] == "application/json"
    body = answer.json()
    assert set(body) - {"details"} == {"success", "error", "code", "request_id"}
    assert body["success"] is False
    assert body["error"] and isinstance(body["error"], str)
    assert body["code"] == (code or body["code"]), asked(answer)
    assert is_uuid(body["request_id"])
    return body


def done(answer, operation) -> None:
    assert answer.status_code == EXAMPLES[operation.id].status, asked(answer)


def test_every_operation_has_an_example():
    missing = sorted({operation.id for operation in ALL} - set(EXAMPLES))
    assert not missing, "Give each a request that works, in tests/contract.py: the tests below are run with it."


def test_operation_ids_are_unique_and_readable():
    ids = [operation.id for operation in ALL]
    assert len(set(ids)) == len(ids)
    assert all(name.replace("_", "").isalpha() and name == name.lower() for name in ids)


def test_every_operation_answers_in_the_envelope(cast, key):
    for operation in each(OPERATIONS):
        answer = send(operation, cast, key)
        done(answer, operation)
        if answer.status_code == 204:
            assert answer.content == b""
        elif answer["Content-Type"] == "application/json":
            body = answer.json()
            assert body["success"] is True
            assert {"success", "data"} <= set(body) <= {"success", "data", "meta"}


class TestTheKey:
    def test_without_one_it_is_401(self, cast):
        for operation in each(OPERATIONS):
            answer = send(operation, cast)
            refused(answer, 401, "authentication_failed")
            assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_a_revoked_or_an_expired_one_is_401(self, cast, acme):
        revoked, first = create_key(workspace=acme, name="revoked")
        revoke_key(revoked, now=make.NOW)
        _, second = create_key(workspace=acme, name="expired", expires_at=make.NOW)
        for operation in each(OPERATIONS):
            refused(send(operation, cast, first), 401)
            refused(send(operation, cast, second), 401)

    def test_a_session_is_no_credential(self, cast):
        user = get_user_model().objects.create_superuser("root", password="secret")  # noqa: S106
        client = Client(enforce_csrf_checks=True)
        client.force_login(user)
        for operation in each(OPERATIONS):
            path, body = request_of(operation, cast)
            refused(raw(operation.method, path, body, client=client), 401)

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "Bearer",
            "Bearer ",
            "Basic abc",
            "Token abc",
            "Bearer aiob_live_x",
            "Bearer " + "x" * 20_000,
            "Bearer \xff\xfe",
            "bearer aiob_test_ü",
            "Bearer a b c",
            "Bearer ' OR 1=1 --",
            "aiob_test_x",
        ],
    )
    def test_a_strange_header_is_401(self, db, header):
        refused(raw("GET", "/groups", HTTP_AUTHORIZATION=header), 401)

    def test_all_scopes_but_its_own_are_403_that_names_it(self, cast, acme):
        for operation in each(OPERATIONS):
            others = [scope for scope in ALL_SCOPES if scope != operation.scope]
            said = refused(send(operation, cast, make.key(acme, scopes=others)), 403, "missing_scope")
            assert said["error"] == f"Missing required scope: {operation.scope}"

    def test_its_own_scope_is_enough(self, cast, acme):
        for operation in each(OPERATIONS):
            done(send(operation, cast, make.key(acme, scopes=[operation.scope])), operation)

    def test_the_raw_key_is_stored_nowhere(self, acme):
        raw_key = make.key(acme)

        stored = json.dumps(list(ApiKey.objects.values()), default=str)

        assert raw_key.removeprefix("aiob_test_")[8:] not in stored


class TestStrangers:
    def test_a_strangers_id_in_the_path_is_the_404_of_a_random_one(self, cast, rivals, key, rival):
        requests = [
            (operation, request_of(operation, rivals)[0], request_of(operation, cast)[1]) for operation in WITH_ID
        ]
        before = rows_of(rival)
        for operation, theirs, body in requests:
            stranger = refused(send_to(theirs, operation, body, key), 404, "not_found")
            random = refused(send_to(operation.at(RANDOM_ID), operation, body, key), 404, "not_found")
            assert {**stranger, "request_id": ""} == {**random, "request_id": ""}
        assert rows_of(rival) == before

    def test_a_variable_is_found_by_name_in_ones_own_workspace_only(self, rival, api):
        make.variable(rival, "their_line")

        refused(api("get", "/variables/their_line"), 404)

    def test_strangers_ids_in_a_body_are_400_and_nothing_is_applied(self, cast, rivals, key, acme, rival):
        checked = 0
        requests = [(operation, *request_of(operation, cast)) for operation in TAKES_JSON]
        before = rows_of(acme), rows_of(rival)
        for operation, path, body in requests:
            for field_path, field in fields_of(operation.body):
                if not names_ids(field):
                    continue
                own = field_path[0].removesuffix("_ids").removesuffix("_id")
                for unknown in (str(getattr(rivals, own).id), RANDOM_ID):
                    value = [str(getattr(cast, own).id), unknown] if field_path[0].endswith("_ids") else unknown
                    said = refused(send_to(path, operation, with_value(body, field_path, value), key), 400, "invalid")
                    assert unknown in said["details"][field_path[0]][0]
                    checked += 1
        assert checked >= 14
        assert (rows_of(acme), rows_of(rival)) == before

    def test_strangers_ids_in_a_query_are_400_that_lists_them(self, cast, rivals, key):
        checked = 0
        for operation in each(OPERATIONS):
            for (name, *_), field in fields_of(operation.query) if operation.query else ():
                if names_ids(field):
                    path = request_of(operation, cast)[0].partition("?")[0]
                    said = refused(send_to(f"{path}?{name}={rivals.group.id}", operation, None, key), 400)
                    assert str(rivals.group.id) in said["details"][name][0]
                    checked += 1
        assert checked >= 2

    def test_lists_counts_search_and_export_show_nothing_of_a_stranger(self, cast, rivals, api):
        for operation in OPERATIONS:
            if not operation.writes and not operation.has_id:
                assert "rival" not in api("get", operation.at("")).content.decode().lower(), operation
        assert api.data("get", "/leads?search=rival") == []

    def test_a_strangers_address_is_new_to_us(self, rivals, api):
        assert api.data("post", "/leads", [{"email": rivals.lead.email}])["created"] == 1


class TestWhatIsNotThere:
    def test_another_method_is_405(self, cast, key):
        for path in each(PATHS):
            there = {operation.method: operation for operation in OPERATIONS if operation.path == path}
            target = request_of(next(iter(there.values())), cast)[0].partition("?")[0]
            for method in set(METHODS) - set(there):
                answer = raw(method, target, "{}", key)
                refused(answer, 405, "method_not_allowed")
                assert set(there) <= set(answer["Allow"].replace(" ", "").split(","))

    @pytest.mark.parametrize(
        "path", ["nope", "leads/", "groups/", "groups/x/y/z", "leads//", "", "../v1/leads", "runs/x/fly"]
    )
    def test_an_unknown_address_is_404(self, db, path):
        client = Client(enforce_csrf_checks=True)
        for method in METHODS:
            refused(raw(method, f"/{path}", "{}", client=client), 404, "not_found")

    def test_a_slash_at_the_end_is_another_address(self, cast, key):
        for operation in each(OPERATIONS):
            target = request_of(operation, cast)[0].partition("?")[0]
            refused(send_to(f"{target}/", operation, None, key), 404)

    def test_a_strange_id_is_404(self, cast, key):
        requests = [(operation, request_of(operation, cast)[1]) for operation in WITH_ID]
        for operation, body in requests:
            for poison in STRANGE_IDS:
                refused(send_to(operation.at(poison), operation, body, key), 404, "not_found")
            if operation.writes:
                refused(
                    send_to(operation.at("x" * 5000), operation, body, key, HTTP_IDEMPOTENCY_KEY="k"), 404, "not_found"
                )


NO_JSON = [
    b"{",
    b"nope",
    b"'x'",
    b"{'a': 1}",
    b'{"a": NaN}',
    b'{"a": Infinity}',
    b'{"a": -Infinity}',
    b'{"a": 1e999}',
    b"\xff\xfe",
    b'{"a": ' + b"9" * 5000 + b"}",
    b'{"a": "\xff"}',
    b'{"a":1}{"b":2}',
    b'{"a": "\\ud800"}',
    b'{"a\\u0000": 1}',
    b'{"a": "\\u0000"}',
    b'{"\\udfff": 1}',
    b"[" * 33 + b"]" * 33,
    "\u00a0{}".encode(),
    '{"a":1}'.encode("utf-16"),
    b"[1,]",
    b'{"a":\x01}',
]
DEEP = [b"[" * 100_000, b'{"a":' * 100_000, b"[" * 100_000 + b"]" * 100_000]
OTHER_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "x",
    "application/json5",
    "",
]


class TestBodies:
    def test_more_than_10_mb_is_413(self, cast, key):
        body = b'"' + b"x" * TEN_MEGABYTES + b'"'
        for operation in each(OPERATIONS):
            if operation.body is not None:
                path, _ = request_of(operation, cast)
                refused(send_to(path, operation, body, key), 413, "too_large")

    def test_the_length_header_alone_is_enough(self, key):
        refused(raw("POST", "/groups", "{}", key, CONTENT_LENGTH=str(2**40)), 413, "too_large")

    def test_another_content_type_is_415(self, cast, key):
        for operation in TAKES_JSON:
            path, body = request_of(operation, cast)
            for content_type in OTHER_TYPES if operation.id == "create_group" else OTHER_TYPES[:1]:
                answer = raw(operation.method, path, body, key, content_type=content_type)
                refused(answer, 415, "unsupported_media_type")

    def test_a_file_sent_as_json_or_as_a_form_is_415(self, key):
        refused(raw("POST", "/imports", "{}", key), 415, "unsupported_media_type")
        refused(raw("POST", "/imports", "x", key, content_type="multipart/form-data; boundary=x"), 415)

    def test_what_is_no_json_or_cannot_be_stored_is_400(self, cast, key):
        for operation in TAKES_JSON:
            refused(send_to(request_of(operation, cast)[0], operation, b'{"a": "\\u0000"}', key), 400)
        for body in NO_JSON:
            refused(raw("POST", "/groups", body, key), 400)

    def test_deep_json_is_400_and_not_a_crash(self, key):
        for body in DEEP:
            refused(raw("POST", "/groups", body, key), 400)

    def test_another_shape_is_400(self, cast, key):
        for operation in TAKES_JSON:
            path, _ = request_of(operation, cast)
            for body in ([[]], ["x"], [None], "x", 5, True, 0.5, None):
                said = refused(send_to(path, operation, json.dumps(body), key), 400, "invalid")
                assert set(said["details"]) <= {"body", "0"}, said

    def test_text_that_cannot_be_stored_is_named(self, api):
        steps = [{"subject": "a\x00b", "body_html": "x"}]

        said = refused(api("post", "/sequences", {"name": "S", "steps": steps}), 400, "invalid")

        assert list(said["details"]) == ["steps.0.subject"]

    def test_the_deepest_json_that_is_read(self, key):
        nested = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)

        body = '{"name": ' + nested + "}"

        assert "name" in refused(raw("POST", "/groups", body, key), 400, "invalid")["details"]

    def test_a_byte_order_mark_is_no_harm(self, key):
        assert raw("POST", "/groups", b'\xef\xbb\xbf{"name": "Marked"}', key).status_code == 201

    def test_an_unknown_field_is_400_that_names_it(self, cast, key, acme):
        writes = [operation for operation in OPERATIONS if operation.writes]
        requests = [(operation, *request_of(operation, cast)) for operation in writes]
        before = rows_of(acme)
        for operation, path, body in requests:
            if operation.takes_json or operation.body is None:
                said = refused(send_to(path, operation, {**(body or {}), "zzz": 1}, key), 400, "invalid")
                assert list(said["details"]) == ["zzz"]
                assert "zzz" in said["error"]
        assert rows_of(acme) == before

    def test_an_empty_body_is_no_unknown_field(self, cast, key):
        for operation in each(OPERATIONS):
            if operation.writes and operation.body is None:
                path, _ = request_of(operation, cast)
                done(send_to(path, operation, {}, key), operation)

    def test_an_unknown_query_parameter_is_400_that_names_it(self, cast, key):
        for operation in each(OPERATIONS):
            path, body = request_of(operation, cast)
            path += ("&" if "?" in path else "?") + "zzz=1"

            said = refused(send_to(path, operation, body, key), 400, "invalid")

            assert list(said["details"]) == ["zzz"]

    def test_unknown_fields_inside_are_named_with_their_place(self, api):
        steps = [{"subject": "Hi", "body_html": "x", "variants": [{"body_html": "x", "weigth": 1}]}]

        said = refused(api("post", "/sequences", {"name": "S", "steps": steps}), 400)

        assert list(said["details"]) == ["steps.0.variants.0.weigth"]

    def test_columns_of_the_tables_are_no_fields(self, cast, key, acme):
        """Mass assignment (S6): what the caller does not own cannot be set by naming its column."""
        columns = {"id", "workspace", "workspace_id", "created_at", "status", "launched_at", "emails_sent", "livemode"}
        for operation in each(TAKES_JSON):
            path, body = request_of(operation, cast)
            foreign = columns - {field_path[0] for field_path, _ in fields_of(operation.body)}
            said = refused(send_to(path, operation, {**body, **dict.fromkeys(foreign, str(acme.id))}, key), 400)
            assert foreign <= set(said["details"])
