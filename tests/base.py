"""The cast: workspace Acme owns the data, with a full and a read-only key; workspace Rival must never see any of it."""

import pytest
from rest_framework.test import APIClient

from tests import make


class Api:
    """A client of /api/v1 with one key."""

    def __init__(self, key: str = ""):
        self.client = APIClient(raise_request_exception=True)
        if key:
            self.client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")

    def __call__(self, method: str, path: str, body=None, **headers):
        call = getattr(self.client, method.lower())
        named = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        return call(f"/api/v1{path}", body, format="json", **named)

    def data(self, method: str, path: str, body=None, *, status: int | None = None, **headers):
        """The answer's data; a failure fails the test with what it said."""
        answer = self(method, path, body, **headers)
        assert answer.status_code == status if status else answer.status_code < 400, answer.content
        return answer.json()["data"] if answer.content else None


@pytest.fixture
def acme(db):
    return make.workspace("Acme")


@pytest.fixture
def rival(db):
    return make.workspace("Rival")


@pytest.fixture
def api(acme) -> Api:
    return Api(make.key(acme))


@pytest.fixture
def rival_api(rival) -> Api:
    return Api(make.key(rival))
