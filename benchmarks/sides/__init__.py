"""What runs in processes of its own: each makes itself ready, waits for the start, works, and says what it took."""

import json
import resource
import sys
import time
from collections.abc import Callable


def run(work: Callable[[], int]) -> None:
    """Say ready, wait for the start, do the work (it returns how many units), say what it took; go when told to."""
    print("ready", flush=True)
    sys.stdin.readline()
    wall, before = time.monotonic(), _cpu()
    units = work()
    print(json.dumps({"units": units, "wall": time.monotonic() - wall, "cpu": _cpu() - before}), flush=True)
    sys.stdin.read()


def _cpu() -> float:
    """Of this process and of the children it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)
