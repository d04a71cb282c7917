"""What it costs to read a mail that came in: a figure, without a bound."""

from benchmarks.claims import Figure, rounds
from benchmarks.places import folder
from benchmarks.racing import race


def measure(full: bool, *, times: int | None = None, count: int = 5) -> list[Figure]:
    times = times or (10 if full else 2)
    with folder() as env:
        sides = {side: lambda side=side: race(f"classify_{side}", times, env=env) for side in ("ours", "parse")}
        done = rounds(sides, count=count)
    cost, limit = done.cost("ours"), done.cost("parse")
    return [Figure("classify, ms CPU of a mail that came in", f"{cost:.2f}, of which parsing alone takes {limit:.2f}")]
