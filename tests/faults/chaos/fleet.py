"""Worker processes forked from one warm parent, and what is done to them: killed, stopped and woken.

Each runs the product's own dispatcher, which plans and sends without a broker. The parent has no thread and, at the
moment of a fork, no connection, so that a child starts with nothing of its own but loaded modules.
"""

import ctypes
import os
import random
import signal
import time
import uuid

from django.db import connections

from campaigns.services import tick
from outbound.dispatcher import Dispatcher
from sending.services import dispatch, watcher

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def due_work():
    """Sending first: a worker lives a fraction of a second here."""
    return [(dispatch, 1), (lambda *, stop: tick(), 1)]


def mail_to_read():
    return [(watcher.turn, 1)]


class Fleet:
    """`size` workers; `log` takes what they say on stderr. With `reads` they look into mailboxes, too."""

    def __init__(self, size: int, log, *, reads: bool = False):
        self.log, self.pids, self.reads = log, [], reads
        self.asleep: list[tuple[float, int]] = []  # (when to wake it, pid)
        for _ in range(size):
            self.fork()

    def fork(self) -> None:
        connections.close_all()
        pid = os.fork()
        if pid == 0:
            _live(self.log.fileno(), self.reads)
        self.pids.append(pid)

    def kill(self, rng: random.Random) -> None:
        """SIGKILL to one of them, wherever it is, and another in its place."""
        pid = self.pids.pop(rng.randrange(len(self.pids)))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.fork()

    def stop(self, rng: random.Random, *, seconds: float) -> bool:
        """SIGSTOP to one that is awake; wake() lets it go on after so long. False while all but two sleep."""
        awake = sorted(set(self.pids) - {pid for _, pid in self.asleep})
        if len(awake) <= 2:
            return False
        pid = rng.choice(awake)
        os.kill(pid, signal.SIGSTOP)
        self.asleep.append((time.monotonic() + seconds, pid))
        return True

    def wake(self, *, all_of_them: bool = False) -> None:
        due = [each for each in self.asleep if all_of_them or each[0] <= time.monotonic()]
        for each in due:
            self.asleep.remove(each)
            os.kill(each[1], signal.SIGCONT)

    def died(self) -> int:
        """How many ended without being killed by us."""
        gone = [pid for pid in self.pids if os.waitpid(pid, os.WNOHANG)[0]]
        self.pids = [pid for pid in self.pids if pid not in gone]
        return len(gone)

    def end(self) -> None:
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        self.pids = []


def _live(log: int, reads: bool) -> None:
    """A worker's life; it never returns."""
    try:
        ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
        os.dup2(log, 2)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        random.seed()
        Dispatcher(due_work).start()
        if reads:
            watcher.me = uuid.uuid4()  # the parent's is everybody's
            Dispatcher(mail_to_read, name="reader").start()
        while True:
            signal.pause()
    finally:
        os._exit(1)
