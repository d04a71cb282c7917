"""Audits of the ledger: what must not be, as SQL. Each file is one check, named for what its rows are.

The files are PostgreSQL's SQL and run in psql as they stand but for the moments in %(…)s; the words in which SQLite
differs are replaced. A row is a broken promise: `manage.py audit_caps`, `manage.py audit_ledger`.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from django.conf import settings
from django.db import connection

from outbound.clock import real_now

FOLDER = Path(__file__).parent
SLACK = timedelta(minutes=1)  # workers look every few seconds
SQLITE = [("jsonb_each_text(", "json_each("), (r"extract\(epoch FROM (\S+?)\)", r"(julianday(\1) * 86400)")]


class Finding(NamedTuple):
    """What one check found: its name, its columns, and its rows."""

    check: str
    columns: list[str]
    rows: list[tuple]


def audit(name: str) -> list[Finding]:
    """The checks of `caps` or `ledger` that found something."""
    findings = [_run(path) for path in sorted((FOLDER / name).glob("*.sql"))]
    return [found for found in findings if found.rows]


def _run(path: Path) -> Finding:
    with connection.cursor() as cursor:
        cursor.execute(_in_our_dialect(path.read_text()), _moments())
        return Finding(path.stem, [column[0] for column in cursor.description], cursor.fetchall())


def _moments() -> dict:
    now = real_now() - SLACK
    grace = timedelta(seconds=settings.UNKNOWN_AFTER_SECONDS)
    moments = {"lease_over": now, "grace_over": now - grace}
    return {name: connection.ops.adapt_datetimefield_value(moment) for name, moment in moments.items()}


def _in_our_dialect(sql: str) -> str:
    if connection.vendor == "sqlite":
        each, seconds = SQLITE
        sql = re.sub(*seconds, sql.replace(*each))
    return sql
