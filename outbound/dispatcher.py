"""Threads in every worker that look for due work without the broker: with the broker away, mail is seconds late."""

import logging
import threading
import time
from collections.abc import Callable

from django.conf import settings
from django.db import close_old_connections

logger = logging.getLogger(__name__)


class Dispatcher:
    """Calls each piece of work when its period is over, one after the other, until told to stop."""

    def __init__(self, due_work: Callable[[], list[tuple[Callable, int]]], *, name: str = "dispatcher"):
        """`due_work()` gives (function taking `stop`, seconds) pairs; asked in the thread, once, at its start."""
        self._due_work = due_work
        self._name = name
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None or not self._thread.is_alive():
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def ask_to_stop(self) -> None:
        self._stop.set()

    def join(self, timeout: float = 10) -> None:
        """Wait for the work in hand; what is cut off all the same is freed by its lease."""
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            periods = dict(self._due_work())
        except Exception:  # noqa: BLE001  a thread's traceback would pass the log by
            logger.exception("The dispatcher cannot start; due work waits for the broker's ticks.")
            return
        due_at = dict.fromkeys(periods, 0.0)
        while not self._stop.is_set():
            for work, period in periods.items():
                if time.monotonic() >= due_at[work] and not self._stop.is_set():
                    self._call(work)
                    due_at[work] = time.monotonic() + period
            self._stop.wait(min(1, *periods.values()))
        close_old_connections()

    def _call(self, work: Callable) -> None:
        try:
            work(stop=self._stop.is_set)
        except Exception:  # noqa: BLE001  whatever it was, mail of others must go on
            logger.exception("Looking for due work failed; trying again.")
        finally:
            close_old_connections()  # an error may have left it broken


def _due_work() -> list[tuple[Callable, int]]:
    from campaigns.services import tick
    from sending.services import dispatch

    return [
        (lambda *, stop: tick(), settings.SEND_TICK_SECONDS),
        (dispatch, settings.DISPATCH_SECONDS),
    ]


def _mail_to_read() -> list[tuple[Callable, int]]:
    """Beside the other: mail that comes in does not wait for mail that goes out, nor the other way round."""
    from sending.services import watcher

    return [(watcher.turn, 1)]


dispatcher = Dispatcher(_due_work)
reader = Dispatcher(_mail_to_read, name="reader")
