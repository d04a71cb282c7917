"""Many rows in one statement, on PostgreSQL and SQLite alike: the rows travel as one JSON parameter.

Django's bulk_create needs hundreds of statements on SQLite (999 parameters each) and bulk_update is slow on both.
"""

import json
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import connection, models
from django.db.models.lookups import Exact


def insert_rows(model: type[models.Model], rows: list[dict], *, returning: str = "id") -> list:
    """Insert rows (all with the same keys: field attnames); rows that break a unique constraint are left out.

    Returns the `returning` column of the rows that went in, as the database gives it.
    """
    if not rows:
        return []
    fields = _fields(model, rows[0])
    target = ", ".join(_name(field.column) for field in fields)
    # "WHERE true" tells SQLite that ON belongs to the conflict and not to a join.
    sql = (
        f"INSERT INTO {_name(model._meta.db_table)} ({target}) SELECT {_columns(fields)} FROM {_source(fields)} "
        f"WHERE true ON CONFLICT DO NOTHING RETURNING {_name(model._meta.get_field(returning).column)}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [_payload(fields, rows)])
        field = model._meta.get_field(returning)
        return [field.to_python(value) for (value,) in cursor.fetchall()]


def update_rows(model: type[models.Model], rows: list[dict], *, key: str = "id") -> int:
    """Set every given column of the rows named by `key`; the rows all have the same keys. Returns how many."""
    if not rows:
        return 0
    fields = _fields(model, rows[0])
    column = _name(model._meta.get_field(key).column)
    table = _name(model._meta.db_table)
    sets = ", ".join(f"{_name(f.column)} = r.{_name(f.column)}" for f in fields if f.attname != key)
    sql = (
        f"UPDATE {table} SET {sets} FROM (SELECT {_columns(fields)} FROM {_source(fields)}) AS r "
        f"WHERE {table}.{column} = r.{column}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [_payload(fields, rows)])
        return cursor.rowcount


def flushed_later() -> models.Q:
    """A condition for an UPDATE outside of a transaction: true, and the answer does not wait for the disk (PostgreSQL).

    For what no one has to know of until a later commit, which reaches the disk after it: WAL is written in order.
    """
    if connection.vendor != "postgresql" or connection.in_atomic_block:
        return models.Q()
    off = [models.Value("synchronous_commit"), models.Value("off"), models.Value(True)]
    return models.Q(Exact(models.Func(*off, function="set_config", output_field=models.TextField()), "off"))


def _fields(model, row: dict) -> list[models.Field]:
    by_name = {field.attname: field for field in model._meta.concrete_fields}
    return [by_name[name] for name in row]


def _name(column: str) -> str:
    return connection.ops.quote_name(column)


def _columns(fields) -> str:
    if connection.vendor == "postgresql":
        return ", ".join(_name(field.column) for field in fields)
    return ", ".join(f"json_extract(value, '$.{field.column}') AS {_name(field.column)}" for field in fields)


def _source(fields) -> str:
    if connection.vendor == "postgresql":
        types = ", ".join(f"{_name(field.column)} {_cast_type(field)}" for field in fields)
        return f"jsonb_to_recordset(%s::jsonb) AS source({types})"
    return "json_each(%s)"


def _cast_type(field) -> str:
    related = getattr(field, "target_field", None)
    return (related or field).cast_db_type(connection)


def _payload(fields, rows) -> str:
    return json.dumps([{f.column: _plain(f, row[f.attname]) for f in fields} for row in rows])


def _plain(field, value):
    if isinstance(field, models.JSONField) or value is None:
        return value
    value = field.get_db_prep_save(value, connection)
    if isinstance(value, date):
        return value.isoformat()
    return str(value) if isinstance(value, UUID | Decimal) else value
