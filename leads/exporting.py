"""Leads out: a column per field, per key of custom and per variable; CSV cells that would run as a formula defused."""

import csv
import io
import json
from itertools import islice

from django.db.models import prefetch_related_objects

from apikeys.models import Workspace
from leads.cells import defuse
from leads.models import Variable, VariableValue
from leads.rows import TEXT_FIELDS

MAX_EXPORT = 50_000
CHUNK = 5000  # ids in one IN(…): SQLite takes 32,766 parameters
FIELDS = ("email", *TEXT_FIELDS, "lead_score", "status")
OURS = frozenset({"id", *FIELDS, "groups"})


def export_leads(*, workspace: Workspace, leads, limit: int = MAX_EXPORT) -> tuple[list[str], list[dict]]:
    """(columns, rows) of the newest `limit` leads; groups joined by `; `, values of variables by name."""
    names = dict(Variable.objects.for_workspace(workspace).order_by("name").values_list("id", "name"))
    walk = leads.newest_first()[:limit].iterator(chunk_size=CHUNK)
    rows: list[dict] = []
    custom: set[str] = set()
    while chunk := list(islice(walk, CHUNK)):
        prefetch_related_objects(chunk, "groups")
        values = _values(names, chunk)
        rows += [_row(lead, values.get(lead.id, {})) for lead in chunk]
        custom.update(key for lead in chunk for key in lead.custom)
    columns = ["id", *FIELDS, "groups", *(_own(key) for key in sorted(custom)), *names.values()]
    return columns, [{column: row.get(column) for column in columns} for row in rows]


def _values(names: dict, chunk: list) -> dict:
    found = VariableValue.objects.filter(variable__in=list(names), lead__in=chunk).exclude(value=None)
    values: dict = {}
    for lead_id, variable_id, value in found.values_list("lead_id", "variable_id", "value"):
        values.setdefault(lead_id, {})[names[variable_id]] = value
    return values


def _row(lead, values: dict) -> dict:
    fields = {name: getattr(lead, name) for name in FIELDS}
    groups = "; ".join(sorted(group.name for group in lead.groups.all()))
    own = {_own(key): value for key, value in lead.custom.items()}
    return {**own, **values, "id": str(lead.id), **fields, "groups": groups}


def _own(key: str) -> str:
    """The column of a field of one's own: its name, unless a column of ours has it."""
    return f"custom.{key}" if key in OURS else key


def as_csv(columns: list[str], rows: list[dict]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([defuse(column) for column in columns])
    for row in rows:
        writer.writerow([defuse(_cell(row[column])) for column in columns])
    return out.getvalue()


def _cell(value) -> str:
    """Text as it is; what JSON has besides as JSON: true, {"a": 1}."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
