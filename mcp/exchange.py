"""One POST: decoded body and headers in, HTTP status and JSON out. Decides the era, then answers in it."""

import logging

from mcp import eras, jsonrpc
from mcp.jsonrpc import INTERNAL_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, RpcError
from mcp.methods import Session, answer_legacy, answer_modern

logger = logging.getLogger(__name__)

MOST_IN_A_BATCH = 20
# Modern errors have HTTP statuses of their own; legacy ones ride on 200 once the message could be read.
MODERN_STATUS = {METHOD_NOT_FOUND: 404, INTERNAL_ERROR: 200}
ACCEPTED = (202, None)

Answer = tuple[int, dict | list | None]


def exchange(session: Session, body: bytes, headers) -> Answer:
    """(status, JSON to send or None). Never raises: what nobody expected is logged and becomes −32603."""
    data = None
    try:
        data = jsonrpc.parse(body)
        version = headers.get("MCP-Protocol-Version")
        if eras.is_modern(version, data):
            return _modern(session, data, headers)
        if isinstance(data, list):
            return _batch(session, data, version)
        return _legacy(session, data)
    except RpcError as error:
        return 400, jsonrpc.failure(jsonrpc.id_of(data), error)


def _legacy(session: Session, data) -> Answer:
    message = jsonrpc.read(data)
    if not message.wants_answer:
        return ACCEPTED
    return 200, _answered(answer_legacy, session, message)[0]


def _batch(session: Session, items: list, version: str | None) -> Answer:
    if not eras.may_batch(version):
        raise RpcError(INVALID_REQUEST, f"Protocol {version} has no batches. Send one message.")
    if not 0 < len(items) <= MOST_IN_A_BATCH:
        raise RpcError(INVALID_REQUEST, f"A batch has 1 to {MOST_IN_A_BATCH} messages.")
    answers = [answer for item in items if (answer := _in_batch(session, item)) is not None]
    return (200, answers) if answers else ACCEPTED


def _in_batch(session: Session, data) -> dict | None:
    try:
        message = jsonrpc.read(data)
        if message.method == "initialize":
            raise RpcError(INVALID_REQUEST, "initialize must not be part of a batch.")
        return _legacy(session, data)[1]
    except RpcError as error:
        return jsonrpc.failure(jsonrpc.id_of(data), error)


def _modern(session: Session, data, headers) -> Answer:
    message = jsonrpc.read(data)
    if not message.method:
        raise RpcError(INVALID_REQUEST, "This version has no answers from a client.")
    if not message.wants_answer:
        # No notification means anything here, but clients send them and read no answer.
        eras.check_version(headers.get("MCP-Protocol-Version"))
        return ACCEPTED
    eras.check_modern(message, headers)
    answer, code = _answered(answer_modern, session, message)
    return (200 if code is None else MODERN_STATUS.get(code, 400)), answer


def _answered(method, session: Session, message) -> tuple[dict, int | None]:
    """(answer, error code or None)."""
    try:
        return jsonrpc.answer(message.id, method(session, message)), None
    except RpcError as error:
        return jsonrpc.failure(message.id, error), error.code
    except Exception:
        logger.exception("Method %s failed", message.method[:80])
        error = RpcError(INTERNAL_ERROR, "Something went wrong on our side. Try again.")
        return jsonrpc.failure(message.id, error), error.code
