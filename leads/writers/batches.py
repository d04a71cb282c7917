"""Message Batches of the model's service: many requests at half the price, worked off within a day.

Follows https://platform.claude.com/docs/en/build-with-claude/batch-processing and …/api/messages/batches: 100,000
requests or 256 MB at most; results in any order, told apart by custom_id, kept for 29 days; what errored, expired or
was canceled is not charged.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import anthropic

from leads.writers.anthropic import AnthropicWriter
from leads.writers.base import WriterBroken, WriterError, WriterFailed, WriterRefused
from leads.writers.filters import tidy

MOST_REQUESTS = 100_000
MOST_BYTES = 200 * 1024 * 1024  # of 256 MB, with room for what stands around the requests
LATER = ("api_error", "overloaded_error", "rate_limit_error", "timeout_error")


@dataclass(frozen=True)
class BatchState:
    vendor_id: str
    has_ended: bool
    created_at: datetime
    requests: int


class NoSuchBatch(WriterError):
    """The service does not know it, or has forgotten its results."""


class Expired(WriterFailed):
    """The service did not come to it within a day."""


class Canceled(WriterError):
    """The line was given up before it was worked off."""


class AnthropicBatches:
    """Batches by the same client, key and model as a writer's calls."""

    def __init__(self, writer: AnthropicWriter):
        self.writer = writer

    @property
    def _batches(self) -> Any:
        return self.writer.client.messages.batches

    def submit(self, lines: list[tuple[str, dict[str, Any]]]) -> str:
        """The service's id for these (custom_id, payload). Raises WriterErrors; `may_have_cost`: perhaps it arrived."""
        requests = [{"custom_id": custom_id, "params": payload} for custom_id, payload in lines]
        return _read(self.writer.asked(lambda: self._batches.create(requests=requests))).vendor_id

    def look(self, vendor_id: str) -> BatchState:
        return _read(self._known(lambda: self._batches.retrieve(vendor_id)))

    def cancel(self, vendor_id: str) -> BatchState:
        return _read(self._known(lambda: self._batches.cancel(vendor_id)))

    def newest(self) -> list[BatchState]:
        """The last hundred, newest first."""
        page = self.writer.asked(lambda: self._batches.list(limit=100))
        return [_read(batch) for batch in page.data]

    def results(self, vendor_id: str) -> Iterator[tuple[str, Any]]:
        """(custom_id, their message or a WriterError) of each line, read as it comes."""
        self._known(
            lambda: _refuse_elsewhere(self._batches.retrieve(vendor_id).results_url, self.writer.client.base_url)
        )
        lines = self._known(lambda: self._batches.results(vendor_id))
        try:
            for line in lines:
                yield line.custom_id, _outcome(line.result)
        except (anthropic.AnthropicError, ValueError, OSError) as error:
            raise WriterFailed("The results of the batch cannot be read.") from error

    def _known(self, ask) -> Any:
        try:
            return self.writer.asked(ask)
        except WriterBroken as error:
            if isinstance(error.__cause__, anthropic.NotFoundError):
                raise NoSuchBatch("The model's service does not know this batch.") from error
            raise


def _refuse_elsewhere(url: str | None, home: Any) -> None:
    """Our key goes where it belongs, whatever an answer says."""
    if urlsplit(url or "").netloc != urlsplit(str(home)).netloc:
        raise ValueError(f"Results at another address: {url}")


def _read(batch: Any) -> BatchState:
    try:
        counts = batch.request_counts
        total = counts.processing + counts.succeeded + counts.errored + counts.canceled + counts.expired
        return BatchState(str(batch.id), batch.processing_status == "ended", batch.created_at, total)
    except (AttributeError, TypeError):
        raise WriterFailed("The model's service gave an answer that cannot be read.", may_have_cost=True) from None


def _outcome(result: Any) -> Any:
    kind = getattr(result, "type", "")
    if kind == "succeeded":
        return result.message
    if kind == "expired":
        return Expired("The model's service did not come to it within a day.")
    if kind == "canceled":
        return Canceled("The batch was canceled.")
    error = getattr(getattr(result, "error", None), "error", None)
    said = tidy(str(getattr(error, "message", "") or ""))[:200]
    if getattr(error, "type", "") in LATER:
        return WriterFailed(f"The model's service failed. {said}".strip())
    return WriterRefused(f"The model's service did not take the request. {said}".strip())
