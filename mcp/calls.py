"""One tool call, from arguments to result: read, confirm, run at most once, show, log."""

import difflib
import json
import logging
import time

from django.db import transaction
from rest_framework.exceptions import ValidationError

from apikeys.idempotency import run_once
from mcp import confirm, results
from mcp.jsonrpc import INTERNAL_ERROR, RpcError
from mcp.registry import Tool
from outbound.api.answers import Answer
from outbound.api.errors import as_api_error

logger = logging.getLogger(__name__)

# Not part of what an idempotency key stands for: they change how an answer looks or is allowed, not what is done.
NOT_THE_DEED = ("idempotency_key", "response_format", "confirm_token")


def call(tool: Tool, caller, arguments: dict) -> dict:
    """The result of tools/call. What the model can mend has isError; RpcError −32603 is a failure of ours."""
    started = time.monotonic()
    outcome = "failed"
    try:
        result = _run(tool, caller, arguments)
        outcome = "ok"
        return result
    except Exception as error:
        found = as_api_error(error)
        if found is None:
            logger.exception("Tool %s failed", tool.name)
            raise RpcError(INTERNAL_ERROR, "Something went wrong on our side. Try again.") from None
        outcome = found.code
        return results.refusal(found.body())
    finally:
        _log(tool, caller, arguments, outcome, time.monotonic() - started)


def _run(tool: Tool, caller, arguments: dict) -> dict:
    extras, data = read(tool, caller, arguments)
    if extras.get("dry_run"):
        shown = results.plain(confirm.dry_run(tool, caller, data))
        return results.success(shown, response_format="detailed", third_party=tool.third_party)
    body, replayed = _once(tool, caller, arguments, extras, data)
    meta = {"outbound/idempotencyReplayed": True} if replayed else None
    response_format = extras.get("response_format", "detailed")
    return results.success(body, response_format=response_format, third_party=tool.third_party, meta=meta)


def read(tool: Tool, caller, arguments: dict) -> tuple[dict, dict]:
    """(the door's own parameters, the use-case's data), or ValidationError with every bad field by its path."""
    context = {"workspace": caller.workspace}
    extras, path, data = (_share(part, arguments, context) for part in (tool.extras, tool.path, tool.input))
    unknown = sorted(set(arguments) - set(extras.fields) - set(path.fields) - set(data.fields))
    errors = {name: [_unknown(name, tool)] for name in unknown}
    for part in (path, data, extras):
        errors |= {} if part.is_valid() else part.errors
    if errors:
        raise ValidationError(errors)
    return extras.validated_data, {**path.validated_data, **data.validated_data}


def _share(kind, arguments: dict, context: dict):
    """A serializer with those arguments that are its own."""
    fields = kind(context=context).fields
    return kind(data={name: each for name, each in arguments.items() if name in fields}, context=context)


def _unknown(name: str, tool: Tool) -> str:
    near = difflib.get_close_matches(name, tool.definition["inputSchema"]["properties"], n=1)
    return f"Unknown parameter. Did you mean {near[0]!r}?" if near else "Unknown parameter."


def _once(tool: Tool, caller, arguments: dict, extras: dict, data: dict) -> tuple[dict, bool]:
    """The tool's data, and whether it was done before under the same idempotency key."""
    key = extras.get("idempotency_key")
    if not key:
        return results.plain(_do(tool, caller, extras, data).finished()), False
    done: list[Answer] = []

    def effect():
        done.append(_do(tool, caller, extras, data))
        return 200, results.plain(done[0].data)

    deed = {name: value for name, value in arguments.items() if name not in NOT_THE_DEED}
    _, body, replayed = run_once(
        caller=caller.id,
        key=key,
        method="TOOL",
        path=tool.name,
        body=json.dumps(deed, sort_keys=True).encode(),
        effect=effect,
    )
    return (tool.on_replay(body), True) if replayed else (results.plain(done[0].finished()), False)


def _do(tool: Tool, caller, extras: dict, data: dict) -> Answer:
    if tool.preview is None:
        return _as_answer(tool.run(caller, **data))
    # One transaction: what the token was checked against is what the tool meets.
    with transaction.atomic():
        confirm.check(tool, caller, data, extras.get("confirm_token"))
        return _as_answer(tool.run(caller, **data))


def _as_answer(result) -> Answer:
    return result if isinstance(result, Answer) else Answer(result)


def _log(tool: Tool, caller, arguments: dict, outcome: str, seconds: float) -> None:
    row = {
        "key": caller.id,
        "tool": tool.name,
        "outcome": outcome,
        "milliseconds": round(seconds * 1000),
        "arguments": {name: _redacted(value) for name, value in arguments.items() if name in _parameters(tool)},
    }
    logger.info("tool call %s", json.dumps(row), extra={"tool_call": row})


def _parameters(tool: Tool) -> dict:
    return tool.definition["inputSchema"]["properties"]


def _redacted(value):
    """Its kind and size; numbers and truths as they are. Addresses, copy and keys never reach a log."""
    if isinstance(value, str | list | dict):
        return f"{type(value).__name__}({len(value)})"
    return value
