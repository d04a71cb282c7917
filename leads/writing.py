"""Values of variables get written: claimed in batches, one generation per distinct input, fenced by a token.

What is due is a query, so a worker's death costs its lease and no value. Each call stands in the ledger before it is
made (leads/spending.py); its outcome and its values are stored in one transaction.
"""

import logging
import time
import uuid
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Case, F, Q, When

from apikeys.events import record_event
from apikeys.services import now_for
from leads import jobs, spending
from leads.models import GenerationCall, GenerationJob, Variable, VariableValue
from leads.prices import PriceList, price_list
from leads.prompts import input_key, missing_in, request_for
from leads.settling import Settled, settle, settle_as
from leads.writers import WriteRequest, writer_for
from leads.writers.base import Writer, WriterBroken, WriterBusy, WriterError, WriterFailed, Written
from outbound.clock import real_now

logger = logging.getLogger(__name__)
State = VariableValue.State
WRITTEN = (State.DONE, State.REVIEW)  # what equal inputs share

# Two rounds of the pool ahead of those in flight: with a minute's time-out each they end within the lease.
LEASE = timedelta(minutes=5)
TRIES = 3
WAIT_AFTER_FAILURE = timedelta(seconds=30)
WAIT_FOR_TWIN = timedelta(seconds=2)
GATHER_SECONDS = 0.05  # answers of so long are stored together
DEADLY = "Its writing was begun and cut off again and again. Write it by hand, or change the prompt."


def write_due(*, stop: Callable[[], bool] = lambda: False) -> int:
    """Write what is pending until nothing is left. Returns how many values were settled or put off."""
    now = real_now()
    spending.give_up_dead_calls(now=now)
    jobs.wake(now=now)
    return Shift(stop).work()


def batch_size() -> int:
    return 4 * settings.WRITER_CONCURRENCY


@transaction.atomic
def _claim() -> list[VariableValue]:
    """The oldest pending values, and those whose writer died, as ours for the length of the lease."""
    now = real_now()
    due = Q(state=State.PENDING) & (Q(retry_at=None) | Q(retry_at__lte=now))
    dead = Q(state=State.GENERATING, lease_until__lt=now)
    live = Q(job=None) | Q(job__state=GenerationJob.State.RUNNING, job__mode=GenerationJob.Mode.LIVE)
    rows = list(
        VariableValue.objects.filter(due | dead, live)
        .select_for_update(skip_locked=True, of=("self",))
        .select_related("variable__workspace", "lead", "workspace", "job")
        .order_by("created_at", "id")[: batch_size()]
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
    """Only what was claimed."""
    Shift(claim=list).work(batch)


@dataclass
class Task:
    """One distinct input, and the values that wait for it."""

    key: tuple
    request: WriteRequest
    rows: list[VariableValue]
    call_id: uuid.UUID | None = None

    @property
    def first(self) -> VariableValue:
        return self.rows[0]


@dataclass
class Shift:
    """One look for due work, to its end. Only this thread talks to the database; the pool's threads only call."""

    stop: Callable[[], bool] = lambda: False
    claim: Callable[[], list[VariableValue]] = lambda: _claim()
    waiting: deque[Task] = field(default_factory=deque)
    open: dict[tuple, Task] = field(default_factory=dict)
    running: dict[Future, Task] = field(default_factory=dict)
    variables: dict = field(default_factory=dict)
    written: int = 0
    claim_again_at: float = 0.0

    def work(self, batch: Iterable[VariableValue] = ()) -> int:
        self.most = settings.WRITER_CONCURRENCY
        with ThreadPoolExecutor(self.most) as self.pool:
            self._take_in(list(batch))
            while self._go_on():
                self._collect()
        for variable in self.variables.values():
            say_when_done(variable)
        return self.written

    def _go_on(self) -> bool:
        if self.stop():
            _put_back(self.waiting, reason="")
            self._forget(self.waiting)
        else:
            self._fill()
            self._start()
        return bool(self.running or self.waiting)

    def _fill(self) -> None:
        if len(self.waiting) >= self.most or time.monotonic() < self.claim_again_at:
            return
        batch = self.claim()
        self._take_in(batch)
        if not batch and self.running:
            self.claim_again_at = time.monotonic() + 1

    def _take_in(self, batch: list[VariableValue]) -> None:
        """Sort what was claimed: nothing to write from, written already, being written, or a task."""
        self.written += len(batch)
        unwritable: dict[tuple, list] = defaultdict(list)
        fresh: dict[tuple, Task] = {}
        for row in batch:
            self.variables[row.variable_id] = row.variable
            missing = missing_in(row.variable, row.lead)
            if row.attempts >= TRIES:
                unwritable[State.FAILED, DEADLY].append(row)
            elif missing:
                unwritable[State.SKIPPED, f"The lead has no {', '.join(missing)}."].append(row)
            else:
                self._gather(row, fresh)
        for (state, reason), rows in unwritable.items():
            store(rows, state=state, reason=reason)
        for key in share_what_is_there({key: task.rows for key, task in fresh.items()}):
            del fresh[key]
        self.open.update(fresh)
        self.waiting.extend(fresh.values())

    def _gather(self, row: VariableValue, fresh: dict[tuple, Task]) -> None:
        row.input_key = input_key(row.variable, row.lead)
        key = (row.variable_id, row.input_key)
        task = self.open.get(key) or fresh.get(key)
        if task:
            task.rows.append(row)
        else:
            fresh[key] = Task(key, request_for(row.variable, row.lead, key=row.input_key), [row])

    def _start(self) -> None:
        """Hand over as much as there are places, and a few more, so that no place waits for the database."""
        places = self.most + max(1, self.most // 4) - len(self.running)
        taken = [self.waiting.popleft() for _ in range(min(places, len(self.waiting)))]
        by_workspace: dict = defaultdict(list)
        for task in taken:
            by_workspace[task.first.workspace_id].append(task)
        for tasks in by_workspace.values():
            workspace = tasks[0].first.workspace
            writer = writer_for(workspace_is_test=not workspace.livemode)
            if writer.name == "sandbox":
                self._store_all([(task, _ask(writer, task.request)) for task in tasks], writer, None)
            else:
                self._start_paid(workspace, writer, tasks)

    def _start_paid(self, workspace, writer, tasks: list[Task]) -> None:
        now = real_now()
        prices = price_list(writer.model, on=now.date())
        if prices is None:
            self._hold(tasks, jobs.no_price(writer.model), now)
            return
        wishes = {task.key: _wish(task, writer, prices) for task in tasks}
        reserved = spending.reserve(
            workspace=workspace, wishes=list(wishes.values()), mode=GenerationJob.Mode.LIVE, now=now
        )
        refused, twins = [], []
        for task in tasks:
            wish = wishes[task.key]
            if wish.id in reserved.granted:
                task.call_id = wish.id
                self.running[self.pool.submit(_ask, writer, task.request)] = task
                self.prices, self.writer = prices, writer
            else:
                (refused if wish.id in reserved.refused else twins).append(task)
        _put_back(twins, reason="", wait=WAIT_FOR_TWIN)
        self._forget(twins)
        if refused:
            first = wishes[refused[0].key]
            self._no_room(refused, reserved.refused[first.id], first.most, now)

    def _no_room(self, tasks: list[Task], reason: str, most, now: datetime) -> None:
        """What is under way may cost less than was reserved: only when nothing is, it is the end of the money."""
        if self.running:
            self.waiting.extendleft(reversed(tasks))
        elif _others_are_calling(tasks[0].first):
            _put_back(tasks, reason=reason, wait=WAIT_FOR_TWIN)
            self._forget(tasks)
        else:
            self._hold(tasks, reason, now, needed=most)

    def _hold(self, tasks: Iterable[Task], reason: str, now: datetime, *, needed=None) -> None:
        tasks = list(tasks)
        held = {task.first.job_id for task in tasks} - {None}
        jobs.out_of_money(held, reason=reason, needed=needed, now=now)
        _put_back(tasks, reason=reason, wait=timedelta(minutes=10), unless_jobs=True)
        self._forget(tasks)

    def _collect(self) -> None:
        """Store what was answered; answers that come at about the same moment together."""
        if not self.running:
            return
        wait(self.running, timeout=1, return_when=FIRST_COMPLETED)
        time.sleep(GATHER_SECONDS)
        done = [future for future in self.running if future.done()]
        answers = [(self.running.pop(future), future.result()) for future in done]
        if answers:
            self._store_all(answers, self.writer, self.prices)

    def _store_all(self, answers: list[tuple], writer: Writer, prices: PriceList | None) -> None:
        now = real_now()
        with transaction.atomic():
            if prices is not None:
                paid = [spending.outcome_of(task.call_id, answer, len(task.rows)) for task, answer in answers]
                spending.settle(paid, prices=prices, batch=False, now=now)
            for task, answer in answers:
                keep(task.rows, answer, writer=writer.name)
        self._forget(task for task, _ in answers)
        broken = next((answer for _, answer in answers if isinstance(answer, WriterBroken)), None)
        if broken:
            self._stop_for(broken)

    def _stop_for(self, broken: WriterBroken) -> None:
        """Nothing gets written until a person mends it: whoever waits is not asked for in vain."""
        mine = [task for task in self.waiting if task.first.workspace.livemode]
        jobs.pause_all({task.first.job_id for task in mine} - {None}, reason=broken.sentence)
        _put_back([task for task in mine if task.first.job_id], reason=broken.sentence)
        for task in mine:
            if task.first.job_id is None:
                store(task.rows, state=State.FAILED, reason=broken.sentence)
        self._forget(mine)

    def _forget(self, tasks: Iterable[Task]) -> None:
        gone = {id(task): self.open.pop(task.key, None) for task in list(tasks)}
        self.waiting = deque(task for task in self.waiting if id(task) not in gone)


def _wish(task: Task, writer: Writer, prices: PriceList) -> spending.Wish:
    return jobs.wish_for(task.first, writer, prices.most(writer.payload_for(task.request), batch=False))


def _others_are_calling(row: VariableValue) -> bool:
    under_way = GenerationCall.objects.filter(
        workspace=row.workspace_id, state=GenerationCall.State.RESERVED, mode=GenerationJob.Mode.LIVE
    )
    return under_way.exists()


def share_what_is_there(groups: dict[tuple, list[VariableValue]]) -> set[tuple]:
    """Give the groups, by (variable id, input key), what was written before for their input; returns which got it."""
    written = VariableValue.objects.filter(
        variable__in={variable_id for variable_id, _ in groups}, input_key__in=[key for _, key in groups],
        state__in=WRITTEN,
    )  # fmt: skip
    # What was approved outdoes what is still in review.
    written = written.order_by(Case(When(state=State.DONE, then=1), default=0), "id")
    found = {(row.variable_id, row.input_key): row for row in written} if groups else {}
    for key, twin in found.items():
        _count_served(twin, store_settled(settle_as(twin, groups[key])))
    return set(found)


def _count_served(twin: VariableValue, more: int) -> None:
    """The call that wrote it served these too."""
    calls = GenerationCall.objects.filter(
        variable=twin.variable_id, input_key=twin.input_key, state=GenerationCall.State.SETTLED, leads_served__gt=0
    )
    newest = calls.order_by("-created_at").values("id")[:1]
    GenerationCall.objects.filter(id__in=list(newest.values_list("id", flat=True))).update(
        leads_served=F("leads_served") + more
    )


def _ask(writer: Writer, request: WriteRequest) -> Written | WriterError:
    """The writer's answer or its failure, as a value. No database here: this runs in a thread of the pool."""
    try:
        return writer.write(request)
    except WriterError as failure:
        return failure


def keep(rows: list[VariableValue], outcome: Written | WriterError, *, writer: str) -> None:
    """Store an answer, or what becomes of values without one."""
    if isinstance(outcome, WriterBusy):
        wait_for = timedelta(seconds=outcome.retry_after or WAIT_AFTER_FAILURE.seconds)
        store(rows, state=State.PENDING, reason=str(outcome), retry_at=real_now() + wait_for)
    elif isinstance(outcome, WriterFailed) and rows[0].attempts + 1 < TRIES:
        tries = rows[0].attempts + 1
        retry_at = real_now() + WAIT_AFTER_FAILURE * tries
        store(rows, state=State.PENDING, reason=str(outcome), retry_at=retry_at, attempts=tries)
    elif isinstance(outcome, WriterError):
        store(rows, state=State.FAILED, reason=str(outcome), writer=writer)
        logger.warning("Variable %s could not be written: %s", rows[0].variable_id, type(outcome).__name__)
    else:
        store_settled(settle(rows, outcome, writer=writer))


def store_settled(parts: list[Settled]) -> int:
    return sum(store(part.rows, **part.fields) for part in parts)


def _put_back(tasks: Iterable[Task], *, reason: str, wait: timedelta | None = None, unless_jobs: bool = False) -> None:
    """Pending again. With `unless_jobs`, values of a job do not wait by themselves: they wait for their job."""
    for with_job in (True, False):
        rows = [row for task in tasks for row in task.rows if bool(row.job_id) is with_job]
        pause = None if unless_jobs and with_job else wait
        if rows:
            store(rows, state=State.PENDING, reason=reason, retry_at=real_now() + pause if pause else None)


def store(rows: list[VariableValue], *, state: str, reason: str = "", **fields) -> int:
    """Only where the claim still holds: a value that was edited, deleted or taken over meanwhile stays as it is.

    All rows are of one variable version, and of one input where they get a value. Returns how many there were.
    """
    settled_at = now_for(rows[0].workspace) if state in VariableValue.SETTLED else None
    one_input = {row.input_key for row in rows}
    if len(one_input) == 1:
        fields["input_key"] = one_input.pop()
    ours = VariableValue.objects.filter(
        id__in=[row.id for row in rows], token__in={row.token for row in rows}, state=State.GENERATING
    )
    stored = ours.filter(variable__prompt_version=rows[0].variable.prompt_version).update(
        state=state, reason=reason[:300], token=None, settled_at=settled_at, **fields
    )
    if stored < len(rows):
        # Still ours: the prompt was edited at the moment of the claim, so this answers a question nobody asks any more.
        ours.update(state=State.PENDING, token=None)
    return stored


def say_when_done(variable: Variable) -> None:
    jobs.finish(variable=variable, now=real_now())
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
