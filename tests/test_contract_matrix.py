"""Who may ask what, for each endpoint of the OpenAPI document alone: no example of ours is needed to be held to it.

What needs one, such as a stranger's id in a body, is in test_contract.py.
"""

import re
from datetime import timedelta

import pytest

from apikeys.models import ApiKey
from apikeys.services import create_key, revoke_key
from outbound.urls import api
from tests import make
from tests.contract import EXAMPLES, RANDOM_ID, cast_of, patterns, request_of, rows_of
from tests.test_contract import ALL, CLIENT, each, raw, refused, send_to

WITHOUT_A_KEY = {"auth/token", "auth/token/refresh", "openapi.json"}


@pytest.fixture
def endpoints(db) -> list[tuple[str, str]]:
    """(method, path with {names} for ids) of all that needs a key."""
    paths = CLIENT.get("/api/v1/openapi.json").json()["paths"]
    found = [
        (method.upper(), path.removeprefix("/api/v1"))
        for path, there in paths.items()
        for method, operation in there.items()
        if operation.get("security")
    ]
    assert len(found) == len(ALL)
    return found


def at(path: str, row_id: str = RANDOM_ID) -> str:
    return re.sub(r"{[^}]+}", str(row_id), path)


def test_without_a_key_or_with_one_that_is_no_more_it_is_401(endpoints, acme):
    revoked, first = create_key(workspace=acme, name="revoked")
    revoke_key(revoked, now=make.NOW)
    _, second = create_key(workspace=acme, name="expired", expires_at=make.NOW - timedelta(seconds=1))
    for method, path in endpoints:
        for raw_key in ("", "aiob_test_nope", first, second):
            refused(raw(method, at(path), "{}", raw_key), 401, "authentication_failed")


def test_without_its_scope_it_is_403_before_anything_is_looked_for(endpoints, acme):
    key = make.key(acme)
    ApiKey.objects.update(scopes=[])
    for method, path in endpoints:
        said = refused(raw(method, at(path), "{}", key), 403, "missing_scope")
        assert re.fullmatch(r"Missing required scope: [a-z]+:[a-z]+", said["error"])


def test_any_id_of_a_stranger_is_the_404_of_a_random_one(endpoints, acme, rival):
    key = make.key(acme)
    theirs = [row.pk for row in vars(cast_of(rival)).values() if hasattr(row, "workspace_id")]
    assert len(theirs) >= 17
    before = rows_of(rival)
    for method, path in endpoints:
        for row_id in [*theirs, RANDOM_ID] if "{" in path else ():
            refused(raw(method, at(path, row_id), "{}", key), 404, "not_found")
    assert rows_of(rival) == before


def test_nothing_is_routed_that_the_document_does_not_show():
    """A plain view would have neither scope nor envelope; these few are asked without a key."""
    plain = {str(each.pattern) for each in patterns(api) if not hasattr(each.callback, "actions")}
    assert plain == WITHOUT_A_KEY


def test_a_write_repeated_under_its_key_is_answered_again_and_changes_nothing(acme):
    cast, key = cast_of(acme), make.key(acme)
    for operation in each(operation for operation in ALL if operation.writes):
        path, body = request_of(operation, cast)
        first = send_to(path, operation, body, key, HTTP_IDEMPOTENCY_KEY="k")
        after = rows_of(acme)

        second = send_to(path, operation, body, key, HTTP_IDEMPOTENCY_KEY="k")

        assert first.status_code == second.status_code == EXAMPLES[operation.id].status, operation
        assert second.headers.get("Idempotency-Replayed") == "true", operation
        assert (second.content and second.json()) == (first.content and first.json()), operation
        assert rows_of(acme) == after, operation


def test_every_answer_says_where_its_key_stands(acme):
    cast, key = cast_of(acme), make.key(acme)
    for operation in each(ALL):
        for path, body in (request_of(operation, cast), (operation.at(RANDOM_ID) + "?zzz=1", "{")):
            answer = send_to(path, operation, body, key)
            names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
            assert all(answer[name].isdigit() for name in names), (operation, answer.status_code)
