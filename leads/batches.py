"""Jobs that nobody waits for go through the vendor's batches: claimed, reserved, submitted, polled, taken in.

A batch's row, its calls and its claim on the values are committed before it is submitted, and every line carries the id
of its call: a death at any moment loses no result and pays for none twice.
"""

import logging
import uuid
from collections import defaultdict
from datetime import datetime, timedelta
from itertools import islice

from django.db import transaction
from django.db.models import Q

from leads import jobs, spending
from leads.models import GenerationCall, GenerationJob, MessageBatch, VariableValue
from leads.prices import PriceList, price_list
from leads.prompts import input_key, missing_in, request_for
from leads.writers import WriteRequest, writer_for
from leads.writers.base import WriterBroken, WriterBusy, WriterError, WriterFailed, WriterRefused
from leads.writers.batches import MOST_BYTES, AnthropicBatches, Canceled, NoSuchBatch
from leads.writers.outputs import parse
from leads.writing import keep, say_when_done, share_what_is_there, store
from outbound.bulk import update_rows
from outbound.clock import real_now

logger = logging.getLogger(__name__)
State = VariableValue.State
Job, Batch, Call = GenerationJob, MessageBatch, GenerationCall

MOST_VALUES = 10_000  # of a batch: what one worker holds in memory at a time
LEASE = timedelta(minutes=10)
LOOK_EVERY, LOOK_SLOWEST = timedelta(minutes=1), timedelta(minutes=15)
WAIT_FOR_TWIN = timedelta(minutes=5)
WAIT_AFTER_FAILURE = timedelta(minutes=1)
CHUNK = 200  # results that are stored together
CLOCKS_DIFFER = timedelta(minutes=10)
NOBODY = WriteRequest(prompt="", output_type="text", seed="")  # an answer for values that are gone


def work_batches(*, stop=lambda: False) -> int:
    """Submit what waits, look at what is under way. Returns how many batches were touched."""
    touched = 0
    while not stop() and (batch := _next_to_look_at()):
        _look(batch)
        touched += 1
    for job in _with_values_waiting():
        while not stop() and _submit_one(job):
            touched += 1
    return touched


def _with_values_waiting() -> list[GenerationJob]:
    running = Job.objects.filter(state=Job.State.RUNNING, mode=Job.Mode.BATCH).select_related("workspace", "variable")
    return list(running.order_by("created_at")[:100])


# --- Submitting -------------------------------------------------------------------------------------------------------
def _submit_one(job: GenerationJob) -> bool:
    """Whether there was anything to submit, and may be more."""
    now = real_now()
    writer = writer_for(workspace_is_test=not job.workspace.livemode)
    if writer.name == "sandbox":  # the key was taken away: it goes on without it
        Job.objects.filter(pk=job.pk).update(mode=Job.Mode.LIVE)
        return False
    prices = price_list(writer.model, on=now.date())
    if prices is None:
        jobs.out_of_money([job.pk], reason=jobs.no_price(writer.model), needed=None, now=now)
        return False
    batch, lines, claimed = _claim(job, writer, prices, now)
    if batch:
        _send(batch, lines, AnthropicBatches(writer))
    elif claimed:
        say_when_done(job.variable)
    return claimed and Job.objects.filter(pk=job.pk, state=Job.State.RUNNING).exists()


@transaction.atomic
def _claim(job: GenerationJob, writer, prices: PriceList, now: datetime):
    """(batch or None, its lines, whether values were claimed): all of it committed, none of it sent."""
    due = Q(retry_at=None) | Q(retry_at__lte=now)
    rows = list(
        job.values.filter(due, state=State.PENDING)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("variable__workspace", "lead", "workspace", "job")
        .order_by("created_at", "id")[:MOST_VALUES]
    )
    if not rows:
        return None, [], False
    token = uuid.uuid4()
    VariableValue.objects.filter(id__in=[row.id for row in rows]).update(
        state=State.GENERATING, token=token, lease_until=None
    )
    for row in rows:
        row.state, row.token = State.GENERATING, token
    groups = _distinct(rows)
    batch, lines = _reserved(job, writer, prices, groups, token, now) if groups else (None, [])
    return batch, lines, True


def _distinct(rows: list[VariableValue]) -> dict[str, list[VariableValue]]:
    """{input key: its values} of what has to be asked; the others are settled here."""
    groups: dict[str, list] = defaultdict(list)
    unwritable: dict[str, list] = defaultdict(list)
    for row in rows:
        if missing := missing_in(row.variable, row.lead):
            unwritable[f"The lead has no {', '.join(missing)}."].append(row)
        else:
            row.input_key = input_key(row.variable, row.lead)
            groups[row.input_key].append(row)
    for reason, some in unwritable.items():
        store(some, state=State.SKIPPED, reason=reason)
    by_variable = {(rows[0].variable_id, key): some for key, some in groups.items()}
    for _, key in share_what_is_there(by_variable):
        del groups[key]
    return groups


def _reserved(job: GenerationJob, writer, prices: PriceList, groups: dict, token, now: datetime):
    """The batch with its calls in the ledger, as far as the money goes."""
    batch = Batch.objects.create(
        id=token, workspace=job.workspace, job=job, created_at=now, poll_at=now + LEASE, requests=0
    )
    wishes, payloads, size = {}, {}, 0
    for key, rows in groups.items():
        payload = writer.payload_for(request_for(rows[0].variable, rows[0].lead, key=key))
        size += len(str(payload))
        if size > MOST_BYTES:
            break
        wishes[key] = jobs.wish_for(rows[0], writer, prices.most(payload, batch=True))
        payloads[wishes[key].id] = payload
    reserved = spending.reserve(
        workspace=job.workspace, wishes=list(wishes.values()), mode=Job.Mode.BATCH, batch_id=batch.pk, now=now
    )
    mine = {wish.id: key for key, wish in wishes.items() if wish.id in reserved.granted}
    _put_back_others(groups, set(mine.values()), now)
    if reserved.refused:
        refused = next(wish for wish in wishes.values() if wish.id in reserved.refused)
        reason = reserved.refused[refused.id]
        jobs.out_of_money([job.pk], reason=reason, needed=refused.most, now=now)
    if not mine:
        batch.delete()
        return None, []
    held = [{"id": row.id, "input_key": key} for key in mine.values() for row in groups[key]]
    update_rows(VariableValue, held)
    Batch.objects.filter(pk=batch.pk).update(requests=len(mine))
    batch.requests = len(mine)
    return batch, [(str(call_id), payloads[call_id]) for call_id in mine]


def _put_back_others(groups: dict, mine: set, now: datetime) -> None:
    """Being written by another call, beyond the money, or beyond the size."""
    others = [row for key, rows in groups.items() if key not in mine for row in rows]
    if others:
        ids = [row.id for row in others]
        VariableValue.objects.filter(id__in=ids, state=State.GENERATING, token=others[0].token).update(
            state=State.PENDING, token=None, retry_at=now + WAIT_FOR_TWIN
        )


def _send(batch: MessageBatch, lines: list, service: AnthropicBatches) -> None:
    try:
        vendor_id = service.submit(lines)
    except WriterError as error:
        if error.may_have_cost:
            logger.warning("Nobody knows whether batch %s arrived; it is looked for.", batch.pk)
        else:
            _release(batch, reason=error.sentence)
        if isinstance(error, WriterBroken | WriterRefused):
            jobs.pause_all([batch.job_id], reason=error.sentence)
        return
    Batch.objects.filter(pk=batch.pk, state=Batch.State.SUBMITTING).update(
        vendor_id=vendor_id, state=Batch.State.IN_PROGRESS, poll_at=real_now() + LOOK_EVERY
    )


@transaction.atomic
def _release(batch: MessageBatch, *, reason: str, state: str = MessageBatch.State.LOST, unknown: bool = False) -> None:
    """Nothing comes of it any more: its values wait anew, and what it reserved is free, or unknown."""
    now = real_now()
    calls = batch.calls.filter(state=Call.State.RESERVED)
    if unknown:
        calls.update(state=Call.State.UNKNOWN, reason=reason[:300], settled_at=now)
    else:
        calls.update(state=Call.State.FREE, charge=0, reason=reason[:300], settled_at=now)
    VariableValue.objects.filter(token=batch.pk, state=State.GENERATING).update(
        state=State.PENDING, token=None, reason=reason[:300], retry_at=now + WAIT_AFTER_FAILURE, input_key=""
    )
    Batch.objects.filter(pk=batch.pk).update(state=state, reason=reason[:300], poll_at=None, token=None, ended_at=now)


# --- Looking ----------------------------------------------------------------------------------------------------------
@transaction.atomic
def _next_to_look_at() -> MessageBatch | None:
    now = real_now()
    free = Q(lease_until=None) | Q(lease_until__lt=now)
    batch = (
        Batch.objects.filter(free, poll_at__lte=now)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("job__variable", "job__workspace", "workspace")
        .order_by("poll_at")
        .first()
    )
    if batch:
        batch.token = uuid.uuid4()
        Batch.objects.filter(pk=batch.pk).update(token=batch.token, lease_until=now + LEASE)
    return batch


def _look(batch: MessageBatch) -> None:
    writer = writer_for(workspace_is_test=not batch.workspace.livemode)
    if writer.name == "sandbox":
        _look_later(batch, reason="There is no ANTHROPIC_API_KEY to ask with.")
        return
    service = AnthropicBatches(writer)
    try:
        if batch.state == Batch.State.SUBMITTING:
            _find(batch, service)
        else:
            _ask_for(batch, service, writer)
    except NoSuchBatch as error:
        _release(batch, reason=error.sentence, unknown=True)
    except (WriterBusy, WriterFailed, WriterBroken, WriterRefused) as error:
        _look_later(batch, reason=error.sentence)


def _find(batch: MessageBatch, service: AnthropicBatches) -> None:
    """It was submitted, and whoever did so died, or heard no answer: the service knows whether it arrived."""
    begun = batch.created_at - CLOCKS_DIFFER
    newest = [found for found in service.newest() if found.created_at >= begun and found.requests == batch.requests]
    ids = [found.vendor_id for found in newest]
    known = set(Batch.objects.filter(vendor_id__in=ids).values_list("vendor_id", flat=True))
    mine = next((found for found in newest if found.vendor_id not in known), None)
    if mine is None:
        _release(batch, reason="The batch did not arrive at the model's service.")
        return
    Batch.objects.filter(pk=batch.pk, token=batch.token).update(
        vendor_id=mine.vendor_id, state=Batch.State.IN_PROGRESS, poll_at=real_now(), lease_until=None
    )


def _ask_for(batch: MessageBatch, service: AnthropicBatches, writer) -> None:
    if batch.state == Batch.State.CANCELING or batch.job.state == Job.State.CANCELED:
        service.cancel(batch.vendor_id)
    if not service.look(batch.vendor_id).has_ended:
        _look_later(batch, reason="", tries=0)
        return
    prices = price_list(writer.model, on=batch.created_at.date())
    if prices is None:
        _look_later(batch, reason=jobs.no_price(writer.model))
        return
    results = iter(service.results(batch.vendor_id))
    while some := dict(islice(results, CHUNK)):
        _take_in(batch, some, prices, writer.name)
    _end(batch)


def _look_later(batch: MessageBatch, *, reason: str, tries: int | None = None) -> None:
    tries = batch.tries + 1 if tries is None else tries
    wait = min(LOOK_EVERY * 2 ** min(tries, 8), LOOK_SLOWEST) if tries else LOOK_EVERY
    Batch.objects.filter(pk=batch.pk, token=batch.token).update(
        poll_at=real_now() + wait, lease_until=None, tries=tries, reason=reason[:300]
    )


@transaction.atomic
def _take_in(batch: MessageBatch, results: dict, prices: PriceList, writer: str) -> None:
    """Store some results. What was stored before is left out, so a batch may be read again from the start."""
    ids = [uuid.UUID(custom_id) for custom_id in results if _is_id(custom_id)]
    calls = Call.objects.filter(id__in=ids, batch=batch, state=Call.State.RESERVED).select_for_update()
    open_calls = {call.input_key: call for call in calls}
    rows = VariableValue.objects.filter(token=batch.pk, state=State.GENERATING, input_key__in=list(open_calls))
    waiting: dict[str, list] = defaultdict(list)
    for row in rows.select_related("variable__workspace", "lead", "workspace", "job"):
        waiting[row.input_key].append(row)
    settled = []
    for key, call in open_calls.items():
        answer = _answer(results[str(call.id)], waiting[key])
        settled.append(spending.outcome_of(call.id, answer, len(waiting[key])))
        if waiting[key]:
            _keep(waiting[key], answer, writer)
    spending.settle(settled, prices=prices, batch=True, now=real_now())


def _is_id(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False


def _answer(result, rows: list[VariableValue]):
    """Their message as Written or as the error it is. Without a value left to write for, only its cost is of use."""
    if isinstance(result, WriterError):
        return result
    row = rows[0] if rows else None
    try:
        return parse(result, request_for(row.variable, row.lead, key=row.input_key) if row else NOBODY)
    except WriterError as error:
        return error


def _keep(rows: list[VariableValue], answer, writer: str) -> None:
    if isinstance(answer, Canceled):
        store(rows, state=State.SKIPPED, reason=jobs.CANCELED)
    else:
        keep(rows, answer, writer=writer)


def _end(batch: MessageBatch) -> None:
    """Whatever had no line among the results is asked again; nobody knows what became of it."""
    _release(batch, reason="", state=Batch.State.ENDED, unknown=True)
    say_when_done(batch.job.variable)
