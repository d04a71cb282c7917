"""`manage.py rotate_secrets`: write every encrypted value with the newest key (docs/operations.md)."""

from django.core.management.base import BaseCommand, CommandError

from outbound.fields import newest_key
from outbound.secret_rotation import Tally, encrypted_columns, look, rotate


class Command(BaseCommand):
    help = (
        "Encrypts every secret anew with the first of FIELD_ENCRYPTION_KEYS. May be stopped and begun again, "
        "while everything runs."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--check", action="store_true", help="Only count; fails while an older key is needed or a value is lost."
        )

    def handle(self, *, check: bool, **_):
        self.stdout.write(f"The newest key is {newest_key()}.")
        tallies = [(look if check else rotate)(model, column) for model, column in encrypted_columns()]
        for tally in tallies:
            self.stdout.write(_counted(tally) if check else f"{tally.column}: {tally.rewritten} encrypted anew")
        lost, behind = sum(tally.unreadable for tally in tallies), sum(tally.behind for tally in tallies)
        if lost:
            raise CommandError(
                f"{lost} values open with none of FIELD_ENCRYPTION_KEYS. Put the key back that is missing."
            )
        if check and behind:
            raise CommandError(f"{behind} values need an older key. Run manage.py rotate_secrets.")
        self.stdout.write("Every secret is encrypted with the newest key.")


def _counted(tally: Tally) -> str:
    named = [f"{count} with {key or 'no key id (of before)'}" for key, count in sorted(tally.by_key.items())]
    lost = [f"{tally.unreadable} unreadable"] if tally.unreadable else []
    return f"{tally.column}: {', '.join([*named, *lost]) or 'none'}"
