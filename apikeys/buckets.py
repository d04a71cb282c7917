"""Token buckets: the arithmetic, in whole numbers, and the two places that keep them, this process and Redis.

A request costs `period` units (microseconds) and `capacity` units come back every microsecond, so nothing is rounded
and the Lua script on the other side gives the very same answers.
"""

from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from time import time_ns

from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

SCRIPT = Path(__file__).with_name("buckets.lua").read_text()
# A limiter must not cost more time than the work it guards.
REDIS_PATIENCE_SECONDS = 0.25
MOST_OWNERS = 10_000


@dataclass(frozen=True)
class Bucket:
    """`capacity` requests at once, all back after `seconds`."""

    name: str
    capacity: int
    seconds: float

    @property
    def period(self) -> int:
        return int(self.seconds * 1_000_000)

    @property
    def full(self) -> int:
        return self.capacity * self.period

    def price(self, cost: int) -> int:
        """Units of `cost` requests. What is larger than the bucket takes a full one: it must pass some time."""
        return min(cost, self.capacity) * self.period


@dataclass(frozen=True)
class Taken:
    """What was decided: levels are units left in each bucket, in the order asked; `now` in microseconds since 1970."""

    allowed: bool
    now: int
    levels: tuple[int, ...]


Kept = dict[str, tuple[int, int]]  # bucket name → (level, at)


def take(kept: Kept, buckets: list[Bucket], *, cost: int, now: int) -> tuple[Taken, Kept]:
    """Take `cost` from every bucket or from none; the decision and what to keep. Twin of buckets.lua."""
    levels = [_level(bucket, kept.get(bucket.name), now) for bucket in buckets]
    allowed = all(level >= bucket.price(cost) for level, bucket in zip(levels, buckets, strict=True))
    if allowed:
        levels = [level - bucket.price(cost) for level, bucket in zip(levels, buckets, strict=True)]
        kept = {**kept, **{bucket.name: (level, now) for level, bucket in zip(levels, buckets, strict=True)}}
    return Taken(allowed, now, tuple(levels)), kept


def _level(bucket: Bucket, kept: tuple[int, int] | None, now: int) -> int:
    if kept is None:
        return bucket.full
    level, at = kept
    passed = min(max(now - at, 0), bucket.period)  # a clock set back gives nothing and takes nothing
    return min(level + passed * bucket.capacity, bucket.full)


class LocalBuckets:
    """In this process's memory; safe between its threads."""

    def __init__(self):
        self._lock = Lock()
        self._owners: dict[str, Kept] = {}

    def take(self, owner: str, buckets: list[Bucket], *, cost: int = 1, now: int | None = None) -> Taken:
        with self._lock:
            moment = time_ns() // 1000 if now is None else now
            # Taken out and put back at the end, so that the first ones are those that have been away longest.
            taken, kept = take(self._owners.pop(owner, {}), buckets, cost=cost, now=moment)
            if len(self._owners) >= MOST_OWNERS:
                del self._owners[next(iter(self._owners))]
            self._owners[owner] = kept
            return taken


class RedisBuckets:
    """In Redis, for every process at once: one call, by its clock. RedisError when it does not answer."""

    def __init__(self, client: Redis, *, prefix: str = ""):
        self._script = client.register_script(SCRIPT)
        self._prefix = prefix

    def take(self, owner: str, buckets: list[Bucket], *, cost: int = 1, now: int | None = None) -> Taken:
        asked = [value for bucket in buckets for value in (bucket.name, bucket.capacity, bucket.period)]
        answer = self._script(keys=[f"{self._prefix}:limit:{owner}"], args=["" if now is None else now, cost, *asked])
        allowed, moment, *levels = (int(value) for value in answer)
        return Taken(bool(allowed), moment, tuple(levels))


def redis_client(url: str) -> Redis:
    """A client that gives up soon. One repeat, since a connection may have died while it was idle."""
    return Redis.from_url(
        url,
        socket_timeout=REDIS_PATIENCE_SECONDS,
        socket_connect_timeout=REDIS_PATIENCE_SECONDS,
        retry=Retry(NoBackoff(), 1),
    )
