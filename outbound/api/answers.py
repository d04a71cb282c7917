"""What a write answers when something must happen between its commit and the answer: both doors carry it alike."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Answer:
    """`data` is what an idempotency key stores. `once_committed` runs after the commit, outside every transaction.

    What it returns, if anything, is said instead of `data`: a pause that holds, a mail server's word.
    """

    data: dict
    once_committed: Callable[[], dict | None] = lambda: None

    def finished(self) -> dict:
        """The data to say. Call it when the write is committed."""
        later = self.once_committed()
        return self.data if later is None else later
