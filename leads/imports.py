"""Files of leads: taken in at once, read by a worker in chunks, with a line and a reason for every row left out."""

import io
import logging
import uuid
from datetime import timedelta

from django.db import OperationalError, transaction
from django.db.models import F, Q

from apikeys.events import record_event
from apikeys.models import Workspace
from apikeys.services import now_for
from leads.columns import apply_mapping, guess_mapping, mapping_problems
from leads.importing import MAX_ROWS, Report, import_leads
from leads.models import Import
from leads.reading import UnreadableFile, read_rows
from outbound.api.errors import Invalid
from outbound.clock import real_now

MAX_PROBLEMS = 1000
LEASE = timedelta(minutes=5)
TRIES = 3
COUNTS = ("total", "created", "updated", "duplicates", "rejected", "suppressed", "problems")
logger = logging.getLogger(__name__)


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
    return list(Import.objects.filter(_free()).order_by("created_at").values_list("id", flat=True)[:20])


def _free() -> Q:
    return Q(state=Import.State.QUEUED) | Q(state=Import.State.RUNNING, lease_until__lt=real_now())


def read_waiting() -> None:
    """Every file that waits; one that trips us up keeps no other waiting."""
    for import_id in waiting_imports():
        batch = Import.objects.select_related("workspace").only("workspace").filter(pk=import_id).first()
        try:
            if batch:
                run_import(import_id, now=now_for(batch.workspace))
        except OperationalError:
            logger.exception("Import %s could not be read now; its lease brings it back", import_id)


class Lost(Exception):
    """Somebody else reads this file: our lease ran out."""


def run_import(import_id, *, now) -> None:
    """Read one file in. Done twice it changes nothing the second time: rows are found by address.

    What trips us up fails this import and says so; what kills its reader fails it at the third time.
    """
    batch = _claim(import_id)
    if batch is None:
        return
    try:
        _finish(batch, failure=_read(batch, now), now=now)
    except Lost:
        logger.warning("Import %s was taken over by another reader", batch.pk)


def _read(batch: Import, now) -> str:
    """What went wrong, in a sentence; blank when nothing did."""
    if batch.attempts > TRIES:
        return f"Reading this file was begun {TRIES} times and never came to an end. Send it in parts."
    try:
        _read_in(batch, now)
    except UnreadableFile as error:
        return str(error)
    except (Lost, OperationalError):
        raise  # the file is not at fault: its lease brings it back
    except Exception:
        logger.exception("Import %s could not be read", batch.pk)
        return f"Something went wrong on our side after {batch.total:,} rows. What came in before stays; send it again."
    return ""


@transaction.atomic
def _finish(batch: Import, *, failure: str, now) -> None:
    batch.state = Import.State.FAILED if failure else Import.State.DONE
    batch.content, batch.lease_until, batch.finished_at, batch.failure = None, None, now, failure[:300]
    _save(batch, "state", "content", "finished_at", "failure")
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
    token = uuid.uuid4()
    taken = Import.objects.filter(_free(), pk=import_id).update(
        state=Import.State.RUNNING, token=token, lease_until=real_now() + LEASE, attempts=F("attempts") + 1, total=0,
        created=0, updated=0, duplicates=0, rejected=0, suppressed=0, problems=[],
    )  # fmt: skip
    return Import.objects.select_related("workspace").filter(pk=import_id, token=token).first() if taken else None


def _save(batch: Import, *columns: str) -> None:
    """Only while it is ours; Lost, and with it the transaction, when somebody took it over."""
    values = {name: getattr(batch, name) for name in (*columns, *COUNTS, "lease_until")}
    if not Import.objects.filter(pk=batch.pk, token=batch.token, state=Import.State.RUNNING).update(**values):
        raise Lost


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
    return {**lead, "groups": list(dict.fromkeys([*lead.get("groups", []), *groups]))} if groups else lead


@transaction.atomic
def _take(batch: Import, chunk, seen: set[str], now) -> None:
    """Rows and counts in one transaction, and neither when the import is not ours any more."""
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
    _save(batch)


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
