"""A stand-in of Anthropic's API that behaves: it writes, takes its time, is busy at times, works off batches, and keeps
a bill of its own.

Follows, beside what tests/vendors/anthropic.py names, https://platform.claude.com/docs/en/api/creating-message-batches,
…/api/retrieving-message-batches, …/api/retrieving-message-batch-results, …/api/canceling-message-batches,
…/api/models, …/api/rate-limits and …/build-with-claude/prompt-caching:

- a batch has 1 to 100,000 requests with distinct custom_ids of 1 to 64 letters, digits, _ and -; its results come in
  any order, as succeeded, errored, canceled or expired, and only what succeeded is charged
- what is refused with 429 or 529 is not charged
- a prefix marked with cache_control is cached from a length on: written at its first use, read afterwards
"""

import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.vendors.anthropic import KEY, Answer, AnthropicStandIn, fails, faults

CUSTOM_ID = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MODELS = ("claude-haiku-5-5", "claude-sonnet-5-5")
TOKENS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")


@dataclass
class Batch:
    id: str
    requests: list[dict]
    created_at: datetime
    polls_left: int
    status: str = "in_progress"
    results: list[dict] = field(default_factory=list)


class AnthropicService(AnthropicStandIn):
    """`with AnthropicService(latency=0.3, busy={429: 0.05, 529: 0.02}) as service:`.

    `fate(custom_id, params)` says what becomes of a line of a batch: "succeeded" (default), "errored", "overloaded",
    "expired" or "canceled". Seen afterwards: `bill` (a row of token counts per charged request), `asked` (requests that
    were charged, by prompt), `refused` (by status), `batches`.
    """

    def __init__(
        self,
        *,
        key: str = KEY,
        latency: float = 0.0,
        busy: dict[int, float] | None = None,
        retry_after: str = "1",
        seed: int = 7,
        cache_from: int = 1024,
        requests_per_minute: int | None = None,
        polls_to_end: int = 1,
        fate: Callable[[str, dict], str] = lambda custom_id, params: "succeeded",
        writes: Callable[[dict], dict] | None = None,
    ):
        super().__init__([], key=key)
        self.latency, self.busy, self.retry_after = latency, busy or {}, retry_after
        self.random, self.cache_from, self.polls_to_end, self.fate = random.Random(seed), cache_from, polls_to_end, fate
        self.requests_per_minute = requests_per_minute
        self.writes = writes or (lambda params: sample(schema_of(params), params))
        self.bill: list[dict] = []
        self.asked: Counter = Counter()
        self.refused: Counter = Counter()
        self.cached: set[str] = set()
        self.batches: dict[str, Batch] = {}
        self.in_flight = self.most_in_flight = 0

    def totals(self, *, batch: bool | None = None) -> dict[str, int]:
        """The bill's tokens by kind."""
        rows = [row for row in self.bill if batch is None or row["batch"] is batch]
        return {name: sum(row[name] for row in rows) for name in TOKENS}

    def handle(self, method: str, path: str, raw: bytes, version: str) -> Answer:
        parts = path.removeprefix("/v1/").split("/")
        match [method, *parts]:
            case ["POST", "messages"]:
                return self.messages(json.loads(raw), version)
            case ["GET", "models", name]:
                return self.model(name)
            case ["POST", "messages", "batches"]:
                return self.create_batch(json.loads(raw), version)
            case ["GET", "messages", "batches"]:
                shown = [self.shown(batch) for batch in reversed(self.batches.values())]
                return answered({"data": shown, "has_more": False, "first_id": None, "last_id": None})
            case ["GET", "messages", "batches", name] if name in self.batches:
                return self.polled(self.batches[name])
            case ["GET", "messages", "batches", name, "results"] if name in self.batches:
                return self.results_of(self.batches[name])
            case ["POST", "messages", "batches", name, "cancel"] if name in self.batches:
                return self.canceled(self.batches[name])
        return fails(404, "Not found")

    def messages(self, body: dict, version: str) -> Answer:
        for sentence in faults(body, version):
            return fails(400, sentence)
        if body["model"] not in MODELS:
            return fails(404, f"model: {body['model']}")
        with self.lock:
            self.requests.append(body)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            status = self._busy_now()
        if self.latency:
            time.sleep(self.latency)
        with self.lock:
            self.in_flight -= 1
            if status:
                self.refused[status] += 1
                wait = {"retry-after": self.retry_after} if status == 429 else {}
                return fails(status, "Later, please.", headers={**self.limits(), **wait})
            return answered(self.charged(body, batch=False), headers=self.limits())

    def _busy_now(self) -> int | None:
        dice = self.random.random()
        for status, share in self.busy.items():
            if dice < share:
                return status
            dice -= share
        return None

    def limits(self) -> dict[str, str]:
        """The headers of the request limit, where there is one: a bucket that is full again every minute."""
        if self.requests_per_minute is None:
            return {}
        left = max(0, self.requests_per_minute - len(self.requests))
        reset = (datetime.now(UTC) + timedelta(seconds=60)).isoformat(timespec="seconds").replace("+00:00", "Z")
        names = {"limit": str(self.requests_per_minute), "remaining": str(left), "reset": reset}
        return {f"anthropic-ratelimit-requests-{name}": value for name, value in names.items()}

    def charged(self, params: dict, *, batch: bool) -> dict:
        """The message that answers, entered in the bill."""
        text = json.dumps(self.writes(params))
        usage = {**self.prompt_tokens(params), "output_tokens": len(text) // 4 + 20}
        self.bill.append({**usage, "batch": batch, "model": params["model"]})
        self.asked[json.dumps(params["messages"])] += 1
        return {
            "id": f"msg_{len(self.bill):08d}", "type": "message", "role": "assistant", "model": params["model"],
            "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": None,
            "stop_details": None, "usage": usage,
        }  # fmt: skip

    def prompt_tokens(self, params: dict) -> dict[str, int]:
        blocks = [*params.get("system", []), *params["messages"][0]["content"]]
        marked = [number for number, block in enumerate(blocks) if block.get("cache_control")]
        prefix = "".join(block["text"] for block in blocks[: marked[-1] + 1]) if marked else ""
        whole = sum(len(block["text"]) for block in blocks) // 4 + 40
        long_enough = len(prefix) // 4 if len(prefix) // 4 >= self.cache_from else 0
        is_known = prefix in self.cached
        if long_enough:
            self.cached.add(prefix)
        return {
            "input_tokens": whole - long_enough,
            "cache_creation_input_tokens": 0 if is_known else long_enough,
            "cache_read_input_tokens": long_enough if is_known else 0,
        }

    def model(self, name: str) -> Answer:
        if name not in MODELS:
            return fails(404, f"model: {name}")
        return answered(
            {
                "id": name, "type": "model", "display_name": name, "created_at": "2026-10-07T00:00:00Z",
                "lifecycle": "active", "deprecated_at": None, "retires_at": None, "line": "haiku",
                "max_input_tokens": 1_000_000, "max_tokens": 128_000, "capabilities": None,
            }
        )  # fmt: skip

    def create_batch(self, body: dict, version: str) -> Answer:
        for sentence in batch_faults(body, version):
            return fails(400, sentence)
        with self.lock:
            name = f"msgbatch_{len(self.batches):06d}"
            batch = Batch(name, body["requests"], datetime.now(UTC), self.polls_to_end)
            self.batches[name] = batch
            return answered(self.shown(batch))

    def shown(self, batch: Batch) -> dict:
        counts = Counter(line["result"]["type"] for line in batch.results)
        ended = batch.status == "ended"
        return {
            "id": batch.id, "type": "message_batch", "processing_status": batch.status, "archived_at": None,
            "created_at": moment(batch.created_at), "expires_at": moment(batch.created_at + timedelta(hours=24)),
            "ended_at": moment(datetime.now(UTC)) if ended else None, "cancel_initiated_at": None,
            "request_counts": {
                "processing": 0 if ended else len(batch.requests),
                **{name: counts[name] for name in ("succeeded", "errored", "canceled", "expired")},
            },
            "results_url": f"{self.url}/v1/messages/batches/{batch.id}/results" if ended else None,
        }  # fmt: skip

    def polled(self, batch: Batch) -> Answer:
        with self.lock:
            batch.polls_left -= 1
            if batch.status != "ended" and batch.polls_left <= 0:
                self.work_off(batch)
            return answered(self.shown(batch))

    def work_off(self, batch: Batch) -> None:
        is_canceled = batch.status == "canceling"
        for request in batch.requests:
            fate = "canceled" if is_canceled else self.fate(request["custom_id"], request["params"])
            batch.results.append({"custom_id": request["custom_id"], "result": self.result(fate, request["params"])})
        self.random.shuffle(batch.results)
        batch.status = "ended"

    def result(self, fate: str, params: dict) -> dict:
        if fate == "succeeded":
            return {"type": "succeeded", "message": self.charged(params, batch=True)}
        if fate in ("errored", "overloaded"):
            kind = "invalid_request_error" if fate == "errored" else "overloaded_error"
            error = {"type": kind, "message": "The line cannot be worked off."}
            return {"type": "errored", "error": {"type": "error", "error": error, "request_id": "req_line"}}
        return {"type": fate}

    def results_of(self, batch: Batch) -> Answer:
        if batch.status != "ended":
            return fails(404, "The batch has not ended.")
        lines = "".join(json.dumps(line) + "\n" for line in batch.results)
        return Answer(body=lines.encode(), headers={"content-type": "application/x-jsonl"})

    def canceled(self, batch: Batch) -> Answer:
        with self.lock:
            if batch.status == "in_progress":
                batch.status, batch.polls_left = "canceling", 1
            return answered(self.shown(batch))


def batch_faults(body: dict, version: str):
    for name in sorted(set(body) - {"requests"}):
        yield f"{name}: Extra inputs are not permitted"
    requests = body.get("requests") or []
    if not 1 <= len(requests) <= 100_000:
        yield "requests: 1 to 100,000 are allowed"
    ids = [request.get("custom_id", "") for request in requests]
    if len(set(ids)) < len(ids) or not all(CUSTOM_ID.fullmatch(name) for name in ids):
        yield "requests: custom_id must be distinct, 1 to 64 letters, digits, _ and -"
    for request in requests:
        for name in sorted(set(request) - {"custom_id", "params"}):
            yield f"requests.{name}: Extra inputs are not permitted"
        yield from faults(request["params"], version)


def answered(body: dict, *, headers: dict | None = None) -> Answer:
    return Answer(body=json.dumps(body).encode(), headers=headers or {})


def moment(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def schema_of(params: dict) -> dict:
    return params["output_config"]["format"]["schema"]


def sample(schema: dict, params: dict) -> object:
    """Something that fits the schema and states nothing that a check could miss."""
    match schema.get("type"):
        case "object":
            return {name: sample(part, params) for name, part in schema.get("properties", {}).items()}
        case "array":
            return []
        case "number" | "integer":
            return 7
        case "boolean":
            return True
    if "One JSON document" in schema.get("description", ""):
        return "{}"
    return "this is a friendly line for them, and for nobody else."
