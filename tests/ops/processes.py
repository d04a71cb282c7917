"""Starts real commands of the product on a data folder of their own, and waits for what they say or leave."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180.0  # seconds before a wait fails: far more than is needed, so that a busy machine fails nothing


def environment(home: Path, **more: str) -> dict:
    ours = {"PATH", "HOME", "LANG", "TMPDIR", "VIRTUAL_ENV"}
    base = {name: value for name, value in os.environ.items() if name in ours}
    return {**base, "OUTBOUND_HOME": str(home), "DJANGO_SETTINGS_MODULE": "outbound.settings", **more}


@contextmanager
def running(*command: str, env: dict, log: Path):
    """The process of `python …` in the repository; killed at the end if it is still there."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_until(what: Callable[[], object], *, why: str, log: Path | None = None):
    """The first truthy answer of `what`; fails with `why` and the end of the log after PATIENCE."""
    give_up_at = time.monotonic() + PATIENCE
    while time.monotonic() < give_up_at:
        answer = what()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited in vain for {why}\n{log.read_text()[-3000:] if log and log.exists() else ''}")


def descendants(pid: int) -> set[int]:
    """Every living process below `pid`."""
    listing = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = dict(map(int, line.split()) for line in listing.splitlines())
    found, new = set(), {pid}
    while new:
        new = {child for child, parent in parents.items() if parent in new}
        found |= new
    return found


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # the second: it went between the open and the read
        return False
