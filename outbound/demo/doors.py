"""The two public doors, from the outside: REST and MCP over HTTP, with nothing but Python's own library."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import urlencode

PATIENCE = 60  # seconds for one answer
TRIES = 5


class Refused(Exception):
    """The product said no, or did not answer. The sentence is what it said."""


class Rest:
    """Answers are {"success": true, "data": …}, failures {"success": false, "error": "sentence", …}."""

    def __init__(self, *, url: str, key: str):
        self.url = f"{url}/api/v1"
        self.key = key

    def get(self, path: str, **query):
        return self._ask("GET", path, query=query)["data"]

    def post(self, path: str, body: dict | list | None = None, *, idempotency_key: str = ""):
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self._ask("POST", path, content=json.dumps(body or {}).encode(), headers=headers)["data"]

    def patch(self, path: str, body: dict):
        return self._ask("PATCH", path, content=json.dumps(body).encode())["data"]

    def upload(self, path: str, *, content: bytes, content_type: str, **query):
        return self._ask("POST", path, query=query, content=content, headers={"Content-Type": content_type})["data"]

    def every(self, path: str, **query) -> Iterator[dict]:
        """All rows of a list, page after page."""
        page, pages = 1, 1
        while page <= pages:
            answer = self._ask("GET", path, query={**query, "page": page, "limit": 100})
            yield from answer["data"]
            page, pages = page + 1, answer["meta"]["totalPages"]

    def _ask(self, method: str, path: str, *, query=None, content: bytes | None = None, headers=None) -> dict:
        address = f"{self.url}{path}" + (f"?{urlencode(query)}" if query else "")
        return ask(method, address, key=self.key, content=content, headers=headers)


class Tools:
    """The MCP door: one POST per call, no handshake needed."""

    def __init__(self, *, url: str, key: str):
        self.url = f"{url}/api/mcp"
        self.key = key

    def call(self, tool: str, **arguments) -> dict:
        """What the tool returned as structured content; Refused with its own sentence when it failed."""
        request = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": tool, "arguments": arguments},
        }
        answer = ask("POST", self.url, key=self.key, content=json.dumps(request).encode())
        if "error" in answer:
            raise Refused(f"{tool}: {answer['error']['message']}")
        result = answer["result"]
        if result.get("isError"):
            raise Refused(f"{tool}: {result['content'][0]['text']}")
        return result["structuredContent"]


def ask(method: str, address: str, *, key: str, content: bytes | None = None, headers=None) -> dict:
    """One request, one JSON answer. Who asks too often is told how long to wait, and does."""
    sent = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(address, data=content, method=method, headers=sent)
    for _ in range(TRIES):
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            refusal = f"{method} {address} → {error.code}: {_sentence(error.read())}"
            if error.code != 429:
                raise Refused(refusal) from None
            time.sleep(int(error.headers.get("Retry-After", 1)))
        except OSError as error:
            raise Refused(f"{method} {address}: no answer ({error})") from None
    raise Refused(refusal)


def _sentence(body: bytes) -> str:
    try:
        answer = json.loads(body)
        return f"{answer['error']} {answer.get('details') or ''}".strip()
    except (ValueError, KeyError, TypeError):
        return body[:300].decode(errors="replace")
