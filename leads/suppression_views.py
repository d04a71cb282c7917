"""REST of suppressions: translate in, one call, translate out."""

from django.http import HttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from apikeys.services import now_for
from apikeys.viewsets import WorkspaceViewSet
from leads import services
from leads import suppression_serializers as s
from leads.exporting import as_csv
from leads.importing import MAX_ROWS
from leads.models import Suppression
from leads.queries import suppressions
from leads.suppression import Unwanted
from outbound.api.errors import Invalid, flatten
from outbound.api.openapi import documented
from outbound.api.pagination import page_of

COLUMNS = ["id", "value", "erased", "kind", "reason", "created_at"]


class SuppressionViewSet(WorkspaceViewSet):
    scopes = {
        "list": "suppressions:read", "retrieve": "suppressions:read", "export": "suppressions:read",
        "create": "suppressions:write", "bulk": "suppressions:write", "destroy": "suppressions:write",
    }  # fmt: skip
    bulk_actions = ("bulk",)

    def found(self, query: dict):
        return suppressions(self.workspace, kind=query.get("kind", ""), search=query.get("search", ""))

    @documented("list_suppressions", s.SuppressionOutput, many=True, query=s.SuppressionListInput, tag="suppressions")
    def list(self, request):
        """Who must not be written to and why, newest first"""
        query = self.validated_query(s.SuppressionListInput)
        paging = {name: query[name] for name in ("page", "limit", "after") if name in query}
        return Response(
            page_of(self.found(query), **paging, show=lambda rows: s.SuppressionOutput(rows, many=True).data)
        )

    @documented("create_suppression", s.SuppressionOutput, body=s.SuppressionInput, tag="suppressions")
    def create(self, request):
        """Never write to an address, or to a whole domain

        Holds from the moment of the answer, for every campaign; done twice it changes nothing.
        """
        data = self.validated(s.SuppressionInput)
        row = services.suppress(workspace=self.workspace, now=now_for(self.workspace), **data)
        return Response(s.SuppressionOutput(row).data)

    @documented("get_suppression", s.SuppressionOutput, tag="suppressions")
    def retrieve(self, request, pk):
        """One suppression"""
        return Response(s.SuppressionOutput(self.one(Suppression.objects.all(), pk)).data)

    @documented("delete_suppression", query=s.SuppressionLiftInput, status=204, tag="suppressions")
    def destroy(self, request, pk):
        """Allow writing again, with the reason

        The leads it blocked are held again, unless another suppression forbids them.
        """
        row = self.one(Suppression.objects.select_related("workspace"), pk)
        reason = self.validated_query(s.SuppressionLiftInput)["reason"]
        services.lift(suppression=row, reason=reason, now=now_for(self.workspace))
        return Response(status=204)

    @documented("import_suppressions", s.SuppressionReportOutput, body=s.SuppressionBulkInput, tag="suppressions")
    def bulk(self, request):
        """Suppress up to 5,000 addresses and domains, with a result for each row"""
        rows = self.validated(s.SuppressionBulkInput)["suppressions"]
        return Response(import_suppressions(self.workspace, rows))

    @documented(
        "export_suppressions",
        query=s.SuppressionExportInput,
        tag="suppressions",
        raw=s.SuppressionsExportOutput,
        also="text/csv",
    )
    def export(self, request):
        """Suppressions as CSV or JSON"""
        query = self.validated_query(s.SuppressionExportInput)
        rows = shown(self.found(query).newest_first()[: query["limit"]])
        if query["as"] == "json":
            return Response(rows)
        answer = HttpResponse(as_csv(COLUMNS, rows), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = 'attachment; filename="suppressions.csv"'
        return answer


def shown(rows) -> list[dict]:
    return s.SuppressionOutput(rows, many=True).data


def import_suppressions(workspace, rows: list) -> dict:
    """Counts and a result per row; a wrong row is rejected and harms no other."""
    if len(rows) > MAX_ROWS:
        raise Invalid.field("suppressions", f"At most {MAX_ROWS} at once; you sent {len(rows)}. Send them in parts.")
    reader = s.SuppressionInput()
    results = [_read(reader, row) for row in rows]
    wanted = [each for each in results if each["unwanted"]]
    made = services.suppress_all(
        workspace=workspace, unwanted=[each["unwanted"] for each in wanted], now=now_for(workspace)
    )
    for each, (row_id, new) in zip(wanted, made, strict=True):
        each.update(id=row_id, status="created" if new else "duplicate")
    counts = [each["status"] for each in results]
    return {
        "total": len(results),
        "created": counts.count("created"),
        "duplicates": counts.count("duplicate"),
        "rejected": counts.count("rejected"),
        "results": s.SuppressionResultOutput(results, many=True).data,
    }


def _read(reader: s.SuppressionInput, row) -> dict:
    shown = str(row["value"])[:254] if isinstance(row, dict) and isinstance(row.get("value"), str) else None
    result = {"value": shown, "id": None, "status": "rejected", "reason": None, "unwanted": None}
    try:
        unwanted = Unwanted(**reader.run_validation(row))
    except ValidationError as error:
        reasons = [f"{name}: {' '.join(texts)}" for name, texts in flatten(error.detail).items()]
        return {**result, "reason": "; ".join(reasons)}
    return {**result, "value": unwanted.value, "unwanted": unwanted}
