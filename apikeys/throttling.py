"""How often a caller may ask (Superkabe §6, decisions §2): two token buckets, a third for bulk work, all or none.

Redis keeps them for all processes; without one this process does. While Redis does not answer, every process lets a
quarter through by its own memory: the API goes on answering, and goes on limiting.
"""

import ipaddress
import logging
import math
from dataclasses import dataclass
from functools import lru_cache, wraps
from time import monotonic

from django.conf import settings
from django.http import HttpResponse
from django_ratelimit.core import is_ratelimited
from redis.exceptions import RedisError

from apikeys.buckets import Bucket, LocalBuckets, RedisBuckets, Taken, redis_client
from outbound.api.errors import ApiError

logger = logging.getLogger(__name__)

AWAY_SHARE = 4
# How long Redis is left alone after a failure: waiting for it in every request would stop the API as well.
ASK_AGAIN_SECONDS = 1.0


class RateLimited(ApiError):
    status, code = 429, "rate_limited"
    message = "Too many requests. Wait as long as Retry-After says, in seconds."


@dataclass(frozen=True)
class Verdict:
    """May it pass, and what the headers say. `reset`: unix seconds when the bucket is full again."""

    allowed: bool
    limit: int
    remaining: int
    reset: int
    retry_after: int

    @property
    def headers(self) -> dict[str, str]:
        shown = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }
        return shown if self.allowed else {**shown, "Retry-After": str(self.retry_after)}


class Limiter:
    """Redis while it answers, else this process at a quarter; and back when it answers again."""

    def __init__(self, url: str, *, prefix: str = ""):
        self._near = LocalBuckets()
        self._far = RedisBuckets(redis_client(url), prefix=prefix) if url else None
        self._away_until = 0.0

    def take(self, owner: str, buckets: list[Bucket], *, cost: int = 1) -> tuple[list[Bucket], Taken]:
        """The buckets that were asked (smaller ones while Redis is away) and what was decided."""
        if self._far is None:
            return buckets, self._near.take(owner, buckets, cost=cost)
        if monotonic() >= self._away_until:
            try:
                return buckets, self._far.take(owner, buckets, cost=cost)
            except RedisError as error:
                self._away_until = monotonic() + ASK_AGAIN_SECONDS
                logger.warning("Redis does not answer, limiting in this process: %s", error)
        quarter = [Bucket(each.name, max(1, each.capacity // AWAY_SHARE), each.seconds) for each in buckets]
        return quarter, self._near.take(owner, quarter, cost=cost)


@lru_cache(maxsize=8)
def limiter(url: str, prefix: str) -> Limiter:
    return Limiter(url, prefix=prefix)


def charge(caller_id: str, *, cost: int = 1, bulk: bool = False) -> Verdict:
    """Take `cost` requests from the caller's buckets, or nothing at all when one of them has too few."""
    found = limiter(settings.REDIS_URL, settings.CACHES["default"].get("KEY_PREFIX", "outbound"))
    return judge(*found.take(caller_id, buckets_of(bulk=bulk), cost=cost), cost=cost)


def seconds_until_turn(owner: str, *, per_second: int) -> float:
    """For our own requests to a vendor that takes so many a second: 0 and one is taken, else how long until the next.

    One after the other and never several at once: a vendor's second begins when it likes.
    """
    found = limiter(settings.REDIS_URL, settings.CACHES["default"].get("KEY_PREFIX", "outbound"))
    buckets, taken = found.take(f"vendor:{owner}", [Bucket("turn", 1, 1 / per_second)])
    return 0.0 if taken.allowed else max(0.01, _seconds_until(buckets[0], taken.levels[0], buckets[0].full))


def buckets_of(*, bulk: bool) -> list[Bucket]:
    """The first is the one that headers tell of."""
    always = [
        Bucket("sustained", settings.RATE_LIMIT_PER_MINUTE, 60),
        Bucket("burst", settings.RATE_LIMIT_BURST, 10),
    ]
    return [Bucket("bulk", settings.RATE_LIMIT_BULK_PER_MINUTE, 60), *always] if bulk else always


def judge(buckets: list[Bucket], taken: Taken, *, cost: int = 1) -> Verdict:
    """Levels as a caller reads them: of the first bucket, or of the one that refused for longest."""
    waits = [
        _seconds_until(bucket, level, bucket.price(cost)) for bucket, level in zip(buckets, taken.levels, strict=True)
    ]
    shown = 0 if taken.allowed else waits.index(max(waits))
    bucket, level = buckets[shown], taken.levels[shown]
    return Verdict(
        allowed=taken.allowed,
        limit=bucket.capacity,
        remaining=level // bucket.period,
        reset=math.ceil(taken.now / 1_000_000 + _seconds_until(bucket, level, bucket.full)),
        retry_after=max(1, math.ceil(waits[shown])),
    )


def _seconds_until(bucket: Bucket, level: int, wanted: int) -> float:
    return max(0, wanted - level) / bucket.capacity / 1_000_000


def refuse_address(request, *, group: str, per_minute: int) -> None:
    """Count a try of the request's address; RateLimited (429) once it has had its share of this minute."""
    if asks_too_often(request, group=group, per_minute=per_minute):
        raise RateLimited(headers={"Retry-After": "60"})


def page_limit(*, group: str, per_minute: int, methods: tuple[str, ...] = ("GET", "HEAD", "POST")):
    """A decorator for pages that anybody may open: above so many a minute from one address, a plain 429."""

    def decorate(view):
        @wraps(view)
        def counted(request, *args, **kwargs):
            if request.method in methods and asks_too_often(request, group=group, per_minute=per_minute):
                return HttpResponse(
                    "Too many requests. Try again in a minute.", status=429, content_type="text/plain",
                    headers={"Retry-After": "60"},
                )  # fmt: skip
            return view(request, *args, **kwargs)

        return counted

    return decorate


def asks_too_often(request, *, group: str, per_minute: int) -> bool:
    """Count a request of an address. While Redis is away each process counts by itself, to a quarter."""
    try:
        return is_ratelimited(request, group=group, key="ip", rate=f"{per_minute}/m", increment=True)
    except RedisError:
        quarter = [Bucket(group, max(1, per_minute // AWAY_SHARE), 60)]
        return not _addresses.take(client_address(request), quarter).allowed


_addresses = LocalBuckets()


def client_address(request) -> str:
    """Whose address counts: the one our own proxy wrote down, or the connection's. A name of a socket is no address."""
    found = request.META.get("REMOTE_ADDR", "")
    if settings.BEHIND_PROXY:
        # The last entry is the proxy's; whatever stands before it was sent by the client.
        found = request.META.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip() or found
    try:
        return str(ipaddress.ip_address(found))
    except ValueError:
        return "0.0.0.0"
