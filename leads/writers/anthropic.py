"""The writer that asks Claude, through Anthropic's SDK and with structured output.

Follows https://platform.claude.com/docs/en/api/messages, …/api/models and …/docs/en/build-with-claude/prompt-caching as
of API version 2026-10-21, which has no temperature, top_p or top_k; the SDK signs in with `Authorization: Bearer`.
Retrying belongs to whoever called: the SDK's own is off, so that one attempt is one charge. The Messages API documents
no idempotency key, so a request whose answer was not seen may have been charged (`may_have_cost`).
"""

import math
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import Any

import anthropic
import httpx2

from leads.writers.base import (
    WriterBroken,
    WriterBusy,
    WriteRequest,
    WriterError,
    WriterFailed,
    WriterRefused,
    Written,
    parts_of,
)
from leads.writers.filters import tidy
from leads.writers.outputs import SYSTEM, parse, schema_for
from leads.writers.pace import Pace, TooLong

TIMEOUT_SECONDS = 60
MAX_TOKENS = 4096  # thinking counts, which adaptive models do unasked
LARGEST_ANSWER = 1024 * 1024  # bytes
LARGEST_RESULTS, RESULTS_SECONDS = 1024 * 1024 * 1024, 3600  # of a batch, read line by line
MEND = "Set ANTHROPIC_MODEL to one that it has."
LONGEST_WAIT = 3600  # seconds; a longer Retry-After is looked at again then


class AnthropicWriter:
    """One reused client; thread-safe."""

    name = "anthropic"

    def __init__(
        self, *, api_key: str, base_url: str = "", model: str, timeout_seconds: float = TIMEOUT_SECONDS, most: int = 50
    ):
        """`most`: calls in flight at a time."""
        self.api_key, self.base_url, self.model, self.timeout = api_key, base_url, model, timeout_seconds
        self.pace = Pace(most)

    @cached_property
    def client(self) -> anthropic.Anthropic:
        limits = httpx2.Timeout(self.timeout, connect=min(5, self.timeout))
        http = anthropic.DefaultHttpxClient(
            timeout=limits, follow_redirects=False, event_hooks={"response": [self.bound]}
        )
        return anthropic.Anthropic(
            api_key=self.api_key,
            base_url=self.base_url or None,
            timeout=limits,
            max_retries=0,
            # Unpacked, an answer could be a thousand times what is counted.
            default_headers={"Accept-Encoding": "identity"},
            http_client=http,
        )

    def bound(self, response: httpx2.Response) -> None:
        """A cap on the answer's size and on the time all of it takes; the client knows one per read only."""
        self.pace.heard(response.status_code, response.headers)
        is_long = response.request.url.path.endswith("/results")
        largest, seconds = (LARGEST_RESULTS, RESULTS_SECONDS) if is_long else (LARGEST_ANSWER, self.timeout)
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = Bounded(response.stream, until=time.monotonic() + seconds, largest=largest)

    def payload_for(self, request: WriteRequest) -> dict[str, Any]:
        return payload_for(request, model=self.model)

    def write(self, request: WriteRequest) -> Written:
        try:
            with self.pace:
                answer = self.asked(lambda: self.client.messages.create(**self.payload_for(request)))
        except TooLong as wait:
            raise WriterBusy(retry_after=math.ceil(wait.seconds)) from wait
        return parse(answer, request)

    def asked(self, ask: Callable[[], Any]) -> Any:
        """What `ask` gives; every way in which the SDK fails as one of our errors."""
        try:
            return ask()
        except anthropic.APIStatusError as error:
            raise problem(error) from error
        except anthropic.APITimeoutError as error:
            sentence = f"The model's service did not answer within {self.timeout:g} seconds."
            raise WriterFailed(sentence, may_have_cost=went_out(error)) from error
        except anthropic.APIConnectionError as error:
            raise WriterFailed("The model's service could not be reached.", may_have_cost=went_out(error)) from error
        except (anthropic.AnthropicError, ValueError, httpx2.HTTPError) as error:
            sentence = "The model's service gave an answer that cannot be read."
            raise WriterFailed(sentence, may_have_cost=True) from error

    def check(self) -> None:
        """Is the configured model there? Raises WriterBroken with a sentence for the operator; other WriterErrors
        when nobody can tell."""
        try:
            model = self.asked(lambda: self.client.models.retrieve(self.model))
        except WriterBroken as error:
            if isinstance(error.__cause__, anthropic.NotFoundError):
                raise WriterBroken(f"The model {self.model} is not known to the service. {MEND}") from error
            raise
        if getattr(model, "lifecycle", "active") == "retired":
            raise WriterBroken(f"The model {self.model} is retired. {MEND}")


def went_out(error: anthropic.APIConnectionError) -> bool:
    """Whether the service may have seen the request: it cannot where no connection came about."""
    return not isinstance(error.__cause__, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)


class Bounded(httpx2.SyncByteStream):
    """A response body that ends in an error when it is too long or takes too long."""

    def __init__(self, stream: httpx2.SyncByteStream, *, until: float, largest: int):
        self.stream, self.until, self.largest = stream, until, largest

    def __iter__(self) -> Iterator[bytes]:
        size = 0
        for chunk in self.stream:
            size += len(chunk)
            if size > self.largest:
                raise httpx2.ReadError("The answer is too long.")
            if time.monotonic() > self.until:
                raise httpx2.ReadTimeout("The answer takes too long.")
            yield chunk

    def close(self) -> None:
        self.stream.close()


def payload_for(request: WriteRequest, *, model: str) -> dict[str, Any]:
    """Our request in their words: what a call sends, and what one line of a batch holds. Pure.

    What is the same for every lead comes first and is marked to be cached; the service does so where it is long enough.
    """
    stable, rest = parts_of(request.prompt)
    cached = {"cache_control": {"type": "ephemeral"}}
    system: dict[str, Any] = {"type": "text", "text": SYSTEM}
    content: list[dict[str, Any]] = [{"type": "text", "text": text} for text in (stable, rest) if text.strip()]
    (content[0] if stable.strip() else system).update(cached)
    return {
        "model": model,
        "max_tokens": MAX_TOKENS,
        "system": [system],
        "messages": [{"role": "user", "content": content}],
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": schema_for(request)}},
    }


def problem(error: anthropic.APIStatusError) -> WriterError:
    """An error answer in our words (https://platform.claude.com/docs/en/api/errors)."""
    status, said = error.status_code, tidy(str(error.api_message or ""))[:200]
    if status == 429 and error.error_code == "enforced_spend_limit_reached":
        return WriterBroken("The monthly spend limit of the Anthropic account is reached.")
    if status == 400 and "spend limit" in said.lower() or status == 400 and "usage limit" in said.lower():
        return WriterBroken(f"A spend limit of the Anthropic account is reached. {said}")
    if status in (429, 503, 529):
        return WriterBusy(retry_after=seconds_in(error.response.headers.get("retry-after")))
    if status == 401:
        return WriterBroken("The Anthropic key is not accepted. Check ANTHROPIC_API_KEY.")
    if status in (402, 403, 404) or status < 400:
        return WriterBroken(f"The Anthropic account cannot be used as configured ({status}). {said}".strip())
    if status >= 500 or status in (408, 409):
        return WriterFailed(f"The model's service failed ({status}).")
    return WriterRefused(f"The model's service did not take the request ({status}). {said}".strip())


def seconds_in(header: str | None) -> int | None:
    """Retry-After in seconds; as a date, or absent, it says nothing."""
    try:
        seconds = float(header or "")
    except ValueError:
        return None
    return max(1, min(math.ceil(seconds), LONGEST_WAIT)) if math.isfinite(seconds) else None
