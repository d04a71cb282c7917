"""The one outgoing HTTP helper: guarded addresses, one time limit for the whole exchange, errors as values.

The address that was checked is the one that is connected to (outbound/net.py), so a name that resolves differently the
second time gains nothing. Redirects are answers like any other: they are never followed. Nothing is unpacked, no proxy
of the environment is used, no connection is kept.
"""

import ssl
import time
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache

import httpcore2
import httpx2

from outbound import net

HTTPS_PORTS = frozenset({443, 8443})
TIMEOUT_SECONDS = 15.0
MAX_ANSWER_BYTES = 64 * 1024
MAX_URL = 2000
AGENT = "outbound/1"
GENERIC = f"Give an https address on a public host, port {' or '.join(map(str, sorted(HTTPS_PORTS)))}."


class UrlRefused(ValueError):
    """The URL may not be called. One sentence for every reason: it must not tell what is behind our walls."""

    def __init__(self):
        super().__init__(GENERIC)


@dataclass(frozen=True)
class Answer:
    """What came back. `status` 0: nothing did, and `error` says why in a word or two. `body` is cut at the limit."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str = ""
    milliseconds: int = 0

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300


def check_url(url: str, *, timeout: float = 5) -> None:
    """Raise UrlRefused unless the URL may be called: its form, its port, every address that its host resolves to."""
    try:
        parts = _parts(url)
        _targets(parts.scheme, parts.host, _port(parts), timeout=timeout)
    except (net.AddressRefused, OSError, ValueError):
        raise UrlRefused() from None


def request(
    method: str,
    url: str,
    *,
    content: bytes = b"",
    headers: dict[str, str] | None = None,
    timeout: float = TIMEOUT_SECONDS,
    max_bytes: int = MAX_ANSWER_BYTES,
) -> Answer:
    """One request, no retry, `timeout` seconds for all of it. Never raises for what the other side or the guard does.

    `error` is one of: refused (the guard), timeout, tls, connect, protocol, too_large (with status and first bytes).
    """
    began = time.monotonic()
    try:
        parts = _parts(url)
        answer = _exchange(method, parts, content, headers or {}, began + timeout, max_bytes)
    except TROUBLES as error:
        answer = Answer(error=_word_for(error))
    return _timed(answer, began)


class Line:
    """A connection that stands before anything is asked over it, for one request that must not be late.

    Whatever fails while it is opened, nothing was asked. Once `request()` is called, an answer with an `error` says
    nothing about what the other side did.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT_SECONDS):
        """Look up, check, connect, encrypt. Raises LineFailed."""
        deadline = time.monotonic() + timeout
        try:
            self._parts = _parts(url)
            self._stream = _open(self._parts, deadline)
        except TROUBLES as error:
            raise LineFailed(_word_for(error)) from error

    def is_open(self) -> bool:
        """Whether the other side has neither hung up nor spoken out of turn."""
        try:
            self._stream.sock.settimeout(0)
            self._stream.sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            pass
        return False

    def request(
        self, method: str, path: str, *, content: bytes = b"", headers: dict[str, str] | None = None,
        timeout: float = TIMEOUT_SECONDS, max_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:  # fmt: skip
        """The one request; the line is closed after it. Never raises for what the other side does."""
        began = time.monotonic()
        self._stream.deadline = began + timeout
        try:
            url = httpx2.URL(str(self._parts).rstrip("/") + path)
            origin = httpcore2.Origin(url.raw_scheme, url.raw_host, _port(url))
            with httpcore2.HTTP11Connection(origin, self._stream) as connection:
                asked = httpcore2.Request(
                    method, _core(url), headers=_raw(url, content, headers or {}), content=content
                )
                response = connection.handle_request(asked)
                with closing(response):
                    answer = _read(response, max_bytes)
        except TROUBLES as error:
            answer = Answer(error=_word_for(error))
        finally:
            self.close()
        return _timed(answer, began)

    def close(self) -> None:
        self._stream.close()


class LineFailed(Exception):
    """No line; `word` is one of request()'s errors. Nothing was asked."""

    def __init__(self, word: str):
        super().__init__(word)
        self.word = word


TROUBLES = (
    ssl.SSLError, net.AddressRefused, ValueError, httpcore2.TimeoutException, TimeoutError, httpcore2.NetworkError,
    OSError, httpcore2.ProtocolError,
)  # fmt: skip


def _word_for(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):  # before ValueError: a certificate that is not verified is one
        return "tls"
    if isinstance(error, (net.AddressRefused, ValueError)):
        return "refused"
    if isinstance(error, (httpcore2.TimeoutException, TimeoutError)):
        return "timeout"
    return "protocol" if isinstance(error, httpcore2.ProtocolError) else "connect"


def _timed(answer: Answer, began: float) -> Answer:
    took = int((time.monotonic() - began) * 1000)
    return Answer(answer.status, answer.headers, answer.body, answer.error, took)


def _open(parts: httpx2.URL, deadline: float) -> "_Timed":
    stream = _Guarded(parts.scheme, deadline).connect_tcp(parts.host, _port(parts))
    return stream if parts.scheme == "http" else stream.start_tls(tls_context(), server_hostname=parts.host)


def _parts(url: str) -> httpx2.URL:
    if len(url) > MAX_URL:
        raise ValueError("too long")
    try:
        parts = httpx2.URL(url)
    except httpx2.InvalidURL as error:
        raise ValueError(str(error)) from None
    if parts.scheme not in ("https", "http") or not parts.host or parts.userinfo:
        raise ValueError("not an address to call")
    return parts


def _port(parts) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _targets(scheme: str, host: str, port: int, *, timeout: float) -> list[net.Target]:
    """Plain http only inside the operator's own networks: elsewhere anyone on the way could read and change it."""
    targets = net.targets_for(host, port, ports=HTTPS_PORTS, timeout=timeout)
    if scheme != "https" and not all(target.private for target in targets):
        raise net.AddressRefused("Only https outside the private networks.")
    return targets


def _exchange(method, parts, content, headers, deadline: float, max_bytes: int) -> Answer:
    with (
        httpcore2.ConnectionPool(
            ssl_context=tls_context(), network_backend=_Guarded(parts.scheme, deadline), max_connections=1
        ) as pool,
        pool.stream(method, _core(parts), headers=_raw(parts, content, headers), content=content) as response,
    ):
        return _read(response, max_bytes)


def _core(parts: httpx2.URL) -> httpcore2.URL:
    return httpcore2.URL(scheme=parts.raw_scheme, host=parts.raw_host, port=parts.port, target=parts.raw_path)


def _raw(parts: httpx2.URL, content: bytes, headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    sent = {"host": parts.netloc.decode("ascii"), "user-agent": AGENT, "accept-encoding": "identity", **headers}
    sent |= {"content-length": str(len(content)), "connection": "close"}
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in sent.items()]


def _read(response: httpcore2.Response, max_bytes: int) -> Answer:
    body = b""
    for chunk in response.iter_stream():
        body += chunk
        if len(body) > max_bytes:
            break
    named = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers)
    return Answer(response.status, named, body[:max_bytes], "too_large" if len(body) > max_bytes else "")


@lru_cache(maxsize=1)
def tls_context() -> ssl.SSLContext:
    """Shared: making one costs 24 ms."""
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


class _Guarded(httpcore2.NetworkBackend):
    """Connects to checked addresses only, and holds every step to one deadline."""

    def __init__(self, scheme: str, deadline: float):
        self._scheme, self._deadline = scheme, deadline

    def connect_tcp(self, host, port, timeout=None, local_address=None, socket_options=None):
        targets = _targets(self._scheme, host, port, timeout=_left(self._deadline))
        return _Timed(net.connect(targets, timeout=_left(self._deadline)), self._deadline)

    def connect_unix_socket(self, path, timeout=None, socket_options=None):
        raise net.AddressRefused("No sockets of this machine.")


class _Timed(httpcore2.NetworkStream):
    """A stream whose every read and write gets what is left of the whole time: a byte a second does not prolong it."""

    def __init__(self, sock, deadline: float):
        self.sock, self.deadline = sock, deadline

    def _ready(self):
        self.sock.settimeout(_left(self.deadline))
        return self.sock

    def read(self, max_bytes, timeout=None):
        return self._ready().recv(max_bytes)

    def write(self, buffer, timeout=None):
        try:
            self._ready().sendall(buffer)
        except TimeoutError:
            raise
        except OSError as error:
            raise httpcore2.WriteError(str(error)) from error  # a server may answer before it has read everything

    def close(self):
        self.sock.close()

    def start_tls(self, ssl_context, server_hostname=None, timeout=None):
        try:
            sock = ssl_context.wrap_socket(self._ready(), server_hostname=server_hostname)
        except (OSError, ValueError):
            self.close()
            raise
        return _Timed(sock, self.deadline)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("time is up")
    return left
