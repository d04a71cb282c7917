"""Values of variables get written: claimed in batches, one generation per distinct input, fenced by a token.

What is due is a query, so a worker's death costs its lease and no value.
"""

import hashlib
import json
import logging
import uuid
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, When

from apikeys.events import record_event
from apikeys.services import now_for
from leads.models import Variable, VariableValue
from leads.queries import lead_values
from leads.settling import Settled, settle, settle_as
from leads.writers import WriteRequest, fenced, writer_for
from leads.writers.base import WriterBroken, WriterBusy, WriterFailed, WriterRefused
from outbound.clock import real_now
from outbound.templating import compile_template, seeded, text_of

logger = logging.getLogger(__name__)
State = VariableValue.State
WRITTEN = (State.DONE, State.REVIEW)  # what equal inputs share

# Four rounds of the pool: with a minute's time-out each they end within the lease, so nobody pays for a value twice.
BATCH = 4 * settings.WRITER_CONCURRENCY
LEASE = timedelta(minutes=5)
TRIES = 3
WAIT_AFTER_FAILURE = timedelta(seconds=30)
DEADLY = "Its writing was begun and cut off again and again. Write it by hand, or change the prompt."


def write_due(*, stop=lambda: False) -> int:
    """Write what is pending until nothing is left. Returns how many values were settled or put off."""
    written = 0
    while not stop():
        batch = _claim()
        if not batch:
            break
        _write(batch)
        written += len(batch)
    return written


@transaction.atomic
def _claim() -> list[VariableValue]:
    """The oldest pending values, and those whose writer died, as ours for the length of the lease."""
    now = real_now()
    due = Q(state=State.PENDING) & (Q(retry_at=None) | Q(retry_at__lte=now))
    dead = Q(state=State.GENERATING, lease_until__lt=now)
    rows = list(
        VariableValue.objects.filter(due | dead)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("variable", "lead", "workspace")
        .order_by("created_at", "id")[:BATCH]
    )
    # Whose writer died more than once is written alone: what kills a worker must not fail those beside it.
    rows = [row for row in rows if row.state == State.GENERATING and row.attempts][:1] or rows
    token, orphans = uuid.uuid4(), [row.id for row in rows if row.state == State.GENERATING]
    VariableValue.objects.filter(id__in=orphans).update(attempts=F("attempts") + 1)
    VariableValue.objects.filter(id__in=[row.id for row in rows]).update(
        state=State.GENERATING, token=token, lease_until=now + LEASE
    )
    for row in rows:
        row.attempts += row.id in orphans
        row.state, row.token = State.GENERATING, token
    return rows


def _write(batch: list[VariableValue]) -> None:
    jobs: dict[tuple, list[VariableValue]] = defaultdict(list)
    for row in batch:
        if row.attempts >= TRIES:
            _store([row], state=State.FAILED, reason=DEADLY)
            continue
        prompt, missing = _prompt_for(row)
        if missing:
            _store([row], state=State.SKIPPED, reason=f"The lead has no {', '.join(missing)}.")
        else:
            row.input_key = _input_key(row.variable, prompt)
            jobs[row.variable_id, row.input_key, prompt].append(row)
    _share_what_is_there(jobs)
    with ThreadPoolExecutor(max_workers=settings.WRITER_CONCURRENCY) as pool:
        answers = {pool.submit(_ask, rows[0], prompt): rows for (_, _, prompt), rows in jobs.items()}
        for future, rows in answers.items():
            _keep(rows, future.result())
    for variable in {row.variable_id: row.variable for row in batch}.values():
        _say_when_done(variable)


def _prompt_for(row: VariableValue) -> tuple[str, list[str]]:
    """The prompt filled with the lead's fields, and the names it needs that are blank."""
    template = compile_template(row.variable.prompt_template)
    values = lead_values(row.lead)
    missing = sorted(name for name in template.names_without_fallback() if not text_of(values.get(name)).strip())
    return template.render(
        fenced(values), choose=seeded(row.workspace.chance(row.variable_id, row.variable.name))
    ).text, missing


def _input_key(variable: Variable, prompt: str) -> str:
    """Equal inputs make equal values: a variable of company fields alone is written once per company (decisions §5)."""
    parts = [str(variable.id), variable.prompt_version, variable.output_type, prompt]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _share_what_is_there(jobs: dict) -> None:
    keys = [key for _, key, _ in jobs]
    written = VariableValue.objects.filter(
        variable__in={variable_id for variable_id, _, _ in jobs}, input_key__in=keys, state__in=WRITTEN
    )
    # What was approved outdoes what is still in review.
    written = written.order_by(Case(When(state=State.DONE, then=1), default=0), "id")
    found = {(row.variable_id, row.input_key): row for row in written}
    for job in [job for job in jobs if job[:2] in found]:
        _store_settled(settle_as(found[job[:2]], jobs.pop(job)))


def _ask(row: VariableValue, prompt: str):
    """The writer's answer or its failure, as a value. No database here: this runs in a thread of the pool."""
    request = WriteRequest(
        prompt=prompt,
        output_type=row.variable.output_type,
        seed=row.workspace.chance(f"{row.variable_id}:{row.input_key}", row.variable.name),
        fields=lead_values(row.lead),
        used=tuple(compile_template(row.variable.prompt_template).names()),
        max_length=row.variable.max_length,
    )
    writer = writer_for(workspace_is_test=not row.workspace.livemode)
    try:
        return writer.name, writer.write(request)
    except (WriterBusy, WriterFailed, WriterRefused, WriterBroken) as failure:
        return writer.name, failure


def _keep(rows: list[VariableValue], answer) -> None:
    name, outcome = answer
    if isinstance(outcome, WriterBusy):
        wait = timedelta(seconds=outcome.retry_after or WAIT_AFTER_FAILURE.seconds)
        _store(rows, state=State.PENDING, reason=str(outcome), retry_at=real_now() + wait)
    elif isinstance(outcome, WriterFailed) and rows[0].attempts + 1 < TRIES:
        wait = WAIT_AFTER_FAILURE * (rows[0].attempts + 1)
        _store(
            rows, state=State.PENDING, reason=str(outcome), retry_at=real_now() + wait, attempts=rows[0].attempts + 1
        )
    elif isinstance(outcome, Exception):
        _store(rows, state=State.FAILED, reason=str(outcome), writer=name)
        logger.warning("Variable %s could not be written: %s", rows[0].variable_id, type(outcome).__name__)
    else:
        _store_settled(settle(rows, outcome, writer=name))


def _store_settled(parts: list[Settled]) -> None:
    for part in parts:
        _store(part.rows, **part.fields)


def _store(rows: list[VariableValue], *, state: str, reason: str = "", **fields) -> None:
    """Only where the claim still holds: a value that was edited, deleted or taken over meanwhile stays as it is."""
    settled_at = now_for(rows[0].workspace) if state in VariableValue.SETTLED else None
    ours = VariableValue.objects.filter(id__in=[row.id for row in rows], token=rows[0].token, state=State.GENERATING)
    ours.filter(variable__prompt_version=rows[0].variable.prompt_version).update(
        state=state, reason=reason[:300], token=None, settled_at=settled_at, input_key=rows[0].input_key, **fields
    )
    # Still ours: the prompt was edited at the moment of the claim, so this answers a question nobody asks any more.
    ours.update(state=State.PENDING, token=None)


def _say_when_done(variable: Variable) -> None:
    open_states = [State.PENDING, State.GENERATING]
    if variable.values.filter(state__in=open_states).exists():
        return
    failed = variable.values.filter(state=State.FAILED).count()
    record_event(
        workspace=variable.workspace,
        kind="variable.failed" if failed else "variable.generated",
        summary=f"{variable.name}: every value is settled" + (f", {failed} failed" if failed else ""),
        now=now_for(variable.workspace),
        variable_id=str(variable.id),
    )
