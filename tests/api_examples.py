"""Asks the API for the examples that its document and its pages show, and writes those pages (`make examples`)."""

import json
import re
from pathlib import Path

from django.contrib.auth import get_user_model

from apikeys.services import add_member
from tests.contract import EXAMPLES, operations, request_of
from tests.test_contract import ALL, each, raw, send_to

ROOT = Path(__file__).resolve().parents[1]
PAGE, API_PAGE = ROOT / "docs/endpoints.md", ROOT / "docs/api.md"
TABLE = re.compile(r"(?<=<!-- endpoints: make examples -->\n).*(?=<!-- /endpoints -->)", re.S)
# What differs from one time to the next, and what stands there instead.
STABLE = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", "2026-04-24 14:32 UTC"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "2026-04-24T14:32:10.000Z"),
    (r"aiob_(test|live)_\w{9,}", r"aiob_\1_…"),
    (r"aiob_(test|live)_\w{8}", r"aiob_\1_3vQx9LmT"),
    (r"whsec_[\w+/=-]+", "whsec_…"),
    (r"eyJ[\w.-]+", "eyJ…"),
    (r"/u/[\w:.-]+", "/u/…"),
    (r'"secret": "[^"]+"', '"secret": "…"'),
)
HEAD = """# Every endpoint

One example of each, as the API answered it (`make examples` asks anew). In common to all: [api.md](api.md);
every field with its type and limits is in `/api/v1/openapi.json`.
"""


def answers(cast, key: str) -> dict[str, tuple]:
    """{operation id: (path, query, body, the answer)}, each in the same world."""
    found = {}
    for operation in each(ALL):
        path, body = request_of(operation, cast)
        path = path.replace("as=csv", "as=json")
        answer = send_to(path, operation, body, key)
        assert answer.status_code == EXAMPLES[operation.id].status, (operation.id, answer.content)
        found[operation.id] = (*path.partition("?")[::2], body, answer)
    return found | _signing_in(cast)


def _signing_in(cast) -> dict[str, tuple]:
    """The two that are asked without a key."""
    user = get_user_model().objects.create_user("ann@you.example", password="correct horse battery")  # noqa: S106
    add_member(workspace=cast.workspace, user=user, role="member")
    found, body = {}, {"email": user.username, "password": "correct horse battery"}
    for name, path in (("create_token", "/auth/token"), ("refresh_token", "/auth/token/refresh")):
        found[name] = (path, "", body, raw("POST", path, body))
        body = {"refresh": found[name][3].json()["data"].get("refresh")}
    return found


def example_of(path: str, query: str, body, answer) -> dict:
    request = body.decode() if isinstance(body, bytes) else body
    shown = {
        "path": path, "query": query, "request": request, "status": answer.status_code,
        "answer": answer.json() if answer.content else None,
    }  # fmt: skip
    text = json.dumps(shown, ensure_ascii=False)
    for pattern, instead in STABLE:
        text = re.sub(pattern, instead, text)
    ids: dict[str, str] = {}
    return json.loads(
        re.sub(
            r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
            lambda found: ids.setdefault(found[0], f"019b76da-a800-7000-8000-{len(ids) + 1:012d}"),
            text,
        )
    )


def page(document: dict, examples: dict) -> str:
    """docs/endpoints.md."""
    parts, last = [HEAD.rstrip()], ""
    for (method, path), operation in sorted(_by_tag(document), key=lambda found: found[1]["tags"]):
        tag = operation["tags"][0]
        parts += [f"## {tag.capitalize()}"] if tag != last else []
        parts.append(_endpoint(method, path, operation, examples[operation["operationId"]]))
        last = tag
    return "\n\n".join(parts) + "\n"


def table(document: dict) -> str:
    """The rows of docs/api.md."""
    scopes = {operation.id: f"`{operation.scope}`" for operation in operations()}
    lines = ["| endpoint | what it does | scope |", "|---|---|---|"]
    for (method, path), operation in _by_tag(document):
        name = operation["operationId"]
        link = f"[`{method} {path}`](endpoints.md#{name})"
        lines.append(f"| {link} | {operation['summary'].replace('|', ' ')} | {scopes.get(name, '–')} |")
    return "\n".join(lines) + "\n"


def _by_tag(document: dict) -> list[tuple[tuple[str, str], dict]]:
    return [
        ((method.upper(), re.sub(r"{\w+}", ":id", path.removeprefix("/api/v1"))), operation)
        for path, there in document["paths"].items()
        for method, operation in there.items()
    ]


def _endpoint(method: str, path: str, operation: dict, example: dict) -> str:
    query = f"?{example['query']}" if example["query"] else ""
    parts = [f"### {operation['operationId']}", operation["summary"] + ".", f"`{method} {path}{query}`"]
    if example["request"] is not None:
        parts.append(_block(example["request"]))
    parts.append(f"→ {example['status']}")
    if example["answer"] is not None:
        parts.append(_block(example["answer"]))
    return "\n\n".join(parts)


def _block(value) -> str:
    if isinstance(value, str):
        return f"```\n{value.rstrip()}\n```"
    return f"```json\n{json.dumps(value, indent=2, ensure_ascii=False)}\n```"
