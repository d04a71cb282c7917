"""Limits of a key over real HTTP, several server processes and a Redis of the test's own: exact, and still there when
that is killed."""

import os
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import make
from tests.faults.web import Answer, web
from tests.servers.redis import INSTALLED, PrivateRedis

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not INSTALLED and not os.environ.get("CI"), reason="redis-server is not installed"),
]
PROCESSES, AT_ONCE = 2, 16
DEFAULTS = {"RATE_LIMIT_PER_MINUTE": "300", "RATE_LIMIT_BURST": "60", "RATE_LIMIT_BULK_PER_MINUTE": "10"}


@pytest.fixture(scope="module")
def redis(tmp_path_factory):
    with PrivateRedis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def server(tmp_path_factory, django_db_setup, redis):
    folder = tmp_path_factory.mktemp("web")
    with web(folder, processes=PROCESSES, REDIS_URL=redis.url, **DEFAULTS) as running:
        yield running


@pytest.fixture
def away(redis):
    redis.kill()
    yield
    redis.start()


@pytest.fixture
def key(db) -> str:
    return make.key(make.workspace("Acme"))


def burst(server, key: str, *request, count: int) -> tuple[list[Answer], list[Answer], float]:
    """(accepted, refused, seconds it took) of so many requests, sixteen at a time."""
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: server.ask(*request, key=key), range(count)))
    took = time.monotonic() - began
    assert set(Counter(answer.status for answer in answers)) <= {200, 429}
    return [a for a in answers if a.status == 200], [a for a in answers if a.status == 429], took


def test_two_hundred_at_sixteenfold_get_no_more_than_the_bucket(server, key):
    accepted, refused, took = burst(server, key, "GET", "/groups", count=200)

    assert 60 <= len(accepted) <= 60 + took * 6 + 1
    assert {answer.headers["X-RateLimit-Limit"] for answer in accepted} == {"300"}
    # Exact among the processes: no two were told the same, but for what came back meanwhile.
    left = [int(answer.headers["X-RateLimit-Remaining"]) for answer in accepted]
    assert min(left) >= 300 - len(accepted)
    assert min(left) <= 300 - len(accepted) + took * 5 + 1
    assert {answer.headers["X-RateLimit-Limit"] for answer in refused} == {"60"}
    assert {answer.headers["X-RateLimit-Remaining"] for answer in refused} == {"0"}
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
    for answer in accepted + refused:
        assert abs(int(answer.headers["X-RateLimit-Reset"]) - time.time()) < 90


def test_bulk_work_has_its_own_bucket(server, key):
    body = {"leads": [{"email": "jane@acme.com"}]}
    accepted, refused, took = burst(server, key, "POST", "/leads/bulk", body, count=40)

    assert 10 <= len(accepted) <= 10 + took / 6 + 1
    assert {answer.headers["X-RateLimit-Limit"] for answer in accepted} == {"10"}
    assert "10" in {answer.headers["X-RateLimit-Limit"] for answer in refused}


class TestWhileRedisIsAway:
    def test_a_burst_is_limited_to_a_quarter_in_each_process(self, server, key, away):
        accepted, refused, took = burst(server, key, "GET", "/groups", count=200)

        assert 15 <= len(accepted) <= PROCESSES * (15 + took * 1.5 + 1)
        assert {answer.headers["X-RateLimit-Limit"] for answer in accepted} == {"75"}
        assert {answer.headers["X-RateLimit-Limit"] for answer in refused} == {"15"}
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)

    def test_writes_are_done_although_no_worker_can_be_rung(self, server, key, away):
        made = server.ask("POST", "/leads/bulk", {"leads": [{"email": "jane@acme.com"}]}, key=key)
        lead_id = made.data["results"][0]["id"]

        assert server.ask("POST", "/leads/validate", {"lead_ids": [lead_id]}, key=key).data["queued"] == 1
        assert server.ask("POST", "/groups", {"name": "G"}, key=key, Idempotency_Key="k").status == 201
        assert server.ask("POST", "/groups", {"name": "G"}, key=key, Idempotency_Key="k").status == 201

    def test_no_page_that_anybody_may_open_breaks(self, server, away):
        pages = {
            "/setup/x": 410, "/u/x": 404, "/admin/login/": 200, "/healthz": 200, "/api/v1/openapi.json": 200,
            "/api/mcp": 200, "/api/docs": 200,
        }  # fmt: skip
        assert {page: opened(server.url + page) for page in pages} == pages
        posts = {"/api/v1/auth/token": 401, "/api/v1/auth/token/refresh": 401, "/api/ingest/clay/x": 401}
        bodies = {"/api/v1/auth/token": b'{"username": "a", "password": "b"}'}
        for page, status in posts.items():
            assert opened(server.url + page, bodies.get(page, b'{"refresh": "x"}')) == status, page
        assert server.ask("GET", "/groups", key="aiob_test_wrong").status == 401

    def test_guessing_is_limited_all_the_same(self, server, away):
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = Counter(pool.map(lambda _: opened(f"{server.url}/setup/x"), range(60)))

        assert set(answers) == {410, 429}
        assert answers[410] <= PROCESSES * (30 // 4 + 2)

    def test_afterwards_it_is_exact_again(self, server, key, redis):
        redis.kill()
        assert server.ask("GET", "/groups", key=key).headers["X-RateLimit-Limit"] == "75"
        redis.start()
        deadline = time.monotonic() + 30
        while (shown := server.ask("GET", "/groups", key=key).headers["X-RateLimit-Limit"]) == "75":
            assert time.monotonic() < deadline
            time.sleep(0.5)
        assert shown == "300"


def opened(address: str, body: bytes | None = None) -> int:
    request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
    try:
        return urllib.request.urlopen(request, timeout=60).status
    except urllib.error.HTTPError as error:
        return error.code
