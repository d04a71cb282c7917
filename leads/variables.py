"""Variables: a prompt per name, a value per lead and where it stands. The writing itself: leads/writing.py."""

import json
import re
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import Count, F, Q, Window
from django.db.models.functions import RowNumber

from apikeys.models import Workspace
from leads.estimates import estimate
from leads.models import GenerationJob, Lead, Variable, VariableValue
from leads.prompts import input_key
from leads.rows import TEMPLATE_NAMES
from leads.value_states import AGAIN, FORCED, MOVES
from leads.writers import writer_for
from leads.writers.outputs import strict_json
from outbound.api.errors import Invalid
from outbound.api.names import taken, unique_name
from outbound.bulk import insert_rows
from outbound.ids import uuid7
from outbound.templating import compile_template

State = VariableValue.State
NAME = re.compile(r"[a-z][a-z0-9_]{0,49}")
REWRITES = ("prompt_template", "output_type", "max_length")  # a change of these asks for another text
_CHUNK = 5000


def create_variable(*, workspace: Workspace, name: str, now, **fields) -> Variable:
    """Define a prompt. Its `{{names}}` are lead fields or keys of custom (decisions §5).

    `fields`: prompt_template; output_type ("text" when absent), unsupported, fallback, max_length.
    """
    _refuse_bad_name(workspace, name)
    _refuse_bad_prompt(workspace, fields["prompt_template"])
    variable = Variable(workspace=workspace, name=name, created_at=now, **fields)
    _refuse_bad_checks(variable)
    with unique_name("variable", name):
        variable.save(force_insert=True)
    return variable


@transaction.atomic
def update_variable(*, variable: Variable, **fields) -> Variable:
    """Change what is asked for (prompt_template, output_type, max_length): what was written before becomes stale.

    `unsupported` and `fallback` hold for what is written from now on.
    """
    if "prompt_template" in fields:
        _refuse_bad_prompt(variable.workspace, fields["prompt_template"])
    changed = [name for name, value in fields.items() if getattr(variable, name) != value]
    for name in changed:
        setattr(variable, name, fields[name])
    _refuse_bad_checks(variable)
    if set(changed) & set(REWRITES):
        variable.prompt_version += 1
        froms, to, _ = MOVES["outdate"]
        variable.values.filter(state__in=froms).update(state=to, token=None)
    if changed:
        variable.save(update_fields=[*changed, "prompt_version"])
    return variable


def delete_variable(*, variable: Variable) -> None:
    variable.delete()


def _refuse_bad_name(workspace, name: str) -> None:
    if not NAME.fullmatch(name):
        raise Invalid.field("name", "Lower-case letters, digits and _, 50 at most, a letter first: opening_line.")
    if name in TEMPLATE_NAMES or name in ("custom", "groups", "random", "unsubscribe_url", "postal_address"):
        raise Invalid.field("name", f"{name} means something in templates already. Choose another name.")
    if Lead.objects.for_workspace(workspace).filter(custom__has_key=name).exists():
        raise Invalid.field("name", f"{name} is a field of your own on some leads. Choose another name.")
    if Variable.objects.for_workspace(workspace).filter(name=name).exists():
        raise taken("variable", name)


def _refuse_bad_prompt(workspace, prompt: str) -> None:
    if not prompt.strip():
        raise Invalid.field("prompt_template", "Write what the model should do.")
    others = set(Variable.objects.for_workspace(workspace).values_list("name", flat=True))
    used = sorted(compile_template(prompt).names() & others)
    if used:
        raise Invalid.field("prompt_template", f"A prompt cannot use another variable: {', '.join(used)}.")


def _refuse_bad_checks(variable: Variable) -> None:
    makes_statements = variable.output_type in (Variable.OutputType.TEXT, Variable.OutputType.HTML)
    if variable.fallback.strip() and not makes_statements:
        raise Invalid.field("fallback", f"Only text and html have a fallback; {variable.output_type} states nothing.")
    if variable.unsupported == Variable.Unsupported.FALLBACK and not variable.fallback.strip():
        raise Invalid.field("fallback", "Write the line that goes out instead, or set unsupported to review.")
    used = compile_template(variable.fallback).names()
    others = set(
        Variable.objects.for_workspace(variable.workspace).filter(name__in=used).values_list("name", flat=True)
    )
    if found := sorted(used & (others | {variable.name})):
        raise Invalid.field("fallback", f"A fallback cannot use a variable: {', '.join(found)}.")


def progress(variables) -> dict:
    """{variable id: {state: count, …, "total", "pct"}}; pct = floor(100 · settled / total), null with nothing to do."""
    rows = VariableValue.objects.filter(variable__in=variables).values_list("variable_id", "state")
    shown: dict = {variable.id: dict.fromkeys(State.values, 0) for variable in variables}
    for variable_id, state, count in rows.order_by().annotate(count=Count("id")):
        shown[variable_id][state] = count
    for counts in shown.values():
        total = sum(counts.values())
        settled = sum(counts[state] for state in VariableValue.SETTLED)
        counts.update(total=total, pct=100 * settled // total if total else None)
    return shown


def what_to_generate(*, variable: Variable, leads, force: bool = False, urgent: bool = False, now) -> dict:
    """What queue_generation would do: {"leads", "to_do", "already_done", "mode", "estimate"}; see leads.estimates."""
    wanted: list[Lead] = []
    total = 0
    for ids in _chunks(leads.order_by("id").values_list("id", flat=True)):
        total += len(ids)
        stay = _staying(variable, ids, force)
        wanted.extend(Lead.objects.filter(id__in=[lead_id for lead_id in ids if lead_id not in stay]))
    mode = mode_for(variable, len(wanted), urgent=urgent)
    found = estimate(variable=variable, leads=wanted, force=force, batch=mode == GenerationJob.Mode.BATCH, now=now)
    return {
        "leads": total, "to_do": len(wanted), "already_done": total - len(wanted), "mode": mode, "estimate": found,
    }  # fmt: skip


def sample_of(*, variable: Variable, leads, size: int, force: bool = False):
    """So many of the leads that have something to be written, evenly spread: what to look at before paying for all."""
    settled = variable.values.exclude(state__in=_again(force)).values("lead_id")
    rows = leads.exclude(pk__in=settled).order_by("id")
    step = max(1, rows.count() // size)
    numbered = rows.annotate(place=(Window(RowNumber(), order_by="id") - 1) % step).filter(place=0)
    return Lead.objects.filter(pk__in=list(numbered.values_list("pk", flat=True)[:size]))


def mode_for(variable: Variable, to_do: int, *, urgent: bool) -> str:
    """Many values that nobody waits for go through the vendor's batches, at half the price (decisions §5)."""
    has_model = writer_for(workspace_is_test=not variable.workspace.livemode).name != "sandbox"
    many = to_do >= settings.WRITER_BATCH_FROM
    return GenerationJob.Mode.BATCH if has_model and many and not urgent else GenerationJob.Mode.LIVE


def _staying(variable: Variable, lead_ids: list, force: bool) -> set:
    """The leads whose values are not written (again): in hand, by hand, or done from what the lead still says."""
    rows = variable.values.filter(lead__in=lead_ids).exclude(state__in=_again(force))
    return set(rows.values_list("lead_id", flat=True)) - set(_changed(variable, lead_ids, force).values())


def _changed(variable: Variable, lead_ids: list, force: bool) -> dict:
    """{value id: lead id} of values that are done, whose lead has since changed in a field that the prompt uses."""
    if force:
        return {}
    written = [State.DONE, State.REVIEW]
    touched = variable.values.filter(lead__in=lead_ids, state__in=written, lead__updated_at__gte=F("settled_at"))
    rows = touched.exclude(input_key="").select_related("lead")
    return {row.id: row.lead_id for row in rows if input_key(variable, row.lead) != row.input_key}


def queue_generation(
    *, variable: Variable, leads, force: bool = False, urgent: bool = False, money_limit: Decimal | None = None,
    api_key_id=None, now,
) -> dict:  # fmt: skip
    """Mark what is to be written; a worker writes it. Values in hand, edited by hand or done stay (unless forced, or
    the lead has changed in what the prompt uses).

    `money_limit`: dollars that this job may cost. Returns {"leads", "to_do", "already_done", "mode", "job"}; the job is
    None where there is nothing to do.
    """
    # Paused until all of it is queued: only then it is known whether it is enough for a batch.
    job = GenerationJob.objects.create(
        workspace=variable.workspace, variable=variable, api_key_id=api_key_id, money_limit=money_limit, created_at=now,
        state=GenerationJob.State.PAUSED, reason="It was not queued to its end. Resume it to have that part written.",
    )  # fmt: skip
    queued = total = 0
    for ids in _chunks(leads.order_by("id").values_list("id", flat=True)):
        total += len(ids)
        queued += _queue(variable, ids, job, force, now)
    mode = mode_for(variable, queued, urgent=urgent)
    if queued:
        GenerationJob.objects.filter(pk=job.pk).update(
            state=GenerationJob.State.RUNNING, reason="", mode=mode, total=queued
        )
        job.refresh_from_db()
    else:
        job.delete()
    return {
        "leads": total, "to_do": queued, "already_done": total - queued, "mode": mode, "job": job if queued else None,
    }  # fmt: skip


@transaction.atomic
def _queue(variable: Variable, ids: list, job: GenerationJob, force: bool, now) -> int:
    if force:
        _unshare(variable, ids)
    again = Q(state__in=_again(force)) | Q(id__in=list(_changed(variable, ids, force)))
    queued = variable.values.filter(again, lead__in=ids).update(
        state=State.PENDING, reason="", attempts=0, retry_at=None, token=None, settled_at=None, input_key="", job=job,
    )  # fmt: skip
    return queued + len(insert_rows(VariableValue, [_pending(variable, lead_id, job, now) for lead_id in ids]))


def _unshare(variable: Variable, lead_ids: list) -> None:
    """Others keep what was written for the same input, but it is no answer for those who are to be written anew."""
    shared = [State.DONE, State.REVIEW]
    keys = variable.values.filter(lead__in=lead_ids, state__in=shared).exclude(input_key="").values("input_key")
    variable.values.filter(state__in=shared, input_key__in=keys).exclude(lead__in=lead_ids).update(input_key="")


def _again(force: bool) -> tuple:
    return FORCED if force else AGAIN


def _chunks(walk):
    last = None
    while ids := list((walk.filter(id__gt=last) if last else walk)[:_CHUNK]):
        yield ids
        last = ids[-1]


def _pending(variable: Variable, lead_id, job: GenerationJob, now) -> dict:
    return {
        "id": uuid7(),
        "workspace_id": variable.workspace_id,
        "created_at": now,
        "variable_id": variable.id,
        "lead_id": lead_id,
        "job_id": job.pk,
        "state": State.PENDING,
        "value": None,
        "evidence": {},
        "reason": "",
        "writer": "",
        "model": "",
        "input_key": "",
        "attempts": 0,
    }


@transaction.atomic
def override_value(*, variable: Variable, lead: Lead, value, now) -> VariableValue:
    """Set a value by hand. It is never written over."""
    row, _ = VariableValue.objects.update_or_create(
        variable=variable,
        lead=lead,
        defaults={
            "workspace_id": variable.workspace_id, "state": State.OVERRIDDEN, "value": value, "reason": "",
            "token": None, "settled_at": now, "evidence": {},
        },
    )  # fmt: skip
    return row


def text_from_value(value) -> str:
    """A value as a person edits it: text as it is, other types as JSON."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def value_from_text(variable: Variable, text: str):
    """The value that a person typed. Numbers, yes and no, and JSON are read as JSON; Invalid where they are none."""
    if variable.output_type in (Variable.OutputType.TEXT, Variable.OutputType.HTML):
        return text.replace("\r\n", "\n")
    try:
        return strict_json(text)
    except (ValueError, RecursionError):
        raise Invalid.field("value", 'This is not JSON: write 7, true or {"a": 1}.') from None


def generation_status(variable: Variable) -> dict:
    counts = progress([variable])[variable.id]
    failures = list(
        variable.values.filter(~Q(reason=""), state__in=[State.FAILED, State.SKIPPED])
        .values_list("reason", flat=True)
        .order_by("reason")
        .distinct()[:5]
    )
    return {**counts, "reasons": failures}
