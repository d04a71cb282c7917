"""`manage.py audit_ledger`: every inconsistency of the ledger. No row, status 0: it holds."""

from outbound.audits.report import AuditCommand


class Command(AuditCommand):
    help = "Lists every inconsistency of the ledger: mails sent twice, unsettled or too late; status 1 if there is one."
    audit = "ledger"
