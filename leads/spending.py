"""Money for the model: reserved before a call, settled after it, never beyond a limit.

The ledger is GenerationCall. Its rows of this month, each with what it cost or can cost at most, are what is spent;
there is no counter that could drift from them. Limits stand on the workspace, on the key that asked, and on the job.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Sum

from apikeys.models import ApiKey, Workspace
from leads.models import GenerationCall, GenerationJob
from leads.prices import PriceList, tokens_of
from leads.writers.base import WriterError, Written
from outbound.bulk import insert_rows, update_rows
from outbound.ids import uuid7

State = GenerationCall.State
CALL_LEASE = timedelta(minutes=5)
ZERO = Decimal(0)


@dataclass(frozen=True)
class Wish:
    """A call that is wanted. `most` is what it can cost at most."""

    most: Decimal
    model: str
    input_key: str = ""
    variable_id: UUID | None = None
    job_id: UUID | None = None
    api_key_id: UUID | None = None
    purpose: str = GenerationCall.Purpose.VARIABLE
    id: UUID = field(default_factory=uuid7)


@dataclass(frozen=True)
class Reservation:
    """Which wishes are in the ledger now. Not `granted` and not `refused`: another call for the same input is under
    way."""

    granted: frozenset[UUID]
    refused: dict[UUID, str]  # id → which limit, as a sentence


def month_of(now: datetime) -> datetime:
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def monthly_limit(workspace: Workspace) -> Decimal | None:
    """Dollars a month; None: as much as is wanted."""
    own = workspace.ai_monthly_limit
    return settings.AI_MONTHLY_LIMIT if own is None else own


def spent_in_month(workspace: Workspace, *, now: datetime, api_key_id: UUID | None = None) -> Decimal:
    """What this month's calls cost, with what those under way can cost at most."""
    calls = GenerationCall.objects.for_workspace(workspace).filter(created_at__gte=month_of(now))
    return _sum(calls.filter(api_key=api_key_id) if api_key_id else calls)


def _sum(calls) -> Decimal:
    return calls.aggregate(sum=Sum("charge"))["sum"] or ZERO


@transaction.atomic
def reserve(*, workspace: Workspace, wishes: list[Wish], mode: str, batch_id=None, now: datetime) -> Reservation:
    """Write the calls into the ledger as far as every limit has room for the most they can cost.

    Reservations of a workspace come one after the other, so two workers cannot spend the same dollar.
    """
    Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
    rooms = _rooms(workspace, wishes, now)
    refused: dict[UUID, str] = {}
    fitting = []
    for wish in wishes:
        its = [rooms[name] for name in _limits_on(wish) if name in rooms]
        full = next((room for room in its if room.left < wish.most), None)
        if full:
            refused[wish.id] = full.sentence
            continue
        for room in its:
            room.left -= wish.most
        fitting.append(wish)
    granted = insert_rows(GenerationCall, [_row(workspace, wish, mode, batch_id, now) for wish in fitting])
    return Reservation(frozenset(granted), refused)


@dataclass
class Room:
    left: Decimal
    sentence: str


def _limits_on(wish: Wish) -> Iterable[tuple]:
    return ("workspace",), ("key", wish.api_key_id), ("job", wish.job_id)


def _rooms(workspace: Workspace, wishes: list[Wish], now: datetime) -> dict[tuple, Room]:
    """What is left of each limit that the wishes fall under."""
    fresh = Workspace.objects.get(pk=workspace.pk)
    rooms: dict[tuple, Room] = {}
    limit = monthly_limit(fresh)
    if limit is not None:
        left = limit - spent_in_month(fresh, now=now)
        rooms["workspace",] = Room(left, f"The workspace's limit of {limit} dollars a month is reached.")
    keys = {wish.api_key_id for wish in wishes} - {None}
    for key in ApiKey.objects.filter(pk__in=keys, ai_monthly_limit__isnull=False) if keys else ():
        left = key.ai_monthly_limit - spent_in_month(fresh, now=now, api_key_id=key.pk)
        rooms["key", key.pk] = Room(left, f"The key's limit of {key.ai_monthly_limit} dollars a month is reached.")
    jobs = {wish.job_id for wish in wishes} - {None}
    for job in GenerationJob.objects.filter(pk__in=jobs, money_limit__isnull=False) if jobs else ():
        left = job.money_limit - _sum(job.calls.all())
        rooms["job", job.pk] = Room(left, f"The job's limit of {job.money_limit.normalize():f} dollars is reached.")
    return rooms


def has_room(job: GenerationJob, *, now: datetime) -> bool:
    """Is there room again for the call that did not fit?"""
    wish = Wish(most=job.needed or ZERO, model="", job_id=job.pk, api_key_id=job.api_key_id)
    return all(room.left >= wish.most for room in _rooms(job.workspace, [wish], now).values())


def _row(workspace: Workspace, wish: Wish, mode: str, batch_id, now: datetime) -> dict:
    return {
        "id": wish.id,
        "workspace_id": workspace.pk,
        "created_at": now,
        "purpose": wish.purpose,
        "state": State.RESERVED,
        "mode": mode,
        "variable_id": wish.variable_id,
        "job_id": wish.job_id,
        "batch_id": batch_id,
        "api_key_id": wish.api_key_id,
        "input_key": wish.input_key,
        "model": wish.model,
        "request_id": "",
        "tokens_uncached": 0,
        "tokens_cache_write": 0,
        "tokens_cache_read": 0,
        "tokens_output": 0,
        "charge": wish.most,
        "leads_served": 0,
        "reason": "",
        "lease_until": None if batch_id else now + CALL_LEASE,
    }


@dataclass(frozen=True)
class Outcome:
    """How a call ended. `spent` None: nothing was charged; with `is_unknown`, nobody can tell."""

    call_id: UUID
    spent: Written | None = None
    is_unknown: bool = False
    reason: str = ""
    leads_served: int = 0


def outcome_of(call_id: UUID, answer: Written | WriterError, leads: int) -> Outcome:
    """What an answer means for the ledger."""
    if isinstance(answer, Written):
        return Outcome(call_id, answer, leads_served=leads)
    return Outcome(call_id, answer.spent, is_unknown=answer.may_have_cost, reason=answer.sentence)


@transaction.atomic
def settle(outcomes: list[Outcome], *, prices: PriceList, batch: bool, now: datetime) -> None:
    """Replace what was reserved by what it cost. A call settles once; one that was given up may still be told."""
    open_states = [State.RESERVED, State.UNKNOWN]
    rows = GenerationCall.objects.filter(id__in=[outcome.call_id for outcome in outcomes], state__in=open_states)
    most = dict(rows.select_for_update().order_by("id").values_list("id", "charge"))
    ours = [outcome for outcome in outcomes if outcome.call_id in most]
    update_rows(
        GenerationCall, [_settled(outcome, most[outcome.call_id], prices, batch=batch, now=now) for outcome in ours]
    )


def _settled(outcome: Outcome, most: Decimal, prices: PriceList, *, batch: bool, now: datetime) -> dict:
    spent = outcome.spent
    used = tokens_of(spent) if spent else tokens_of(Written(None))
    state = State.SETTLED if spent else State.UNKNOWN if outcome.is_unknown else State.FREE
    unspent = most if outcome.is_unknown else ZERO
    return {
        "id": outcome.call_id,
        "state": state,
        "request_id": (spent.request_id if spent else "")[:100],
        "tokens_uncached": used.uncached,
        "tokens_cache_write": used.cache_write,
        "tokens_cache_read": used.cache_read,
        "tokens_output": used.output,
        "price_id": prices.for_prompt(used.prompt).pk if spent else None,
        "charge": prices.cost(used, batch=batch) if spent else unspent,
        "reason": outcome.reason[:300],
        "leads_served": outcome.leads_served,
        "settled_at": now,
    }


def give_up_dead_calls(*, now: datetime) -> int:
    """Calls whose worker died: they may have been answered and charged, so they keep the most they can have cost."""
    dead = GenerationCall.objects.filter(state=State.RESERVED, lease_until__lt=now)
    return dead.update(
        state=State.UNKNOWN, settled_at=now, reason="Its worker died; whether it was charged is not known."
    )
