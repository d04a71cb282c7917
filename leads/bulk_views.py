"""REST of bulk import and validation: translate in, one call, translate out. The bulk writes have their own limit."""

from rest_framework.response import Response

from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from leads import bulk_serializers as s
from leads import queries, services, tasks
from leads.bulk import import_apart
from outbound.api.openapi import documented
from outbound.doorbell import ring

QUEUED = "Validation has been queued. Poll GET /api/v1/leads to check results."


class LeadBulkViewSet(WorkspaceViewSet):
    scopes = {"bulk": "leads:write", "validate": "validation:trigger"}
    bulk_actions = ("bulk", "validate")

    @documented("import_leads", s.BulkReportOutput, body=s.BulkInput, tag="leads")
    def bulk(self, request):
        """Import up to 5,000 leads; a known address is skipped

        New leads are held and not validated. One wrong row is rejected with its reason and harms no other.
        """
        return Response(bulk_import(self.workspace, **self.validated(s.BulkInput)))

    @documented("validate_leads", s.ValidateOutput, body=s.ValidateInput, tag="validation")
    def validate(self, request):
        """Queue leads for validation; poll GET /leads

        Spends one credit for each domain that was not asked for in the last 24 hours.
        """
        return Response(queue_validation(self.workspace, **self.validated(s.ValidateInput)))


class ValidationViewSet(WorkspaceViewSet):
    scopes = {"results": "validation:read"}

    @documented("get_validation_results", s.ValidationResultsOutput, tag="validation")
    def results(self, request):
        """How many leads got which verdict"""
        return Response(s.ValidationResultsOutput(queries.validation_summary(self.workspace)).data)


def bulk_import(workspace, leads: list) -> dict:
    """Superkabe's counts and a result per row."""
    results = import_apart(workspace=workspace, rows=leads, now=now_for(workspace))
    count = {status: sum(row["status"] == status for row in results) for status in ("created", "duplicate")}
    return {
        "total": len(results),
        "created": count["created"],
        "duplicates": count["duplicate"],
        "errors": len(results) - count["created"] - count["duplicate"],
        "results": results,
    }


def queue_validation(workspace, *, lead_ids=None, emails=None) -> dict:
    """Superkabe's answer; what was not queued is said in its message."""
    leads = lead_ids if lead_ids is not None else emails
    queued = services.queue_validation(workspace=workspace, leads=leads, now=now_for(workspace))
    ring(tasks.validate_due)
    message = QUEUED if queued.lead_ids else "Nothing had to be queued."
    if queued.standing:
        message += f" {queued.standing} with a verdict of the last 30 days keep it."
    if queued.refused:
        message += f" {queued.refused} are unknown: no validation credits are left."
    return {"queued": len(queued.lead_ids), "lead_ids": queued.lead_ids, "message": message}
