"""A million rows out of one: every column as in the template row, but for those that are given as SQL."""

from django.db import connection, models


def multiply(template: models.Model, count: int, **columns: str) -> None:
    """Insert `count` copies; `columns` are SQL expressions over `n`, which runs from 1 to `count`."""
    meta = template._meta
    names = [field.column for field in meta.concrete_fields]
    quoted = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(columns.get(name, f't."{name}"') for name in names)
    sql = (
        f"INSERT INTO {meta.db_table} ({quoted}) SELECT {values} FROM {meta.db_table} t, generate_series(1, {count}) n"
    )
    with connection.cursor() as cursor:
        cursor.execute(f"{sql} WHERE t.{meta.pk.column} = %s", [template.pk])


def analyze() -> None:
    """What autovacuum would have done by the time there are so many."""
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
