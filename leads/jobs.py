"""Requests to have a variable written: what they may spend, and how they are paused, resumed and canceled."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Exists, OuterRef, Q, Sum

from apikeys.models import Workspace
from leads.models import GenerationCall, GenerationJob, MessageBatch, Variable, VariableValue
from leads.prices import price_list
from leads.spending import Wish, has_room
from leads.writers import writer_for
from leads.writers.base import Writer
from outbound.api.errors import ApiError
from outbound.clock import real_now

State = GenerationJob.State
OPEN_VALUES = (VariableValue.State.PENDING, VariableValue.State.GENERATING)
CANCELED = "The job was canceled."


class JobIsOver(ApiError):
    status, code = 409, "job_is_over"
    message = "This job is done or canceled. Generate the variable again to write what is missing."


def no_price(model: str) -> str:
    """The sentence for whoever runs this."""
    return (
        f"There is no price for {model} in the price table, so nothing can be spent on it. Add one in the admin under "
        "Model prices, or set ANTHROPIC_MODEL to a model that has one."
    )


class NoPrice(ApiError):
    status, code = 409, "model_has_no_price"


def refuse_unpriced(workspace: Workspace) -> None:
    """NoPrice (409) where a model would write whose cost nobody knows."""
    writer = writer_for(workspace_is_test=not workspace.livemode)
    if writer.name != "sandbox" and price_list(writer.model, on=real_now().date()) is None:
        raise NoPrice(no_price(writer.model))


def wish_for(row: VariableValue, writer: Writer, most: Decimal) -> Wish:
    """The call that would write a value, at the most it can cost."""
    return Wish(
        most=most,
        model=writer.model,
        input_key=row.input_key,
        variable_id=row.variable_id,
        job_id=row.job_id,
        api_key_id=row.job.api_key_id if row.job else None,
    )


def out_of_money(job_ids: Iterable[UUID], *, reason: str, needed: Decimal | None, now: datetime) -> None:
    """`paused: budget`, until there is room for `needed` again."""
    GenerationJob.objects.filter(id__in=list(job_ids), state=State.RUNNING).update(
        state=State.BUDGET, reason=reason[:300], needed=needed
    )


def pause_all(job_ids: Iterable[UUID], *, reason: str) -> None:
    GenerationJob.objects.filter(id__in=list(job_ids), state=State.RUNNING).update(
        state=State.PAUSED, reason=reason[:300]
    )


def wake(*, now: datetime) -> int:
    """Jobs that stood for want of money go on where the month turned, or a limit was raised. What came back to a
    canceled job is given up."""
    standing = GenerationJob.objects.filter(state=State.BUDGET).select_related("workspace")
    VariableValue.objects.filter(job__state=State.CANCELED, state=VariableValue.State.PENDING).update(
        state=VariableValue.State.SKIPPED, reason=CANCELED, retry_at=None, settled_at=now
    )
    woken = [job.id for job in standing[:500] if _may_go_on(job, now)]
    return GenerationJob.objects.filter(id__in=woken, state=State.BUDGET).update(state=State.RUNNING, reason="")


def _may_go_on(job: GenerationJob, now: datetime) -> bool:
    writer = writer_for(workspace_is_test=not job.workspace.livemode)
    if writer.name != "sandbox" and price_list(writer.model, on=now.date()) is None:
        return False
    return has_room(job, now=now)


def finish(*, variable: Variable, now: datetime) -> int:
    """Jobs of the variable with nothing left to write are done."""
    left = VariableValue.objects.filter(job=OuterRef("pk"), state__in=OPEN_VALUES)
    over = GenerationJob.objects.filter(~Exists(left), variable=variable, state__in=[State.RUNNING, State.BUDGET])
    return over.update(state=State.DONE, reason="", finished_at=now)


@transaction.atomic
def pause(*, job: GenerationJob) -> GenerationJob:
    """Begin no further call. What is under way is taken in."""
    _move(job, (State.RUNNING, State.BUDGET), State.PAUSED, reason="")
    return job


@transaction.atomic
def resume(*, job: GenerationJob) -> GenerationJob:
    """Go on; where money is wanting it pauses again by itself."""
    _move(job, (State.PAUSED, State.BUDGET), State.RUNNING, reason="")
    return job


@transaction.atomic
def cancel(*, job: GenerationJob, now: datetime) -> GenerationJob:
    """Give up what is not written: it becomes `skipped`. Batches under way are canceled at the vendor; what they wrote
    until then is paid, and is taken in."""
    _move(job, GenerationJob.OPEN, State.CANCELED, reason="", finished_at=now)
    job.values.filter(state=VariableValue.State.PENDING).update(
        state=VariableValue.State.SKIPPED, reason=CANCELED, retry_at=None, settled_at=now
    )
    job.batches.filter(state=MessageBatch.State.IN_PROGRESS).update(state=MessageBatch.State.CANCELING, poll_at=now)
    return job


def _move(job: GenerationJob, from_states, to: str, **fields) -> None:
    moved = GenerationJob.objects.filter(pk=job.pk, state__in=from_states).update(state=to, **fields)
    job.refresh_from_db()
    if not moved and job.state != to:
        raise JobIsOver()


def progress(rows: Iterable[GenerationJob]) -> dict[UUID, dict]:
    """{job id: {"open", "by_state", "spent", "calls", "batches"}} in three statements."""
    ids = [job.pk for job in rows]
    shown: dict = {
        pk: {"counts": dict.fromkeys(VariableValue.State.values, 0), "spent": Decimal(0), "calls": 0, "batches": []}
        for pk in ids
    }
    values = VariableValue.objects.filter(job__in=ids).values_list("job_id", "state").order_by()
    for job_id, state, count in values.annotate(n=Count("id")):
        shown[job_id]["counts"][state] = count
    calls = GenerationCall.objects.filter(job__in=ids).values("job_id").order_by()
    for row in calls.annotate(spent=Sum("charge"), n=Count("id", filter=~Q(state=GenerationCall.State.FREE))):
        shown[row["job_id"]].update(spent=row["spent"], calls=row["n"])
    for batch in MessageBatch.objects.filter(job__in=ids).order_by("id"):
        shown[batch.job_id]["batches"].append(batch)
    return shown
