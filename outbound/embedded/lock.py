"""One `up` for each data folder."""

import fcntl
import os
from pathlib import Path


class AlreadyHeld(Exception):
    """Somebody else has the lock; `pid` says who, as far as the file tells."""

    def __init__(self, pid: str):
        super().__init__(pid)
        self.pid = pid


def hold(path: Path) -> int:
    """Take the lock until this process ends, however it ends. Returns the descriptor; children do not inherit it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.read(descriptor, 20).decode().strip()
        os.close(descriptor)
        raise AlreadyHeld(pid or "unknown") from None
    os.ftruncate(descriptor, 0)
    os.write(descriptor, f"{os.getpid()}\n".encode())
    return descriptor
