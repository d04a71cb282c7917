"""Bodies in. Everything a database or a recursive reader would choke on is refused here, once, as a 400."""

import json
import math
import re

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import BaseParser

from outbound.api.errors import TooLarge

MAX_DEPTH = 32
UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")  # PostgreSQL refuses both in text and jsonb
_DEEPENS, _SHALLOWS = frozenset(b"[{"), frozenset(b"]}")


class Unstorable(ParseError):
    """Text that no database takes, and where it stands."""

    default_code = "invalid"

    def __init__(self, where: str):
        sentence = "Text must not contain NUL characters or lone surrogates."
        super().__init__(f"{where}: {sentence}")
        self.details = {where: [sentence]}


class SafeJSONParser(BaseParser):
    media_type = "application/json"

    def parse(self, stream, media_type=None, parser_context=None):
        return parse_json(read_body(parser_context["request"] if parser_context else None, stream))


def read_body(request, stream) -> bytes:
    """The whole body, at most 10 MB; the length header alone is enough to refuse."""
    length = (request.META.get("CONTENT_LENGTH") or 0) if request is not None else 0
    if int(length or 0) > settings.MAX_BODY_BYTES:
        raise TooLarge()
    body = stream.read(settings.MAX_BODY_BYTES + 1)
    if len(body) > settings.MAX_BODY_BYTES:
        raise TooLarge()
    return body


def parse_json(body: bytes):
    """JSON (RFC 8259) at most 32 deep, without NaN, NUL or lone surrogates; ParseError says which."""
    if _depth(body) > MAX_DEPTH:
        raise ParseError(f"The JSON is nested deeper than {MAX_DEPTH} levels.")
    try:
        data = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse_constant, parse_int=_int, parse_float=_float)
    except UnicodeDecodeError:
        raise ParseError("The body is not UTF-8.") from None
    except ValueError as error:
        raise ParseError(f"The body is not JSON: {error}.") from None
    refuse_unstorable(data)
    return data


def refuse_unstorable(data, where: str = "body") -> None:
    """NUL characters and lone surrogates, in keys and values alike; Unstorable says where (steps.0.subject)."""
    place = _unstorable_in(data)
    if place is not None:
        raise Unstorable(".".join(place) or where)


def _unstorable_in(data) -> tuple[str, ...] | None:
    """The way to the first such text; () when it is the whole, or a key of it."""
    if isinstance(data, str):
        return () if UNSTORABLE.search(data) else None
    if isinstance(data, dict):
        if any(UNSTORABLE.search(key) for key in data):
            return ()
        pairs = data.items()
    elif isinstance(data, list):
        pairs = enumerate(data)
    else:
        return None
    for key, value in pairs:
        place = _unstorable_in(value)
        if place is not None:
            return (str(key), *place)
    return None


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def _int(text: str) -> int:
    if len(text) > 19:
        raise ValueError("a whole number is too large")
    return int(text)


def _float(text: str) -> float:
    # 1e999 is JSON, but Python reads it as infinity, which no answer could repeat.
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _depth(body: bytes) -> int:
    """Nesting of brackets outside strings, in one pass; enough to stop before the recursive reader starts."""
    deepest = depth = 0
    for part in _STRINGS.sub(b"", body):
        if part in _DEEPENS:
            depth += 1
            deepest = max(deepest, depth)
        elif part in _SHALLOWS:
            depth -= 1
    return deepest


# A string literal, without backtracking: everything in it is no structure.
_STRINGS = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[^\[\]{}"]+', re.DOTALL)
