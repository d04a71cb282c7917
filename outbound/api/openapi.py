"""How a view tells OpenAPI what it takes and gives, with the envelope around it: one decorator beside each action."""

from dataclasses import dataclass

from drf_spectacular.utils import (
    OpenApiParameter,
    OpenApiResponse,
    OpenApiTypes,
    PolymorphicProxySerializer,
    extend_schema,
    extend_schema_serializer,
)
from rest_framework import serializers

from outbound.api.pagination import PageInput
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
    400: "A field is wrong; `details` names it.",
    401: "No key, or one that is not known, was revoked or has expired.",
    403: "The key lacks the scope that `error` names.",
    404: "There is nothing with that id in your workspace.",
    409: "It does not fit the present state.",
    413: "The body is larger than 10 MB.",
    415: "The body is of another content type.",
    422: "The Idempotency-Key was used with another body.",
    429: "Too many requests; wait for Retry-After.",
}
_OF_WRITES = (413, 415, 422)


def enveloped(output, *, many: bool = False, paged: bool = False):
    """The envelope component of an output, made once per type."""
    key = (output, many, paged)
    if key not in _ENVELOPES:
        name = output.__name__.removesuffix("Output") + ("List" if many else "") + "Envelope"
        fields = {"success": serializers.BooleanField(), "data": output(many=many)}
        if paged:
            fields["meta"] = MetaOutput()
        envelope = type(name, (serializers.Serializer,), fields)
        _ENVELOPES[key] = extend_schema_serializer(many=False)(envelope)  # a list has one envelope, not one a row
    return _ENVELOPES[key]


def _is_paged(query) -> bool:
    return query is not None and issubclass(query, PageInput)


_DONE = {200: "Done.", 201: "Made.", 202: "Taken on; it goes on in the background.", 204: "Gone."}


def _refusals(writes: bool) -> dict:
    return {
        status: OpenApiResponse(ErrorOutput, description=sentence)
        for status, sentence in _ERRORS.items()
        if writes or status not in _OF_WRITES
    }


def _answers(status: int, answer, also: str | None) -> dict:
    if also is None:
        return {status: OpenApiResponse(answer, description=_DONE[status])}
    return {
        (status, "application/json"): OpenApiResponse(answer, description=_DONE[status]),
        (status, also): OpenApiResponse(OpenApiTypes.STR, description=_DONE[status]),
    }


def _one_of(name: str, *types):
    """A body or an answer of one of several shapes: each a serializer class, or an instance with many=True."""
    return PolymorphicProxySerializer(
        component_name=name, serializers=list(types), resource_type_field_name=None, many=False
    )


def documented(
    operation_id: str, output=None, array_output=None, *, body=None, or_array=False, query=None, many=False, status=200,
    tag="", raw=None, also=None,
):  # fmt: skip
    """An action: `body` and `query` Inputs, `output` shown under `data`; 204 without. `raw`: a whole answer; `also`:
    another content type it comes in.

    `or_array`: the body may also be an array of such, which is answered with `array_output`.
    """

    def decorate(action):
        writes = body is not None or status in (201, 204) or operation_id.split("_")[0] not in ("list", "get", "export")
        action.takes = Takes(operation_id, body, query)
        answer = raw if raw is not None else enveloped(output, many=many, paged=_is_paged(query)) if output else None
        request = body
        if or_array:
            name = operation_id.title().replace("_", "")
            request = _one_of(f"{name}Body", body, body(many=True))
            answer = _one_of(f"{name}Answer", answer, enveloped(array_output))
        return extend_schema(
            operation_id=operation_id,
            request=request,
            parameters=[*([query] if query else []), *([_IDEMPOTENCY] if writes else [])],
            responses={**_answers(status, answer, also), **_refusals(writes)},
            tags=[tag] if tag else None,
            summary=(action.__doc__ or operation_id).strip().splitlines()[0],
        )(action)

    return decorate
