"""The web server as it runs for people: gunicorn with processes of its own, on the test's database, over real HTTP."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.product import worker_environment
from tests.ops.processes import ROOT, descendants, wait_until

# One key makes many calls in a test; those that test the limits set their own.
UNLIMITED = {"RATE_LIMIT_PER_MINUTE": "1000000", "RATE_LIMIT_BURST": "1000000", "RATE_LIMIT_BULK_PER_MINUTE": "1000000"}


@dataclass
class Answer:
    status: int
    headers: dict
    body: bytes

    @property
    def data(self):
        return json.loads(self.body)["data"]

    @property
    def code(self) -> str:
        return json.loads(self.body)["code"]


@dataclass
class Web:
    url: str
    process: subprocess.Popen
    log: Path

    @property
    def api(self) -> str:
        return f"{self.url}/api/v1"

    def ask(self, method: str, path: str, body=None, *, key: str, **headers) -> Answer:
        """One request on a connection of its own; header names with _ for -."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(
            self.api + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json", **given},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return Answer(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, dict(error.headers), error.read())

    def processes(self) -> set[int]:
        """The ones that answer, without the one that watches over them."""
        return descendants(self.process.pid)

    def kill(self, pid: int) -> None:
        """Without a chance to tidy up; another one is started in its place."""
        os.kill(pid, signal.SIGKILL)

    def kill_one(self) -> None:
        self.kill(min(self.processes()))


@contextmanager
def web(folder: Path, *, processes: int = 2, **environment: str):
    """A server that answers, on a port nobody else has; `environment`: settings as a person would set them."""
    log = folder / "web.log"
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener, log.open("ab") as out:
        process = subprocess.Popen(
            # Loaded once for all processes: one that is killed is back at once, on a busy machine too.
            [sys.executable, "-m", "gunicorn", "outbound.wsgi", "--preload", "--bind", f"fd://{listener.fileno()}"],
            env={**worker_environment(), "WEB_CONCURRENCY": str(processes), **UNLIMITED, **environment},
            cwd=ROOT, pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
        running = Web(f"http://127.0.0.1:{listener.getsockname()[1]}", process, log)
    try:
        wait_until(lambda: _answers(running), why="the web server", log=log)
        yield running
    finally:
        process.send_signal(signal.SIGQUIT)  # at once: nobody is asking any more
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(running: Web) -> bool:
    assert running.process.poll() is None, running.log.read_text()[-3000:]
    try:
        return urllib.request.urlopen(f"{running.url}/healthz", timeout=5).status == 200
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False
