"""What a generation would take before it is asked for: distinct inputs, tokens, money, by which price."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db.models import Avg, Count, Sum

from leads.models import GenerationCall, GenerationJob, Lead, ModelPrice, Variable, VariableValue
from leads.prices import PriceList, Tokens, price_list
from leads.prompts import input_key, missing_in, request_for
from leads.writers import writer_for

LOOK_BACK = 200  # calls of the variable that an estimate learns from
CHARACTERS_PER_TOKEN = 3
UNSEEN_TOKENS, USUAL_OUTPUT = 300, 120


def estimate(*, variable: Variable, leads: Iterable[Lead], force: bool, batch: bool, now: datetime) -> dict:
    """{"distinct_inputs", "cached", "skipped", "calls", "tokens_in", "tokens_out", "money", "price", "learned_from"}.

    `cached`: distinct inputs that were written before and cost nothing. `money` in dollars; null without a price.
    """
    first: dict[str, Lead] = {}
    skipped = 0
    for lead in leads:
        if missing_in(variable, lead):
            skipped += 1
        else:
            first.setdefault(input_key(variable, lead), lead)
    cached = 0 if force else _written(variable, list(first))
    calls = len(first) - cached
    shown = {"distinct_inputs": len(first), "cached": cached, "skipped": skipped, "calls": calls}
    writer = writer_for(workspace_is_test=not variable.workspace.livemode)
    if writer.name == "sandbox":
        return shown | {"tokens_in": 0, "tokens_out": 0, "money": Decimal(0), "price": None, "learned_from": "sandbox"}
    prices = price_list(writer.model, on=now.date())
    return shown | _money(variable, first, calls, prices, batch=batch)


def _written(variable: Variable, keys: list[str]) -> int:
    written = [VariableValue.State.DONE, VariableValue.State.REVIEW]
    done = VariableValue.objects.filter(variable=variable, state__in=written)
    found: set[str] = set()
    for start in range(0, len(keys), 5000):
        found.update(done.filter(input_key__in=keys[start : start + 5000]).values_list("input_key", flat=True))
    return len(found)


def _money(variable: Variable, first: dict[str, Lead], calls: int, prices: PriceList | None, *, batch: bool) -> dict:
    each, learned_from = _usual(variable, first)
    return {
        "tokens_in": each.prompt * calls,
        "tokens_out": each.output * calls,
        "money": prices.cost(each, batch=batch) * calls if prices else None,
        "price": str(prices.for_prompt(each.prompt)) if prices else None,
        "learned_from": learned_from,
    }


def _usual(variable: Variable, first: dict[str, Lead]) -> tuple[Tokens, str]:
    """A call's tokens as this variable's last ones had them; before there are any, by the length of its prompts."""
    settled = GenerationCall.objects.filter(variable=variable, state=GenerationCall.State.SETTLED)
    last = settled.order_by("-created_at").values("id")[:LOOK_BACK]
    seen = GenerationCall.objects.filter(id__in=list(last.values_list("id", flat=True))).aggregate(
        n=Count("id"), uncached=Avg("tokens_uncached"), write=Avg("tokens_cache_write"),
        read=Avg("tokens_cache_read"), output=Avg("tokens_output"),
    )  # fmt: skip
    if seen["n"]:
        used = (round(seen[name]) for name in ("uncached", "write", "read", "output"))
        return Tokens(*used), f"the last {seen['n']} calls"
    sample = list(first.items())[:20]
    writer = writer_for(workspace_is_test=not variable.workspace.livemode)
    lengths = [len(str(writer.payload_for(request_for(variable, lead, key=key)))) for key, lead in sample]
    characters = sum(lengths) // len(lengths) if lengths else 0
    return Tokens(uncached=characters // CHARACTERS_PER_TOKEN + UNSEEN_TOKENS, output=USUAL_OUTPUT), "prompt length"


def money_of(variable: Variable) -> dict:
    """What a variable's calls cost and what was saved, in dollars.

    {"spent", "calls", "unknown", "tokens": {…}, "saved": {"prompt_cache", "sharing", "batch"}, "cache_note"}
    """
    calls = GenerationCall.objects.filter(variable=variable).order_by()
    settled = calls.filter(state=GenerationCall.State.SETTLED)
    names = ("tokens_uncached", "tokens_cache_write", "tokens_cache_read", "tokens_output")
    sums = dict.fromkeys(names, 0)
    saved = dict.fromkeys(("prompt_cache", "sharing", "batch"), Decimal(0))
    total = 0
    groups = settled.values("price", "mode").annotate(
        n=Count("id"), cost=Sum("charge"), **{f"sum_{name}": Sum(name) for name in names}
    )
    prices = {price.pk: price for price in _prices(settled)}
    for group in groups:
        total += group["n"]
        for name in names:
            sums[name] += group[f"sum_{name}"]
        _add_savings(saved, group, prices.get(group["price"]))
    saved["sharing"] = _saved_by_sharing(settled)
    unknown = calls.filter(state=GenerationCall.State.UNKNOWN)
    return {
        "spent": calls.aggregate(sum=Sum("charge"))["sum"] or Decimal(0),
        "calls": total,
        "unknown": unknown.count(),
        "tokens": {name.removeprefix("tokens_"): count for name, count in sums.items()},
        "saved": saved,
        "cache_note": _cache_note(total, sums),
    }


def _prices(settled):
    return ModelPrice.objects.filter(pk__in=settled.filter(price__isnull=False).values("price").distinct())


def _add_savings(saved: dict, group: dict, price) -> None:
    if price is None:
        return
    share = price.batch_factor if group["mode"] == GenerationJob.Mode.BATCH else Decimal(1)
    read, write = group["sum_tokens_cache_read"], group["sum_tokens_cache_write"]
    gained = read * (price.input - price.cache_read) - write * (price.cache_write - price.input)
    saved["prompt_cache"] += gained / 1_000_000 * share
    if share and share < 1:
        saved["batch"] += group["cost"] / share - group["cost"]


def _saved_by_sharing(settled) -> Decimal:
    """What the leads beyond the first would have cost, each as much as the call that served them."""
    shared = settled.filter(leads_served__gt=1).values_list("charge", "leads_served")
    groups = shared.values("leads_served").annotate(cost=Sum("charge"))
    return sum((row["cost"] * (row["leads_served"] - 1) for row in groups), Decimal(0))


def _cache_note(calls: int, sums: dict) -> str:
    if calls and not sums["tokens_cache_write"] and not sums["tokens_cache_read"]:
        return "Nothing was cached: what is the same in every prompt is shorter than the service caches."
    return ""
