"""One measured run: processes that are started, made ready, let go together, and watched until the last has ended."""

import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.places import ROOT

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Run:
    """What one run did: units of work, seconds of wall clock, seconds of CPU of its processes and of the database."""

    units: int
    wall: float
    cpu: float
    database_cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.units / self.wall

    @property
    def cost(self) -> float:
        """Milliseconds of CPU a unit, everywhere."""
        return 1000 * (self.cpu + self.database_cpu) / self.units


def race(side: str, *args, env: dict, processes: int = 1) -> Run:
    """Run `benchmarks.sides.<side>` in so many processes at once. Each says how much it did and what CPU it took."""
    racers = [_start(side, args, env) for _ in range(processes)]
    try:
        for racer in racers:
            _line(racer, side)
        with BackendWatch(env.get("DATABASE_URL", "")) as backends:
            began = time.monotonic()
            for racer in racers:
                racer.stdin.write("go\n")
                racer.stdin.flush()
            told = [json.loads(_line(racer, side)) for racer in racers]
            wall = time.monotonic() - began
        return Run(sum(each["units"] for each in told), wall, sum(each["cpu"] for each in told), backends.seconds)
    finally:
        for racer in racers:
            racer.stdin.close()
            racer.wait(300)
            racer.stdout.close()


def _start(side: str, args, env: dict) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.sides.{side}", *map(str, args)],
        cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def _line(racer: subprocess.Popen, side: str) -> str:
    line = racer.stdout.readline()
    if not line:
        raise RuntimeError(f"{side} ended with {racer.wait()} before it was done; its words are above.")
    return line


class BackendWatch:
    """CPU of a database's server processes while it lasts. Looked at ten times a second: they end with their client."""

    def __init__(self, url: str):
        self.name = urlsplit(url).path.lstrip("/").encode()
        self.first, self.last = {}, {}
        self.over = threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self):
        self.first = _cpu_of(self.name)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()
        self.last |= _cpu_of(self.name)

    def _watch(self):
        while not self.over.wait(0.1):
            self.last |= _cpu_of(self.name)

    @property
    def seconds(self) -> float:
        return sum(ticks - self.first.get(pid, 0) for pid, ticks in self.last.items()) / TICKS


def _cpu_of(database: bytes) -> dict[str, int]:
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            title = (folder / "cmdline").read_bytes()
            if database and title.startswith(b"postgres:") and database in title:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                found[folder.name] = int(fields[11]) + int(fields[12])
        except OSError:
            continue  # it has ended since
    return found
