"""What an answer acknowledges: from now on nothing leaves for these addresses.

A write says it where it happens, on any floor. The floors below the post office cannot ask it whether a mail is between
its commit and its dot; the roof does (outbound/middleware.py), after the commit and before the answer goes out.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_promised: ContextVar[set | None] = ContextVar("promised", default=None)


def nothing_more_to(workspace_id, values: Iterable[str]) -> None:
    """Addresses, or whole domains as `@acme.com`. Outside a request nobody waits for an answer, and nothing happens."""
    promised = _promised.get()
    if promised is not None:
        promised.update((workspace_id, value) for value in values)


@contextmanager
def promises() -> Iterator[set]:
    """Collects what is promised inside: (workspace id, value) pairs."""
    promised: set = set()
    token = _promised.set(promised)
    try:
        yield promised
    finally:
        _promised.reset(token)
