"""Files of leads: taken in at once, read by a worker in chunks, with a line and a reason for every row left out."""

import io
from datetime import timedelta

from django.db.models import Q

from apikeys.events import record_event
from apikeys.models import Workspace
from leads.columns import apply_mapping, guess_mapping, mapping_problems
from leads.importing import MAX_ROWS, Report, import_leads
from leads.models import Import
from leads.reading import UnreadableFile, read_rows
from outbound.api.errors import Invalid
from outbound.clock import real_now

MAX_PROBLEMS = 1000
LEASE = timedelta(minutes=5)


def start_import(
    *,
    workspace: Workspace,
    content: bytes,
    filename: str = "",
    content_type: str = "",
    mapping: dict | None = None,
    on_duplicate: str = "update",
    groups: list[str] | None = None,
    dry_run: bool = False,
    now,
) -> Import:
    """Take a CSV or XLSX file in; a worker reads it. One that is none or a mapping that does not fit, is an Invalid."""
    try:
        table = read_rows(io.BytesIO(content), filename=filename, content_type=content_type)
    except UnreadableFile as error:
        raise Invalid.field("file", str(error)) from None
    used = guess_mapping(table.columns, given=mapping)
    problems = mapping_problems(used, columns=table.columns)
    if problems:
        raise Invalid("The mapping does not fit the file.", details={f"mapping.{k}": [v] for k, v in problems.items()})
    return Import.objects.create(
        workspace=workspace,
        filename=filename[:200],
        content_type=content_type[:100],
        content=content,
        mapping=used,
        options={"on_duplicate": on_duplicate, "groups": groups or [], "dry_run": dry_run},
        created_at=now,
    )


def waiting_imports() -> list:
    """Ids of imports nobody is reading: new ones, and those whose reader died."""
    free = Q(state=Import.State.QUEUED) | Q(state=Import.State.RUNNING, lease_until__lt=real_now())
    return list(Import.objects.filter(free).order_by("created_at").values_list("id", flat=True)[:20])


def run_import(import_id, *, now) -> None:
    """Read one file in. Done twice it changes nothing the second time: rows are found by address."""
    batch = _claim(import_id)
    if batch is None:
        return
    try:
        _read_in(batch, now)
    except UnreadableFile as error:
        batch.state, batch.failure = Import.State.FAILED, str(error)[:300]
    else:
        batch.state = Import.State.DONE
    batch.content, batch.lease_until, batch.finished_at = None, None, now
    batch.save()
    record_event(
        workspace=batch.workspace,
        kind="lead.import_finished",
        summary=batch.failure
        or f"{batch.filename or 'A file'}: {batch.created} new, {batch.updated} updated, "
        f"{batch.duplicates} duplicates, {batch.rejected} refused",
        now=now,
        import_id=str(batch.id),
    )


def _claim(import_id) -> Import | None:
    free = Q(state=Import.State.QUEUED) | Q(state=Import.State.RUNNING, lease_until__lt=real_now())
    taken = Import.objects.filter(free, pk=import_id).update(
        state=Import.State.RUNNING, lease_until=real_now() + LEASE, total=0, created=0, updated=0, duplicates=0,
        rejected=0, suppressed=0, problems=[],
    )  # fmt: skip
    return Import.objects.select_related("workspace").get(pk=import_id) if taken else None


def _read_in(batch: Import, now) -> None:
    table = read_rows(io.BytesIO(bytes(batch.content)), filename=batch.filename, content_type=batch.content_type)
    seen: set[str] = set()
    chunk: list[tuple[int, dict]] = []
    for row in table.rows:
        if row.error:
            batch.total += 1
            _refuse(batch, row.line, None, row.error)
            continue
        chunk.append((row.line, _with_groups(apply_mapping(row.cells, batch.mapping), batch.options["groups"])))
        if len(chunk) == MAX_ROWS:
            _take(batch, chunk, seen, now)
            chunk = []
    if chunk:
        _take(batch, chunk, seen, now)


def _with_groups(lead: dict, groups: list[str]) -> dict:
    return {**lead, "groups": [*lead.get("groups", []), *groups]} if groups else lead


def _take(batch: Import, chunk, seen: set[str], now) -> None:
    report = import_leads(
        workspace=batch.workspace,
        rows=[lead for _, lead in chunk],
        now=now,
        on_duplicate=batch.options["on_duplicate"],
        dry_run=batch.options["dry_run"],
        batch=batch,
        seen=seen,
    )
    _count(batch, report, [line for line, _ in chunk], seen)
    batch.lease_until = real_now() + LEASE
    batch.save()


def _count(batch: Import, report: Report, lines: list[int], seen: set[str]) -> None:
    batch.total += len(report.results)
    batch.suppressed += report.suppressed
    for line, result in zip(lines, report.results, strict=True):
        if result["status"] == "rejected":
            _refuse(batch, line, result["email"], result["reason"])
        else:
            seen.add(result["email"])
            name = "duplicates" if result["status"] == "duplicate" else result["status"]
            setattr(batch, name, getattr(batch, name) + 1)


def _refuse(batch: Import, line: int, email, reason: str) -> None:
    batch.rejected += 1
    if len(batch.problems) < MAX_PROBLEMS:
        batch.problems.append({"line": line, "email": email, "reason": reason})
