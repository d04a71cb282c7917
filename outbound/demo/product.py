"""The product as a child process: `manage.py up`, with shorter ticks than usual so that nobody has to wait."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from outbound.demo.doors import Refused

START_WITHIN = 300.0  # seconds
STOP_WITHIN = 60.0
HASTE = {"SEND_TICK_SECONDS": "1", "DISPATCH_SECONDS": "1"}


class Product:
    """Start it, use `url`, stop it. What it says goes to demo.log in the data folder."""

    def __init__(self, *, folder: Path, home: Path):
        self.folder, self.home = folder, home
        self.log = home / "demo.log"
        self.url = ""
        self._process: subprocess.Popen | None = None

    def start(self, *, port: int) -> None:
        ready = self.home / "up.json"
        environment = {**os.environ, **HASTE, "OUTBOUND_HOME": str(self.home), "PYTHONUNBUFFERED": "1"}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "up", "--port", str(port)],
                cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                process_group=0,  # Ctrl-C is ours: we stop it in order
            )  # fmt: skip
        give_up_at = time.monotonic() + START_WITHIN
        while not self._is_ready(ready):
            if self._process.poll() is not None or time.monotonic() > give_up_at:
                raise Refused(f"The product did not start:\n{self.last_words()}")
            time.sleep(0.1)
        self.url = json.loads(ready.read_text())["url"]

    def _is_ready(self, ready: Path) -> bool:
        """up.json is this product's own only when it carries its pid: another one may have left it."""
        try:
            return json.loads(ready.read_text())["pid"] == self._process.pid
        except (OSError, ValueError):
            return False

    def command(self, *arguments: str) -> str:
        """What another `manage.py` command printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=self.folder, capture_output=True, text=True, check=False,
            env={**os.environ, "OUTBOUND_HOME": str(self.home)},
        )  # fmt: skip
        if done.returncode:
            raise Refused(f"manage.py {arguments[0]} failed: {done.stderr.strip()[-500:]}")
        return done.stdout.strip()

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> int | None:
        """Its exit status; None when it had to be killed."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(STOP_WITHIN)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None

    def last_words(self) -> str:
        return self.log.read_text(errors="replace")[-2000:].strip() if self.log.exists() else ""


def free_port(wanted: int) -> int:
    """The wanted port if nobody listens there, else 0: any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted
