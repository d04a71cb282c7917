"""Keeps a few child processes alive and stops them in order. Knows nothing of what they do."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

LONGEST_PAUSE = 30.0  # seconds before a child that keeps dying is started again
STEADY_AFTER = 60.0  # seconds of life after which its earlier deaths are forgiven
PR_SET_PDEATHSIG = 1


@dataclass
class Child:
    """One command in a process group of its own, so that Ctrl-C in the terminal reaches only the supervisor."""

    name: str
    command: list[str]
    patience: float  # seconds it may take to stop before it is killed
    pass_fds: tuple[int, ...] = ()
    process: subprocess.Popen | None = field(default=None, init=False)
    deaths: int = field(default=0, init=False)
    started_at: float = field(default=0.0, init=False)
    start_again_at: float = field(default=0.0, init=False)

    def start(self, *, folder: str, environment: dict) -> None:
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            self.command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            process_group=0,
            pass_fds=self.pass_fds,
            preexec_fn=_die_with(os.getpid()) if sys.platform == "linux" else None,
        )

    def ended_with(self) -> int | None:
        return None if self.process is None else self.process.poll()

    def stop(self) -> None:
        """Ask, wait, and then end the whole group: a child that ended well has left nobody in it."""
        if self.process is None:
            return
        _signal_group(self.process.pid, signal.SIGTERM)
        try:
            self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            _signal_group(self.process.pid, signal.SIGKILL)
            self.process.wait()
        _signal_group(self.process.pid, signal.SIGKILL)


class Supervisor:
    """`children` in the order they are stopped in; started in the reverse one."""

    def __init__(self, children: list[Child], *, folder: str, environment: dict, tell: Callable[[str], None]):
        self.children = children
        self._folder = folder
        self._environment = environment
        self._tell = tell
        self._stopping = threading.Event()

    def run(self, *, on_each_round: Callable[[], None]) -> None:
        """Until SIGINT, SIGTERM or SIGHUP; returns when the last child has ended."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self._stopping.set())
        try:
            for child in reversed(self.children):
                child.start(folder=self._folder, environment=self._environment)
            while not self._stopping.wait(0.2):
                for child in self.children:
                    self._revive(child)
                on_each_round()
        finally:
            self._tell("Stopping …")
            for child in self.children:
                child.stop()

    def _revive(self, child: Child) -> None:
        status = child.ended_with()
        now = time.monotonic()
        if status is None or child.process is None:
            return
        if not child.start_again_at:
            _signal_group(child.process.pid, signal.SIGKILL)  # what a dead master leaves behind would work twice
            child.deaths = 1 if now - child.started_at > STEADY_AFTER else child.deaths + 1
            pause = min(2.0 ** (child.deaths - 1), LONGEST_PAUSE)
            child.start_again_at = now + pause
            self._tell(f"{child.name} ended ({_reason(status)}); starting it again in {pause:.0f} s.")
        elif now >= child.start_again_at:
            child.start_again_at = 0.0
            child.start(folder=self._folder, environment=self._environment)


def _die_with(parent: int) -> Callable[[], None]:
    """Runs in the child before its program: Linux tells it to stop when the supervisor is gone, even by kill -9."""
    libc = ctypes.CDLL(None, use_errno=True)

    def prepare() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died between the fork and the line above
            os._exit(1)

    return prepare


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, number)


def _reason(status: int) -> str:
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"status {status}"
