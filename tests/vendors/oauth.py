"""Stand-ins for the authorization servers of Google and Microsoft, over real HTTP, with scripted faults.

    with OAuthServer("google") as server:
        server.url                  # for GOOGLE_OAUTH_BASE_URL
        server.tokens               # the access tokens that are good now: for the tests' SMTP and IMAP servers

Follows https://developers.google.com/identity/protocols/oauth2/web-server,
https://learn.microsoft.com/entra/identity-platform/v2-oauth2-auth-code-flow, RFC 6749 §4.1, §5, §6 and RFC 7636:

- the redirect address must be the registered one; the person of `account` consents at once (or `denies`)
- a code is good once, for the client, redirect address and PKCE verifier (S256) it was made with
- Google gives a refresh token when `access_type=offline`, and keeps it; Microsoft when the scope has `offline_access`,
  and gives a new one at each refresh. With `strict`, the old one ends then (RFC 6749 §6)
- errors are 400 `{"error", "error_description"}`, 401 for `invalid_client`. Unknown fields are refused
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlencode, urlsplit

CLIENT_ID, CLIENT_SECRET = "client-1", "client-secret-canary-77"
CALLBACK = "https://outbound.test/oauth/{}/callback"
PATHS = {
    "google": ("/o/oauth2/v2/auth", "/token"),
    "microsoft": ("/common/oauth2/v2.0/authorize", "/common/oauth2/v2.0/token"),
}
ASKED = {"response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method",
         "login_hint", "prompt"}  # fmt: skip
MAY_ASK = {"google": ASKED | {"access_type"}, "microsoft": ASKED | {"response_mode"}}
FIELDS = {
    "authorization_code": {"grant_type", "code", "redirect_uri", "code_verifier", "client_id", "client_secret"},
    "refresh_token": {"grant_type", "refresh_token", "client_id", "client_secret"},
}


@dataclass(frozen=True)
class Fault:
    """An answer of the token endpoint in place of its own: after `seconds`, `status` with `body`."""

    status: int = 200
    body: bytes = b""
    seconds: float = 0
    headers: tuple[tuple[str, str], ...] = ()


BUSY = Fault(503, b'{"error": "temporarily_unavailable"}')
HTML = Fault(200, b"<html><body>Sign in to the network first</body></html>")


class OAuthServer:
    """Seen afterwards: `asked` (the authorize requests), `refreshes` and `codes` (how many calls of each kind)."""

    def __init__(self, vendor: str, *, seconds: int = 3600, strict: bool = False, faults: list[Fault] | None = None):
        self.vendor, self.seconds, self.strict = vendor, seconds, strict
        self.faults = list(faults or [])
        self.denies = False
        self.asked: list[dict] = []
        self.refreshes = self.codes = 0
        self.waiting: dict[str, dict] = {}  # code: the request it was given for
        self.refresh_tokens: set[str] = set()
        self.tokens: set[str] = set()
        self.given: list[str] = []  # every secret that ever went out
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.owner = self
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "OAuthServer":
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def callback(self) -> str:
        return CALLBACK.format(self.vendor)

    def consent(self) -> tuple[str, str]:
        """A consent given some time ago: (access token, refresh token)."""
        return self.new_token(), self.new_refresh_token()

    def end_access(self) -> None:
        """Every access token has expired."""
        self.tokens.clear()

    def revoke(self) -> None:
        """The person withdraws what they consented to."""
        self.tokens.clear()
        self.refresh_tokens.clear()

    def new_token(self) -> str:
        token = "ya29.access-" + secrets.token_urlsafe(24)
        self.tokens.add(token)
        self.given.append(token)
        return token

    def new_refresh_token(self) -> str:
        token = "1//refresh-" + secrets.token_urlsafe(24)
        self.refresh_tokens.add(token)
        self.given.append(token)
        return token

    # --- the two endpoints --------------------------------------------------------------------------------------------

    def authorize(self, query: dict) -> str | None:
        """Where the person goes from here; None when the request is shown to them as an error."""
        wrong = set(query) - MAY_ASK[self.vendor]
        good = query.get("client_id") == CLIENT_ID and query.get("redirect_uri") == self.callback
        if wrong or not good or query.get("response_type") != "code" or query.get("code_challenge_method") != "S256":
            return None
        self.asked.append(query)
        if self.denies:
            return f"{self.callback}?{urlencode({'error': 'access_denied', 'state': query['state']})}"
        code = "4/code-" + secrets.token_urlsafe(16)
        self.waiting[code] = query
        return f"{self.callback}?{urlencode({'code': code, 'state': query['state']})}"

    def answer(self, form: dict) -> tuple[int, dict]:
        with self.lock:
            kind = form.get("grant_type", "")
            if kind not in FIELDS:
                return 400, {"error": "unsupported_grant_type"}
            if set(form) != FIELDS[kind]:
                return 400, {"error": "invalid_request", "error_description": f"{set(form) ^ FIELDS[kind]}"}
            if (form["client_id"], form["client_secret"]) != (CLIENT_ID, CLIENT_SECRET):
                return 401, {"error": "invalid_client"}
            return self.redeem(form) if kind == "authorization_code" else self.refresh(form["refresh_token"])

    def redeem(self, form: dict) -> tuple[int, dict]:
        self.codes += 1
        query = self.waiting.pop(form["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if not query or query["redirect_uri"] != form["redirect_uri"] or challenge.decode() != query["code_challenge"]:
            return 400, {"error": "invalid_grant", "error_description": "Malformed auth code."}
        offline = query.get("access_type") == "offline" or "offline_access" in query["scope"].split()
        return 200, self.tokens_for(self.new_refresh_token() if offline else "")

    def refresh(self, token: str) -> tuple[int, dict]:
        self.refreshes += 1
        if token not in self.refresh_tokens:
            return 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
        if self.strict:
            self.refresh_tokens.discard(token)
        return 200, self.tokens_for(self.new_refresh_token() if self.vendor == "microsoft" or self.strict else "")

    def tokens_for(self, refresh_token: str) -> dict:
        given = {"access_token": self.new_token(), "expires_in": self.seconds, "token_type": "Bearer", "scope": "mail"}
        return {**given, "refresh_token": refresh_token} if refresh_token else given


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def owner(self) -> OAuthServer:
        return self.server.owner  # type: ignore[attr-defined]

    def do_GET(self):  # noqa: N802  the base class's name
        parts = urlsplit(self.path)
        target = self.owner.authorize(dict(parse_qsl(parts.query))) if parts.path == self.paths[0] else None
        if target is None:
            return self.say(400, b"<html>Error 400: invalid_request</html>")
        return self.say(302, b"", (("Location", target),))

    def do_POST(self):  # noqa: N802  the base class's name
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path != self.paths[1] or self.headers["Content-Type"] != "application/x-www-form-urlencoded":
            return self.say(404, b"")
        with self.owner.lock:
            fault = self.owner.faults.pop(0) if self.owner.faults else None
        if fault is not None:
            time.sleep(fault.seconds)
            if fault.body or fault.status != 200:
                return self.say(fault.status, fault.body, fault.headers)
        status, data = self.owner.answer(dict(parse_qsl(body.decode(), keep_blank_values=True)))
        return self.say(status, json.dumps(data).encode(), (("Content-Type", "application/json"),))

    @property
    def paths(self) -> tuple[str, str]:
        return PATHS[self.owner.vendor]

    def say(self, status: int, body: bytes, headers=()) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args) -> None:
        """Quiet: what a test wants to know is counted."""
