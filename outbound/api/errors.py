"""Failures as classes: a status, a stable code, a sentence that says what to do. One handler gives them their shape:

{"success": false, "error": "sentence", "code": "stable_code", "details"?: …, "request_id": …}   (decisions C2)
"""

import logging

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, OperationalError
from django.http import Http404, JsonResponse
from rest_framework import exceptions
from rest_framework.response import Response

from outbound.ids import uuid7

logger = logging.getLogger(__name__)


class ApiError(Exception):
    """Raise a subclass, or this with a sentence of its own. `details` says which field, which ids, how many."""

    status = 400
    code = "bad_request"
    message = "The request could not be understood."

    def __init__(self, message: str = "", *, details=None, headers: dict | None = None):
        self.message = message or self.message
        self.details = details
        self.headers = headers or {}
        super().__init__(self.message)

    def body(self) -> dict:
        return error_body(self.message, self.code, self.details)


class Invalid(ApiError):
    """A field is wrong: details is {field: [sentences]}."""

    code = "invalid"
    message = "Some fields are not valid."

    @classmethod
    def field(cls, name: str, sentence: str) -> "Invalid":
        return cls(sentence, details={name: [sentence]})


class NotFound(ApiError):
    status, code, message = 404, "not_found", "There is nothing here with that id."


class Conflict(ApiError):
    status, code, message = 409, "conflict", "This does not fit the present state."


class Busy(ApiError):
    status, code, message = 503, "busy", "The database is busy at present. Try again in a second."

    def __init__(self):
        super().__init__(headers={"Retry-After": "1"})


class TooLarge(ApiError):
    status, code, message = 413, "too_large", "The body is larger than 10 MB. Send it in parts."


def error_body(message: str, code: str, details=None) -> dict:
    body = {"success": False, "error": message, "code": code, "request_id": str(uuid7())}
    if details is not None:
        body["details"] = details
    return body


def error_page(status: int, code: str, message: str) -> JsonResponse:
    """For failures outside DRF: unknown addresses and the like."""
    return JsonResponse(error_body(message, code), status=status)


def flatten(detail, path="") -> dict[str, list[str]]:
    """DRF's nested error detail as {"steps.0.subject": ["…"]}."""
    if isinstance(detail, dict):
        pairs = ((f"{path}.{key}" if path else str(key), value) for key, value in detail.items())
    elif isinstance(detail, list) and any(isinstance(item, (dict, list)) for item in detail):
        pairs = ((f"{path}.{index}" if path else str(index), value) for index, value in enumerate(detail) if value)
    else:
        sentences = detail if isinstance(detail, list) else [detail]
        return {path or "body": [str(sentence) for sentence in sentences]}
    flat: dict[str, list[str]] = {}
    for name, value in pairs:
        flat.update(flatten(value, name.removesuffix("non_field_errors").removesuffix(".")))
    return flat


def as_api_error(error: Exception) -> ApiError | None:
    """Any failure that is the caller's news as an ApiError; None for a surprise of ours."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, exceptions.ValidationError):
        details = flatten(error.detail)
        name, sentences = next(iter(details.items()))
        return Invalid(f"{name}: {sentences[0]}", details=details)
    if isinstance(error, Http404):
        return NotFound()
    if isinstance(error, IntegrityError):  # the database had the last word: constraints hold where two come at once
        logger.warning("A constraint refused a write: %s", type(error).__name__)
        return Conflict("Somebody changed the same thing at this moment. Look again, and try again if need be.")
    if isinstance(error, OperationalError):
        logger.error("The database could not do it.", exc_info=error)
        return Busy()
    if isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, exceptions.APIException):
        found = ApiError(str(error.detail), details=getattr(error, "details", None), headers=_headers(error))
        found.status, found.code = error.status_code, str(error.default_code)
        return found
    return None


def _headers(error) -> dict:
    headers = {}
    if getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = error.auth_header
    if getattr(error, "wait", None):
        headers["Retry-After"] = str(max(1, round(error.wait)))
    return headers


def exception_handler(error, context):
    found = as_api_error(error)
    if found is None:
        body = error_body("Something went wrong on our side. Try again.", "server_error")
        logger.exception(
            "Unexpected failure in %s, request_id %s", context["view"].__class__.__name__, body["request_id"]
        )
        return Response(body, status=500)
    return Response(found.body(), status=found.status, headers=found.headers)
