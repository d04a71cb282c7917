"""What calls to the model cost: a dated price table, in bands by the length of the prompt. Dollars.

The table is filled from leads/data/model_prices.json; what an operator adds or changes in the admin stays.
"""

import json
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_UP, Decimal
from pathlib import Path

from leads.generation_models import ANY_LENGTH, ModelPrice
from leads.writers.base import Written
from outbound.bulk import insert_rows
from outbound.ids import uuid7

FILE = Path(__file__).parent / "data" / "model_prices.json"
MILLION = Decimal(1_000_000)
SMALLEST = Decimal("0.000000001")
UNSEEN_TOKENS = 1500  # what the service may add to a prompt: its own words for structured output


@dataclass(frozen=True)
class Tokens:
    """What a call used, or may use. `prompt` decides the band: cached tokens count."""

    uncached: int = 0
    cache_write: int = 0
    cache_read: int = 0
    output: int = 0

    @property
    def prompt(self) -> int:
        return self.uncached + self.cache_write + self.cache_read


@dataclass(frozen=True)
class PriceList:
    """A model's bands on a day, shortest prompts first."""

    bands: tuple[ModelPrice, ...]

    def for_prompt(self, tokens: int) -> ModelPrice:
        return next((band for band in self.bands if tokens <= band.prompt_up_to), self.bands[-1])

    def cost(self, used: Tokens, *, batch: bool) -> Decimal:
        """To the smallest fraction that is stored, rounded up."""
        band = self.for_prompt(used.prompt)
        amount = (
            used.uncached * band.input
            + used.cache_write * band.cache_write
            + used.cache_read * band.cache_read
            + used.output * band.output
        ) / MILLION
        return (amount * (band.batch_factor if batch else 1)).quantize(SMALLEST, ROUND_UP)

    def most(self, payload: dict, *, batch: bool) -> Decimal:
        """What a call can cost at most. No token is shorter than a byte, and none comes after max_tokens."""
        prompt = len(json.dumps(payload, ensure_ascii=False).encode("utf-8", "replace")) + UNSEEN_TOKENS
        band = self.for_prompt(prompt)
        dearest = Tokens(output=payload["max_tokens"], **{_dearest_input(band): prompt})
        return self.cost(dearest, batch=batch)


def _dearest_input(band: ModelPrice) -> str:
    return "uncached" if band.input >= band.cache_write else "cache_write"


def tokens_of(spent: Written) -> Tokens:
    return Tokens(spent.tokens_in, spent.cache_write, spent.cache_read, spent.tokens_out)


def price_list(model: str, *, on: date) -> PriceList | None:
    """The newest prices that held on that day; None: the table knows none."""
    return _newest(model, on) or (_newest(model, on) if seed_prices() else None)


def _newest(model: str, on: date) -> PriceList | None:
    rows = ModelPrice.objects.filter(model=model, valid_from__lte=on)
    newest = rows.order_by("-valid_from").values("valid_from")[:1]
    bands = tuple(rows.filter(valid_from__in=newest).order_by("prompt_up_to"))
    return PriceList(bands) if bands else None


def seed_prices() -> int:
    """Put the rows of the file into the table that it does not have; returns how many."""
    return len(insert_rows(ModelPrice, rows_of(FILE)))


def rows_of(file: Path) -> list[dict]:
    amounts = ("input", "cache_write", "cache_read", "output", "batch_factor")
    return [
        {
            "id": uuid7(),
            "model": row["model"],
            "valid_from": date.fromisoformat(row["valid_from"]),
            "prompt_up_to": row.get("prompt_up_to", ANY_LENGTH),
            **{name: Decimal(row[name]) for name in amounts},
            "source": row["source"],
            "read_on": date.fromisoformat(row["read_on"]),
        }
        for row in json.loads(file.read_text())
    ]
