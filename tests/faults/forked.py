"""Work done in a process forked from the test's own, warm one, which dies where it is told to.

An operation is one SQL statement, one COMMIT or ROLLBACK, one write to or one read from a socket. Dying before each of
them in turn is dying between any two things that the world can see.
"""

import ctypes
import os
import signal
import socket
import time
import traceback
from collections.abc import Callable

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from outbound import failpoints

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG
PATIENCE = 60.0  # seconds: far more than is needed, so that a busy machine fails nothing


class Operations:
    """Counts, and kills the process before the n-th (0: never)."""

    def __init__(self, die_before: int):
        self.die_before, self.done = die_before, 0

    def count(self) -> None:
        self.done += 1
        if self.done == self.die_before:
            os.kill(os.getpid(), signal.SIGKILL)

    def watch(self) -> None:
        connection.execute_wrappers.append(self._statement)
        for owner, name in (
            (BaseDatabaseWrapper, "_commit"), (BaseDatabaseWrapper, "_rollback"),
            (socket.socket, "sendall"), (socket.socket, "recv"),
        ):  # fmt: skip
            setattr(owner, name, self._counted(getattr(owner, name)))

    def _statement(self, execute, *arguments):
        self.count()
        return execute(*arguments)

    def _counted(self, original: Callable) -> Callable:
        def operation(*arguments, **named):
            self.count()
            return original(*arguments, **named)

        return operation


_living: list["Child"] = []


def kill_the_rest() -> None:
    """Those that a test which failed has left: one that is stopped may hold locks that the next test waits for."""
    for child in list(_living):
        child.kill()


class Child:
    """`work` in a process of its own. `die_before`: the operation it does not live to begin. `faults`: failpoints."""

    def __init__(self, work: Callable, *, die_before: int = 0, faults: str = ""):
        connections.close_all()
        self.pid = os.fork()
        if self.pid == 0:
            self._run(work, die_before, faults)
        _living.append(self)

    def _run(self, work: Callable, die_before: int, faults: str) -> None:
        """Never returns: what pytest would do next is not this process's business."""
        try:
            # One that is stopped would outlive a test that fails, and keep its output open for whoever waits for it.
            ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
            failpoints.arm(faults)
            if die_before:
                Operations(die_before).watch()
            work()
            os._exit(0)
        except BaseException:  # noqa: BLE001
            traceback.print_exc()
        os._exit(1)

    def wait(self, *, stopped: bool = False) -> str:
        """How it ended: "done", "failed" or "killed"; with `stopped` also "stopped", which is no end."""
        give_up_at = time.monotonic() + PATIENCE
        while time.monotonic() < give_up_at:
            pid, status = os.waitpid(self.pid, os.WNOHANG | (os.WUNTRACED if stopped else 0))
            if pid:
                return self._ended(_word(status))
            time.sleep(0.002)
        self.kill()
        raise AssertionError("The process did not end.")

    def _ended(self, word: str) -> str:
        if word != "stopped":
            _living.remove(self)
        return word

    def go_on(self) -> str:
        os.kill(self.pid, signal.SIGCONT)
        return self.wait()

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self._ended("killed")


def _word(status: int) -> str:
    if os.WIFSTOPPED(status):
        return "stopped"
    if os.WIFSIGNALED(status):
        return "killed"
    return "failed" if os.WEXITSTATUS(status) else "done"


def killed_at_each_operation(prepare: Callable[[], Callable], check: Callable) -> int:
    """For n = 1, 2, 3 … until the work completes: prepare() gives the work, a process dies before its n-th operation,
    check(number, completed) says what must hold. Returns how many died."""
    number, completed = 0, False
    while not completed:
        number += 1
        end = Child(prepare(), die_before=number).wait()
        assert end in ("killed", "done")
        completed = end == "done"
        check(number, completed)
    return number - 1
