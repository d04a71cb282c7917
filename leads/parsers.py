"""Files as request bodies. JSON has its own parser; these hand on the raw bytes, 10 MB at most."""

from rest_framework.parsers import BaseParser

from outbound.api.parsers import read_body

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class FileParser(BaseParser):
    def parse(self, stream, media_type=None, parser_context=None) -> bytes:
        return read_body(parser_context["request"] if parser_context else None, stream)


FILE_PARSERS = [
    type(f"Parser{index}", (FileParser,), {"media_type": media_type})
    for index, media_type in enumerate(["text/csv", XLSX, "application/octet-stream", "text/plain"])
]
