"""What every writer promises: one prompt in, one value of the asked type out, or an error that says what to do next.

Lead data is fenced before it goes into a prompt (`fenced`), so that a writer can tell what its operator wrote from what
a stranger wrote into a spreadsheet.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from leads.claims import Claim
from outbound.templating import text_of

OutputType = Literal["text", "html", "number", "boolean", "json"]

LONGEST_FIELD = 2000
FENCE = "lead_data"
FENCED = re.compile(rf'<{FENCE} field="[^"<>]*">[^<>]*</{FENCE}>')


@dataclass(frozen=True)
class WriteRequest:
    """One value to write.

    `prompt` is filled, with the lead's values fenced; `fields` are the same values bare, by name; `seed` makes choices
    stable: the same seed gives the same choice. `used`: the names of the fields that the prompt asks for, which alone
    the value may rest on; `max_length` in characters.
    """

    prompt: str
    output_type: OutputType
    seed: str
    fields: dict[str, Any] = field(default_factory=dict)
    used: tuple[str, ...] = ()
    max_length: int | None = None


@dataclass(frozen=True)
class Written:
    """A value (str, int, float, bool, or what JSON holds), the claims it comes with, and what it cost.

    `tokens_in` counts uncached input only. Claims are the writer's word; leads/claims.py checks them.
    """

    value: Any
    claims: tuple[Claim, ...] = ()
    tokens_in: int = 0
    tokens_out: int = 0
    cache_read: int = 0
    cache_write: int = 0
    model: str = ""
    request_id: str = ""


class WriterError(Exception):
    """A value that was not written. `str()` is a sentence for people; `spent` says what the attempt cost, if it did.

    `may_have_cost`: nobody can tell, since the request went out and no answer came.
    """

    def __init__(self, sentence: str, *, spent: Written | None = None, may_have_cost: bool = False):
        super().__init__(sentence)
        self.sentence = sentence
        self.spent = spent
        self.may_have_cost = may_have_cost


class WriterBusy(WriterError):
    """Too many requests at present: the same request again after `retry_after` seconds (None: not said)."""

    def __init__(self, sentence: str = "The model's service is busy.", *, retry_after: int | None = None):
        super().__init__(sentence)
        self.retry_after = retry_after


class WriterFailed(WriterError):
    """This attempt went wrong; the next may not."""


class WriterRefused(WriterError):
    """This input gets no value, however often it is tried: the model declined, or what it wrote may not go out."""


class WriterBroken(WriterError):
    """Nothing gets written until a person mends the configuration: a bad key, no credit, an unknown model."""


class Writer(Protocol):
    """Thread-safe. `name` is stored with each value, so that every surface can mark sandbox text as such."""

    name: str

    def write(self, request: WriteRequest) -> Written:
        """The value. Raises a WriterError and nothing else for what the world does."""
        ...


def fenced(values: dict[str, Any]) -> dict[str, Any]:
    """The lead's values, each non-blank text inside its own fence; blanks stay blank, so that fallbacks work."""
    return {name: fence(name, value) for name, value in values.items()}


def fence(name: str, value: Any) -> Any:
    """One value as data. It cannot close its own fence: < and > inside become ‹ and ›."""
    inner = fence_text(value)
    if not inner:
        return value
    label = re.sub(r"[^\w. -]", "_", name)
    return f'<{FENCE} field="{label}">{inner}</{FENCE}>'


def fence_text(value: Any) -> str:
    """A value as it stands inside a fence."""
    return text_of(value).strip()[:LONGEST_FIELD].translate({ord("<"): "‹", ord(">"): "›"})


def parts_of(prompt: str) -> tuple[str, str]:
    """The prompt up to its first fence, the same for every lead, and the rest."""
    begins, fence_at, rest = prompt.partition(f"<{FENCE} field=")
    return begins, fence_at + rest


def without_data(prompt: str) -> str:
    """The prompt as its author wrote it: what stood inside fences is gone."""
    return FENCED.sub("", prompt)
