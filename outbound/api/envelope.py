"""What every answer looks like: {"success": true, "data": …, "meta"?: …} (decisions C1)."""

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.renderers import JSONRenderer


class Page(dict):
    """A list with its meta; a view returns it and the renderer takes it apart."""

    def __init__(self, items: list, meta: dict):
        super().__init__(items=items, meta=meta)


def enveloped(data) -> dict:
    if isinstance(data, Page):
        return {"success": True, "data": data["items"], "meta": data["meta"]}
    return {"success": True, "data": data}


class EnvelopeRenderer(JSONRenderer):
    """Wraps once, so views return bare data and cannot forget."""

    charset = None

    def render(self, data, accepted_media_type=None, renderer_context=None):
        response = (renderer_context or {}).get("response")
        if response is not None and response.status_code == 204:
            return b""
        failed = isinstance(data, dict) and data.get("success") is False
        return super().render(data if failed else enveloped(data), accepted_media_type, renderer_context)


class IgnoreAccept(BaseContentNegotiation):
    """One shape for everyone: `Accept: text/event-stream` must not become a 406."""

    def select_parser(self, request, parsers):
        content_type = (request.content_type or "").split(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == content_type), None)

    def select_renderer(self, request, renderers, format_suffix=None):
        return renderers[0], renderers[0].media_type
