"""Ids that exist, for schemathesis: without them most of what it asks for is a 404 that stops at the first line.

Half of the time an id in a path, a query or a body is that of the row which the operation's Example uses, so that every
operation is met in its normal state too; the other half is made up.
"""

import json
import re
from collections import Counter

from tests.contract import EXAMPLES, Operation, fields_of, names_ids, operations

HALF = 0.5


def settings_for(cast, document: dict) -> str:
    """What goes below schemathesis.toml for the rows of a cast; `document` is openapi.json."""
    names = {
        operation["operationId"]: re.findall(r"{(\w+)}", path)
        for path, methods in document["paths"].items()
        for operation in methods.values()
    }
    known = [(operation, _known(operation, cast, names[operation.id])) for operation in operations()]
    shared = Counter(values[0] for _, found in known for key, values in found.items() if key.startswith("path."))
    blocks = []
    for operation, found in known:
        if operation.method == "DELETE":  # only what no other operation wants to meet
            found = {key: values for key, values in found.items() if shared[values[0]] == 1}
        blocks += [_block(operation, number, *pair) for number, pair in enumerate(found.items())]
        if found:
            blocks.append(_binding(operation, found))
    return "\n".join(blocks)


def _known(operation: Operation, cast, names: list[str]) -> dict[str, list[str]]:
    """{"path.id": […], "body.lead_ids[*]": […]}"""
    ids = EXAMPLES[operation.id].at(cast)
    ids = ids if isinstance(ids, tuple) else (ids,)
    found = {f"path.{name}": [str(value)] for name, value in zip(names, ids, strict=False)}
    for place, serializer in (("query", operation.query), ("body", operation.body if operation.takes_json else None)):
        for path, field in fields_of(serializer) if serializer else ():
            if names_ids(field):
                found[_key(place, path, field)] = _ids_of(field, cast.workspace)
    return {key: values for key, values in found.items() if values}


def _key(place: str, path: tuple, field) -> str:
    dotted = "".join("[*]" if part == 0 else f".{part}" for part in path)
    return f"{place}{dotted}" + ("[*]" if hasattr(field, "child") else "")


def _ids_of(field, workspace) -> list[str]:
    return [str(row_id) for row_id in field.queryset.all().for_workspace(workspace).values_list("pk", flat=True)[:5]]


def _block(operation: Operation, number: int, key: str, values: list[str]) -> str:
    return f"[dictionaries.{operation.id}_{number}]\nvalues = {json.dumps(values)}"


def _binding(operation: Operation, found: dict) -> str:
    lines = [
        f'"{key}" = {{ dictionary = "{operation.id}_{number}", probability = {HALF} }}'
        for number, key in enumerate(found)
    ]
    return "\n".join([f'[[operations]]\ninclude-operation-id = "{operation.id}"', "[operations.parameters]", *lines])
