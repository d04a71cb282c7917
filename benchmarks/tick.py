"""A tick costs what is due, not what exists: the same 500 due among few enrollments, and among very many."""

from contextlib import ExitStack

from benchmarks.claims import Claim, rounds
from benchmarks.places import product, side
from benchmarks.racing import race

DUE, FEW = 500, 10_000


def measure(full: bool, *, due: int = DUE, few: int = FEW, many: dict | None = None, count: int = 5) -> list[Claim]:
    """`many`: {how many enrollments: how often the cost among few it may take}."""
    many = many or ({1_000_000: 1.3, 5_000_000: 2.0} if full else {1_000_000: 1.3})
    with ExitStack() as stack:
        places = {size: stack.enter_context(product()) for size in (few, *many)}
        for size, env in places.items():
            side("tick_load", size, env=env)
        sides = {f"{size:,}": lambda env=env: race("tick_ours", due, env=env) for size, env in places.items()}
        done = rounds(sides, count=count)
    claims = []
    for size, bound in many.items():
        one, other = f"{size:,}", f"{few:,}"
        note = ", ".join(
            f"{done.cost(name) * due:,.0f} ms CPU and {due / done.rate(name):.2f} s among {name}" for name in sides
        )
        claims.append(
            Claim(f"tick, {due} due among {one}, CPU", done.ratio(one, other, lambda run: run.cost), bound, False, note)
        )
    return claims
