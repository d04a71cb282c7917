"""How claims are stated and judged: interleaved rounds, the median of the rounds' ratios, one line each."""

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from benchmarks.racing import Run

ROUNDS = 5


@dataclass
class Rounds:
    """The runs of every side, round by round."""

    runs: dict[str, list[Run]] = field(default_factory=dict)

    def rate(self, side: str) -> float:
        return median(run.rate for run in self.runs[side])

    def cost(self, side: str) -> float:
        return median(run.cost for run in self.runs[side])

    def ratio(self, one: str, other: str, measure: Callable[[Run], float] = lambda run: run.rate) -> float:
        """The median of what each round says: both sides of a round met the same weather."""
        pairs = zip(self.runs[one], self.runs[other], strict=True)
        return median(measure(a) / measure(b) for a, b in pairs)


def rounds(sides: dict[str, Callable[[], Run]], *, count: int = ROUNDS) -> Rounds:
    """Every side once a round, in turn; each round begins with another."""
    done, names = Rounds(), list(sides)
    for number in range(count):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            done.runs.setdefault(name, []).append(sides[name]())
    return done


@dataclass(frozen=True)
class Figure:
    """What was measured, where nothing is promised."""

    name: str
    text: str
    holds = True

    def line(self) -> str:
        return f"{self.name}: {self.text} · ok"


@dataclass(frozen=True)
class Claim:
    """One sentence with a bound, and what was measured."""

    name: str
    measured: float
    bound: float
    at_least: bool
    note: str = ""

    @property
    def holds(self) -> bool:
        return self.measured >= self.bound if self.at_least else self.measured <= self.bound

    def line(self) -> str:
        bound = f"{'≥' if self.at_least else '≤'} {self.bound:g}"
        return f"{self.name}: {self.measured:.2f} × ({bound}) · {self.note} · {'ok' if self.holds else 'MISS'}"
