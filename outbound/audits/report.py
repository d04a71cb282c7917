"""The two commands' common part: what was found, as lines to read, and the exit status."""

import sys

from django.core.management import BaseCommand

from outbound.audits import FOLDER, Finding, audit

SHOWN = 100  # rows of a check


class AuditCommand(BaseCommand):
    """Status 1, and the rows, when a check found something."""

    audit: str

    def handle(self, **_):
        findings = audit(self.audit)
        for found in findings:
            self.stdout.write("\n".join(lines_of(found)))
        checks = len(list((FOLDER / self.audit).glob("*.sql")))
        self.stdout.write(f"{self.audit}: {checks} checks, {sum(len(found.rows) for found in findings)} rows")
        if findings:
            sys.exit(1)


def lines_of(found: Finding) -> list[str]:
    """The check's name, its columns, and its rows; how many more there are."""
    rows = [" | ".join(str(value) for value in row) for row in found.rows[:SHOWN]]
    more = [f"… and {len(found.rows) - SHOWN} more"] if len(found.rows) > SHOWN else []
    return [found.check.replace("_", " "), f"  {' | '.join(found.columns)}", *(f"  {row}" for row in rows + more), ""]
