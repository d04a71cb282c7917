"""`manage.py audit_caps`: every window in which a cap or a gap was exceeded. No row, status 0: it held."""

from outbound.audits.report import AuditCommand


class Command(AuditCommand):
    help = "Lists every day and mailbox in which a cap or the gap was exceeded; status 1 if there is one."
    audit = "caps"
