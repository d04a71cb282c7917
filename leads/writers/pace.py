"""How many calls a process has in flight: as many as it may, fewer when the service's rate headers or refusals say so.

Follows https://platform.claude.com/docs/en/api/rate-limits: `anthropic-ratelimit-<what>-remaining` and `-reset` (RFC
3339) for requests, input-tokens and output-tokens, and `retry-after` on a 429.
"""

import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime

KINDS = ("requests", "input-tokens", "output-tokens", "tokens")
BUSY = (429, 503, 529)
NEARLY_NONE = 0.02  # of a limit of tokens
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds, where the service does not say how long
FOR_LONG = 30.0  # a longer wait is not sat out: the values go back to where others find them


class Pace:
    """Thread-safe. `with pace: …` holds a place; TooLong when there will be none for a while."""

    def __init__(self, most: int):
        self.most, self.allowed, self.in_flight = most, float(most), 0
        self.not_before = 0.0  # monotonic
        self.waits = 0  # refusals in a row
        self.left: dict[str, tuple[int, float]] = {}  # what → (how many, until when they are all there are)
        self.changed = threading.Condition()

    def __enter__(self) -> "Pace":
        with self.changed:
            while (wait := self._wait(time.monotonic())) > 0:
                if wait > FOR_LONG:
                    raise TooLong(wait)
                self.changed.wait(min(wait, 1.0))
            self.in_flight += 1
        return self

    def __exit__(self, *_) -> None:
        with self.changed:
            self.in_flight -= 1
            self.changed.notify()

    def _wait(self, now: float) -> float:
        """Seconds until there may be a place; 0: now."""
        if now < self.not_before:
            return self.not_before - now
        if self.in_flight >= max(1, int(self.allowed)):
            return 1.0
        for what, (left, until) in list(self.left.items()):
            if now >= until:
                del self.left[what]
            elif left - self.in_flight <= 0:
                return until - now if not self.in_flight else min(1.0, until - now)
        return 0

    def heard(self, status: int, headers: Mapping[str, str]) -> None:
        """What an answer says of the limits."""
        with self.changed:
            now = time.monotonic()
            for kind in KINDS:
                self._note(kind, headers, now)
            if status in BUSY:
                self._slow_down(headers.get("retry-after"), now)
            elif status < 400:
                self.waits, self.allowed = 0, min(float(self.most), self.allowed + 0.5)
            self.changed.notify_all()

    def _note(self, kind: str, headers: Mapping[str, str], now: float) -> None:
        left, reset = _number(headers, kind, "remaining"), headers.get(f"anthropic-ratelimit-{kind}-reset")
        if left is None or not reset:
            return
        if kind != "requests":
            most = _number(headers, kind, "limit") or 0
            if left > most * NEARLY_NONE:
                self.left.pop(kind, None)
                return
            left = 0
        self.left[kind] = (left, now + seconds_until(reset))

    def _slow_down(self, retry_after: str | None, now: float) -> None:
        if now < self.not_before:
            return  # one of several refusals of the same moment
        self.waits += 1
        self.allowed = max(1.0, self.allowed / 2)
        guess = min(LONGEST_WAIT, FIRST_WAIT * 2 ** (self.waits - 1))
        try:
            seconds = float(retry_after or guess)
        except ValueError:
            seconds = guess
        self.not_before = now + min(max(seconds, 0.0), 3600.0)


class TooLong(Exception):
    def __init__(self, seconds: float):
        super().__init__(seconds)
        self.seconds = seconds


def _number(headers: Mapping[str, str], kind: str, what: str) -> int | None:
    text = headers.get(f"anthropic-ratelimit-{kind}-{what}", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 13 else None


def seconds_until(moment: str) -> float:
    """From an RFC 3339 moment; what cannot be read says nothing."""
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        return 0.0
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return min(max((at - datetime.now(UTC)).total_seconds(), 0.0), 3600.0)
