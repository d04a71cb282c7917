"""One example of a request and its answer for each operation, as the API itself once answered: `make examples`.

{operation id: {"path", "query", "request", "status", "answer"}}; ids, keys and times are made stable, the rest is real.
tests/test_api_examples.py holds them to the present answers.
"""

import json
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("examples.json")


@cache
def examples() -> dict[str, dict]:
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def with_examples(result: dict, **_) -> dict:
    """The OpenAPI document with each operation's example in its place."""
    for operation in _operations(result):
        example = examples().get(operation["operationId"])
        if example is None:
            continue
        for content in operation.get("requestBody", {}).get("content", {}).values():
            content["example"] = example["request"]
        content = operation["responses"][str(example["status"])].get("content", {})
        if "application/json" in content:  # a table is shown as text
            content["application/json"]["example"] = example["answer"]
    return result


def _operations(document: dict):
    for there in document["paths"].values():
        yield from (operation for operation in there.values() if isinstance(operation, dict))
