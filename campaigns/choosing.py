"""Which wording and which mailbox a lead gets. Pure: the same arguments give the same answer, in every process."""

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

_CAPACITY_SHARE = 0.6
_BOUNCE_SHARE = 0.4
_ENOUGH_SENDS = 30  # below this a bounce rate says nothing


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A mailbox that could take a lead. `bounce_rate` 0–1 over 30 days at the lead's provider, from
    `sends_at_provider` mails; `remaining` of `cap` mails are free today."""

    id: Hashable
    remaining: int
    cap: int
    bounce_rate: float = 0.0
    sends_at_provider: int = 0


def choose_variant(variants: Sequence[tuple[str, int]], lead_id: object, step_key: object) -> str:
    """The label for this lead and step: weighted, and the same whenever it is asked.

    The order of `variants` does not matter. ValueError unless weights are whole numbers ≥ 0 with a sum > 0.
    """
    check_weights([weight for _, weight in variants])
    total = sum(weight for _, weight in variants)
    digest = hashlib.sha256(f"{lead_id}\x00{step_key}".encode()).digest()
    point = int.from_bytes(digest[:8], "big") % total
    for label, weight in sorted(variants):
        if point < weight:
            return label
        point -= weight
    raise AssertionError("The point is below the sum of the weights.")


def check_weights(weights: Iterable[int]) -> None:
    """ValueError with a sentence unless the weights are whole numbers ≥ 0 with a sum > 0."""
    weights = list(weights)
    if any(isinstance(weight, bool) or not isinstance(weight, int) or weight < 0 for weight in weights):
        raise ValueError("Weights must be whole numbers of 0 or more.")
    if sum(weights) == 0:
        raise ValueError("At least one variant needs a weight above 0.")


def choose_mailbox(candidates: Iterable[Candidate]) -> Candidate | None:
    """The mailbox with the best score; equal ones by id.

    None when none has a free slot today: the lead stays due and is asked for again. A caller that chooses for many
    leads lowers `remaining` as it goes.
    """
    free = [candidate for candidate in candidates if candidate.cap > 0 and candidate.remaining > 0]
    return min(free, key=lambda candidate: (-score(candidate), str(candidate.id)), default=None)


def score(candidate: Candidate) -> float:
    """0–1: how much of today's capacity is left, and how few of its mails bounce where this one would go."""
    capacity = min(candidate.remaining / candidate.cap, 1.0)
    health = 0.5 if candidate.sends_at_provider < _ENOUGH_SENDS else 1 - candidate.bounce_rate
    return _CAPACITY_SHARE * capacity + _BOUNCE_SHARE * health
