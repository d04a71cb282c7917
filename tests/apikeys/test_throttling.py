"""Rate limits: the arithmetic in three places, the headers, and what happens when Redis goes away."""

import json
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import fakeredis
import pytest
from django.conf import settings as configured
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from redis import Redis

from apikeys import throttling
from apikeys.buckets import Bucket, LocalBuckets, RedisBuckets, take
from apikeys.models import StoredResponse
from apikeys.throttling import Limiter, charge, client_address, judge
from leads.models import Group
from tests import make
from tests.base import Api

DEAD = "redis://127.0.0.1:1/0"
SECOND = 1_000_000
NOW = 1_795_000_000 * SECOND
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
PLACES = ["fake", pytest.param("real", marks=pytest.mark.skipif(not configured.REDIS_URL, reason="no Redis here"))]


@pytest.fixture(scope="module")
def servers():
    return {
        "fake": fakeredis.FakeRedis(),
        "real": Redis.from_url(configured.REDIS_URL) if configured.REDIS_URL else None,
    }


@pytest.fixture
def limits(settings):
    def set_to(*, minute: int = 300, burst: int = 60, bulk: int = 10):
        settings.RATE_LIMIT_PER_MINUTE, settings.RATE_LIMIT_BURST = minute, burst
        settings.RATE_LIMIT_BULK_PER_MINUTE = bulk

    set_to()
    return set_to


def buckets(sustained: int = 300, burst: int = 60) -> list[Bucket]:
    return [Bucket("sustained", sustained, 60), Bucket("burst", burst, 10)]


class TestTheArithmetic:
    def test_all_buckets_pay_or_none(self):
        local = LocalBuckets()
        for _ in range(60):
            assert local.take("k", buckets(), now=NOW).allowed

        refused = local.take("k", buckets(), now=NOW)

        assert not refused.allowed
        assert [level // bucket.period for level, bucket in zip(refused.levels, buckets(), strict=True)] == [240, 0]

    def test_what_comes_back_comes_back_to_the_microsecond(self):
        burst = [Bucket("burst", 60, 10)]
        kept = take({}, burst, cost=60, now=NOW)[1]
        due = SECOND * 10 // 60 + 1

        assert not take(kept, burst, cost=1, now=NOW + due - 1)[0].allowed
        assert take(kept, burst, cost=1, now=NOW + due)[0].allowed

    def test_nothing_is_lost_by_asking_often(self):
        """110 are due in 8⅓ seconds of a bucket of 60 in 10: asked for every 10 ms, all of them are given."""
        local = LocalBuckets()
        moments = range(NOW, NOW + SECOND * 25 // 3 + 10_000, 10_000)

        given_out = sum(local.take("k", buckets()[1:], now=moment).allowed for moment in [NOW] * 60 + list(moments))

        assert given_out == 110

    def test_a_clock_set_back_takes_nothing_away(self):
        burst = [Bucket("burst", 60, 10)]
        kept = take({}, burst, cost=1, now=NOW)[1]

        taken, kept = take(kept, burst, cost=1, now=NOW - 3600 * SECOND)

        assert taken.allowed
        assert take(kept, burst, cost=58, now=NOW - 3600 * SECOND)[0].allowed

    def test_what_is_larger_than_the_bucket_needs_a_full_one(self):
        burst = [Bucket("burst", 5, 10)]

        first, kept = take({}, burst, cost=20, now=NOW)

        assert first.allowed
        assert not take(kept, burst, cost=20, now=NOW + 9 * SECOND)[0].allowed
        assert take(kept, burst, cost=20, now=NOW + 10 * SECOND)[0].allowed

    def test_memory_is_bounded(self, monkeypatch):
        monkeypatch.setattr("apikeys.buckets.MOST_OWNERS", 3)
        local = LocalBuckets()
        for owner in "abcde":
            local.take(owner, buckets(), now=NOW)

        assert set(local._owners) == set("cde")

    @pytest.mark.parametrize("place", PLACES)
    @examples(max_examples=60, deadline=None)
    @given(
        asked=st.lists(
            st.tuples(st.integers(-5 * SECOND, 90 * SECOND), st.integers(1, 25), st.booleans()), min_size=1, max_size=40
        ),
        sizes=st.tuples(st.integers(1, 1000), st.integers(1, 100), st.integers(1, 20)),
    )
    def test_memory_and_lua_decide_alike(self, servers, place, asked, sizes):
        """Any sequence of waits (clock set back included), costs and bulk or not: same verdicts, same levels."""
        local, owner = LocalBuckets(), f"{time.time_ns()}"
        far = RedisBuckets(servers[place], prefix=getattr(configured, "RUN", "test"))
        always = [Bucket("sustained", sizes[0], 60), Bucket("burst", sizes[1], 10)]
        now = NOW
        for wait, cost, bulk in asked:
            now += wait
            wanted = [Bucket("bulk", sizes[2], 60), *always] if bulk else always
            expected = local.take(owner, wanted, cost=cost, now=now)
            assert far.take(owner, wanted, cost=cost, now=now) == expected

    @pytest.mark.parametrize("place", PLACES)
    def test_a_full_bucket_leaves_nothing_behind(self, servers, place):
        far = RedisBuckets(servers[place], prefix=getattr(configured, "RUN", "test"))
        far.take("expires", buckets())

        left = servers[place].pttl(f"{getattr(configured, 'RUN', 'test')}:limit:expires")

        assert 55_000 < left <= 60_000


class TestTheVerdict:
    def test_it_tells_of_the_sustained_bucket(self):
        verdict = judge(buckets(), LocalBuckets().take("k", buckets(), now=NOW))

        assert (verdict.limit, verdict.remaining, verdict.retry_after) == (300, 299, 1)
        assert verdict.reset == NOW // SECOND + 1  # a fifth of a second, rounded up
        assert "Retry-After" not in verdict.headers

    def test_a_refusal_tells_of_the_bucket_that_refused(self):
        local = LocalBuckets()
        for _ in range(60):
            local.take("k", buckets(), now=NOW)

        verdict = judge(buckets(), local.take("k", buckets(), now=NOW))

        assert (verdict.limit, verdict.remaining, verdict.reset) == (60, 0, NOW // SECOND + 10)
        assert verdict.headers["Retry-After"] == "1"

    def test_of_two_that_refuse_the_longer_wait_counts(self):
        both = buckets(sustained=10, burst=10)
        local = LocalBuckets()
        local.take("k", both, cost=10, now=NOW)

        verdict = judge(both, local.take("k", both, now=NOW))

        assert verdict.retry_after == 6  # ten a minute: one in six seconds

    def test_waiting_that_long_is_enough(self):
        both = buckets(sustained=7, burst=3)
        local, now = LocalBuckets(), NOW
        for _ in range(40):
            taken = local.take("k", both, now=now)
            if not taken.allowed:
                now += judge(both, taken).retry_after * SECOND
                assert local.take("k", both, now=now).allowed


class TestHeaders:
    @pytest.mark.parametrize(
        ("method", "path", "body", "status"),
        [
            ("get", "/leads", None, 200),
            ("post", "/groups", {"name": "G"}, 201),
            ("post", "/groups", {"nope": 1}, 400),
            ("get", "/leads/nope", None, 404),
            ("delete", "/senders", None, 405),
            ("get", "/leads/export?as=csv", None, 200),
        ],
    )
    def test_they_stand_on_every_answer_to_a_known_caller(self, api, limits, method, path, body, status):
        answer = api(method, path, body)

        assert answer.status_code == status
        assert answer["X-RateLimit-Limit"] == "300"
        assert answer["X-RateLimit-Remaining"] == "299"
        assert abs(int(answer["X-RateLimit-Reset"]) - time.time()) < 5

    def test_a_missing_scope_is_counted_as_well(self, acme, limits):
        api = Api(make.key(acme, scopes=["leads:read"]))

        answer = api("get", "/runs")

        assert (answer.status_code, answer["X-RateLimit-Remaining"]) == (403, "299")

    def test_a_stranger_has_none(self, db, limits):
        assert "X-RateLimit-Limit" not in Api()("get", "/leads")

    def test_a_bulk_endpoint_tells_of_its_own_bucket(self, api, limits):
        limits(minute=20)  # slow enough that nothing comes back meanwhile
        answer = api.client.post("/api/v1/imports?filename=a.csv", "email\na@b.example\n", content_type="text/csv")

        assert (answer.status_code, answer["X-RateLimit-Limit"], answer["X-RateLimit-Remaining"]) == (201, "10", "9")
        assert api("get", "/leads")["X-RateLimit-Remaining"] == "18"  # it cost one of these as well

    def test_the_eleventh_import_of_a_minute_is_refused_and_reading_goes_on(self, api, limits):
        limits(bulk=2)
        send = partial(
            api.client.post, "/api/v1/imports?filename=a.csv", "email\na@b.example\n", content_type="text/csv"
        )
        assert [send().status_code for _ in range(3)] == [201, 201, 429]

        assert api("get", "/imports").status_code == 200

    def test_a_refusal_is_the_envelope(self, api, limits):
        limits(minute=1)
        api("get", "/leads")

        answer = api("get", "/leads")

        assert answer.status_code == 429
        assert answer.json()["code"] == "rate_limited"
        assert 1 <= int(answer["Retry-After"]) <= 60
        assert (answer["X-RateLimit-Limit"], answer["X-RateLimit-Remaining"]) == ("1", "0")

    def test_keys_do_not_share(self, acme, limits):
        limits(minute=1)
        Api(make.key(acme))("get", "/leads")

        assert Api(make.key(acme))("get", "/leads").status_code == 200

    def test_a_refused_write_has_no_effect(self, api, limits):
        limits(minute=1)
        api("get", "/leads")
        refused = api("post", "/groups", {"name": "G"}, Idempotency_Key="k")

        assert refused.status_code == 429
        assert not Group.objects.exists()
        assert not StoredResponse.objects.exists()  # the key is free for the try after the wait


class TestABurst:
    """200 requests, sixteen at a time: no more than the bucket, what came back meanwhile, and one."""

    @pytest.mark.parametrize("where", ["here", *PLACES[1:], "Redis is away"])
    def test_of_the_limiter(self, where):
        url = {"here": "", "real": configured.REDIS_URL, "Redis is away": DEAD}[where]
        limiter, bucket = Limiter(url, prefix=getattr(configured, "RUN", "test")), 15 if url == DEAD else 60
        owner, began = f"burst {time.time_ns()}", time.monotonic()

        with ThreadPoolExecutor(16) as pool:
            allowed = sum(pool.map(lambda _: limiter.take(owner, buckets())[1].allowed, range(200)))

        came_back = (time.monotonic() - began) * bucket / 10
        assert bucket <= allowed <= bucket + came_back + 1

    @pytest.mark.django_db(transaction=True)
    def test_of_the_api_over_http(self, limits, live_server):
        limits()
        key = make.key(make.workspace("Acme"))
        request = Request(f"{live_server.url}/api/v1/groups", headers={"Authorization": f"Bearer {key}"})
        began = time.monotonic()

        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: _ask(request), range(200)))

        came_back = (time.monotonic() - began) * 6
        accepted = [headers for status, headers in answers if status == 200]
        refused = [headers for status, headers in answers if status == 429]
        assert len(accepted) + len(refused) == 200
        assert 60 <= len(accepted) <= 60 + came_back + 1
        assert {headers["X-RateLimit-Limit"] for headers in accepted} == {"300"}
        assert min(int(headers["X-RateLimit-Remaining"]) for headers in accepted) >= 300 - len(accepted)
        assert {headers["X-RateLimit-Limit"] for headers in refused} == {"60"}
        assert all(int(headers["Retry-After"]) >= 1 for headers in refused)


def _ask(request) -> tuple[int, object]:
    try:
        with urlopen(request, timeout=60) as answer:
            return answer.status, answer.headers
    except HTTPError as error:
        return error.code, error.headers


class TestWithoutRedis:
    def test_the_api_answers_and_limits_to_a_quarter(self, api, limits, settings):
        limits(minute=40, burst=40)
        settings.REDIS_URL = DEAD

        answers = [api("get", "/groups") for _ in range(12)]

        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 2
        assert answers[0]["X-RateLimit-Limit"] == "10"

    def test_it_comes_back_when_redis_does(self):
        limiter, clock = Limiter(DEAD), [0.0]
        limiter.take("k", buckets())
        limiter._far = RedisBuckets(fakeredis.FakeRedis())

        at_once = limiter.take("k", buckets())[0]
        limiter._away_until = clock[0]

        assert at_once[0].capacity == 75
        assert limiter.take("k", buckets())[0][0].capacity == 300

    def test_a_wrong_key_is_still_401_and_still_counted(self, db, settings):
        settings.REDIS_URL = DEAD
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": DEAD}}
        settings.RATE_LIMIT_FAILED_AUTH_PER_MINUTE = 8
        throttling._addresses = LocalBuckets()

        assert [Api("aiob_live_x")("get", "/leads").status_code for _ in range(3)] == [401, 401, 429]


class TestAddresses:
    def test_one_that_fails_too_often_is_told_to_wait(self, db, settings):
        settings.RATE_LIMIT_FAILED_AUTH_PER_MINUTE = 2
        stranger = Api("aiob_live_wrong")

        answers = [stranger.client.get("/api/v1/leads", REMOTE_ADDR="198.51.100.7") for _ in range(3)]

        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert answers[2].json()["code"] == "rate_limited"
        assert int(answers[2]["Retry-After"]) >= 1

    def test_a_good_key_at_the_same_address_is_not_shut_out(self, api, settings):
        settings.RATE_LIMIT_FAILED_AUTH_PER_MINUTE = 1
        for _ in range(3):
            Api("aiob_live_wrong").client.get("/api/v1/leads", REMOTE_ADDR="198.51.100.8")

        assert api.client.get("/api/v1/leads", REMOTE_ADDR="198.51.100.8").status_code == 200

    @pytest.mark.parametrize(
        ("proxy", "headers", "address"),
        [
            (False, {"HTTP_X_FORWARDED_FOR": "1.2.3.4"}, "192.0.2.1"),
            (True, {"HTTP_X_FORWARDED_FOR": "6.6.6.6, 1.2.3.4"}, "1.2.3.4"),
            (True, {"HTTP_X_FORWARDED_FOR": "rubbish"}, "0.0.0.0"),  # noqa: S104
            (True, {}, "192.0.2.1"),
            (False, {"REMOTE_ADDR": ""}, "0.0.0.0"),  # noqa: S104
            (False, {"REMOTE_ADDR": "2001:db8::1"}, "2001:db8::1"),
        ],
    )
    def test_whose_address_counts(self, settings, proxy, headers, address):
        settings.BEHIND_PROXY = proxy

        assert client_address(RequestFactory().get("/", **{"REMOTE_ADDR": "192.0.2.1", **headers})) == address


def test_a_person_in_two_workspaces_is_counted_in_each(limits):
    limits(minute=1)
    one, other = f"user:1:{time.time_ns()}", f"user:1:{time.time_ns() + 1}"

    assert [charge(name).allowed for name in (one, one, other)] == [True, False, True]


class TestTools:
    """MCP takes from the same buckets."""

    def ask(self, raw_key: str, body, **headers):
        given = {"HTTP_AUTHORIZATION": f"Bearer {raw_key}", **headers}
        return Client().post("/api/mcp", json.dumps(body), content_type="application/json", **given)

    def test_headers_stand_on_every_answer(self, acme, limits):
        limits(minute=10)
        key = make.key(acme)

        answers = [
            self.ask(key, PING),
            self.ask(key, {"jsonrpc": "2.0", "id": 1, "method": "nope"}),
            self.ask(key, "rubbish"),
            self.ask(key, PING, QUERY_STRING="toolsets=nope"),
            Client().get("/api/mcp", HTTP_AUTHORIZATION=f"Bearer {key}"),
        ]

        assert [answer["X-RateLimit-Remaining"] for answer in answers] == ["9", "8", "7", "6", "5"]
        assert "X-RateLimit-Limit" not in Client().get("/api/mcp")

    def test_a_refusal_is_json_rpc_and_counts_with_rest(self, acme, limits):
        limits(minute=2)
        key = make.key(acme)
        Api(key)("get", "/groups")
        assert self.ask(key, PING).status_code == 200

        refused = self.ask(key, PING)

        assert refused.status_code == 429
        assert int(refused["Retry-After"]) >= 1
        assert refused["X-RateLimit-Limit"] == "2"
        assert "Retry-After" in refused.json()["error"]["message"]

    def test_each_message_of_a_batch_is_paid_for(self, acme, limits):
        limits(minute=10, burst=5)
        key = make.key(acme)

        assert self.ask(key, [PING] * 3)["X-RateLimit-Remaining"] == "7"
        refused = self.ask(key, [PING] * 4)

        assert refused.status_code == 429
        assert refused["X-RateLimit-Limit"] == "5"

    def test_an_address_that_fails_too_often_is_told_to_wait(self, db, settings):
        settings.RATE_LIMIT_FAILED_AUTH_PER_MINUTE = 2

        answers = [self.ask("aiob_live_x", PING, REMOTE_ADDR="198.51.100.10") for _ in range(3)]

        assert [answer.status_code for answer in answers] == [401, 401, 429]
        assert int(answers[2]["Retry-After"]) >= 1
