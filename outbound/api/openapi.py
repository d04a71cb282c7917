"""How a view tells OpenAPI what it takes and gives, with the envelope around it: one decorator beside each action."""

from dataclasses import dataclass

from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema
from rest_framework import serializers

from outbound.api.serializers import Output


@dataclass(frozen=True)
class Takes:
    """What an operation takes: kept on the action, for the check of undeclared input and for the contract tests."""

    operation_id: str
    body: object
    query: type | None


class MetaOutput(Output):
    total = serializers.IntegerField(help_text="Rows in all; exact up to 100,000.")
    page = serializers.IntegerField()
    limit = serializers.IntegerField()
    totalPages = serializers.IntegerField()  # noqa: N815  the contract's word
    next_cursor = serializers.CharField(allow_null=True, help_text="Send it as `after` for the next page.")
    total_is_estimate = serializers.BooleanField(required=False)


class ErrorOutput(Output):
    success = serializers.BooleanField(default=False)
    error = serializers.CharField(help_text="A sentence that says what to do.")
    code = serializers.CharField(help_text="Stable; do not fail on codes you do not know.")
    details = serializers.JSONField(required=False, help_text="Which fields, which ids.")
    request_id = serializers.CharField()


_ENVELOPES: dict = {}
_IDEMPOTENCY = OpenApiParameter(
    "Idempotency-Key",
    OpenApiTypes.STR,
    OpenApiParameter.HEADER,
    description="Any unique text of at most 255 characters.",
)
_ERRORS = {
    400: ErrorOutput, 401: ErrorOutput, 403: ErrorOutput, 404: ErrorOutput, 409: ErrorOutput, 422: ErrorOutput,
}  # fmt: skip


def enveloped(output, *, many: bool = False):
    """The envelope component of an output, made once per type."""
    key = (output, many)
    if key not in _ENVELOPES:
        name = output.__name__.removesuffix("Output") + ("List" if many else "") + "Envelope"
        fields = {"success": serializers.BooleanField(), "data": output(many=many)}
        if many:
            fields["meta"] = MetaOutput()
        _ENVELOPES[key] = type(name, (serializers.Serializer,), fields)
    return _ENVELOPES[key]


def documented(operation_id: str, output=None, *, body=None, query=None, many=False, status=200, tag="", raw=None):
    """An action: `body` and `query` Inputs, `output` shown under `data`; 204 without. `raw`: a whole answer."""

    def decorate(action):
        writes = body is not None or status in (201, 204) or operation_id.split("_")[0] not in ("list", "get", "export")
        action.takes = Takes(operation_id, body, query)
        answer = raw if raw is not None else enveloped(output, many=many) if output else None
        return extend_schema(
            operation_id=operation_id,
            request=body,
            parameters=[*([query] if query else []), *([_IDEMPOTENCY] if writes else [])],
            responses={status: answer, **_ERRORS},
            tags=[tag] if tag else None,
            summary=(action.__doc__ or operation_id).strip().splitlines()[0],
        )(action)

    return decorate
