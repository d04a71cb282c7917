"""The product on the test's own database: Celery worker processes that can be killed, an SMTP server that counts."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.db import connection

from leads.services import import_leads
from sending.models import Message
from tests import make
from tests.ops.processes import ROOT, environment

# Leases and grace as short as the settings allow: what a dead worker held comes back while a test can wait for it.
SHORT = {
    "CLAIM_LEASE_SECONDS": "5",
    "SMTP_STEP_TIMEOUT_SECONDS": "3",
    "SMTP_DOT_TIMEOUT_SECONDS": "5",
    "UNKNOWN_AFTER_SECONDS": "11",
    "DISPATCH_SECONDS": "1",
    "SEND_TICK_SECONDS": "1",
    "OUTBOUND_PRIVATE_NETWORKS": "127.0.0.0/8",
    "LOG_LEVEL": "WARNING",
}


def worker_environment() -> dict:
    """Where this test's database and broker are, for a process of its own."""
    database = connection.settings_dict
    url = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        host, port = database["HOST"] or "127.0.0.1", database["PORT"] or 5432
        secret = f":{database['PASSWORD']}" if database["PASSWORD"] else ""
        url = f"postgres://{database['USER']}{secret}@{host}:{port}/{database['NAME']}"
    more = {"REDIS_URL": settings.REDIS_URL} if settings.REDIS_URL else {}
    return environment(
        Path(settings.OUTBOUND_HOME),
        **{**SHORT, **more},
        DATABASE_URL=url,
        TEST_PREFIX=getattr(settings, "RUN", "chaos"),
        DJANGO_SETTINGS_MODULE="tests.faults.settings",
    )


class Worker:
    """One Celery worker process with threads, restarted as often as it is killed."""

    def __init__(self, name: str, log: Path):
        self.name, self.log, self.process, self.kills = name, log, None, 0
        self.start()

    def start(self) -> None:
        command = ["-m", "celery", "-A", "outbound.celery", "worker", "-P", "threads", "-c", "4", "-l", "warning"]
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, *command, "-n", f"{self.name}@%h"],
                cwd=ROOT, env=worker_environment(), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            )  # fmt: skip

    def kill(self) -> None:
        """Without a chance to tidy up. It must have been alive: a kill of the dead proves nothing."""
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.kills += 1

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@contextmanager
def workers(folder: Path, *, count: int = 2):
    running = [Worker(f"w{number}", folder / f"w{number}.log") for number in range(count)]
    try:
        yield running
    finally:
        for worker in running:
            worker.end()


class Server:
    """The counting SMTP server in a process of its own, seen through what it wrote down before each 250."""

    def __init__(self, log: Path, port: int, imap_port: int | None = None):
        self.log, self.port, self.imap_port = log, port, imap_port

    def lines(self) -> list[dict]:
        if not self.log.exists():
            return []
        return [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]

    def count(self) -> int:
        return self.log.read_bytes().count(b"\n") if self.log.exists() else 0

    def ids(self) -> Counter:
        return Counter(line["message_id"] for line in self.lines())

    def places(self) -> Counter:
        """How often each person got each step; the subject names the step."""
        return Counter((line["rcpt"][0], subject_of(line)) for line in self.lines())


def subject_of(line: dict) -> str:
    return next(value for name, value in line["headers"].items() if name.lower() == "subject")


@contextmanager
def smtp_server(folder: Path, *, keeps: bool = False):
    """`keeps`: with a Sent folder, on `imap_port`, that has every mail before its 250 goes out."""
    log = folder / "accepted.jsonl"
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.smtp", "--log", str(log), *(["--imap"] if keeps else [])],
        cwd=ROOT, env=environment(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        ports = [int(process.stdout.readline().rpartition(":")[2]) for _ in range(2 if keeps else 1)]
        yield Server(log, *ports)
    finally:
        process.kill()
        process.wait()


def live_workspace(port: int, *, leads: int, **mailbox):
    """A workspace that sends for real, to the server on `port`, with so many leads."""
    workspace = make.workspace("Live", livemode=True)
    make.mailbox(workspace, smtp_host="127.0.0.1", smtp_port=port, smtp_security="none", **mailbox)
    rows = [{"email": f"lead{number}@acme{number % 50}.example", "first_name": "Jo"} for number in range(leads)]
    for start in range(0, leads, 1000):
        import_leads(workspace=workspace, rows=rows[start : start + 1000], now=make.NOW)
    return workspace


def wait_for(what, *, log: Path | None = None) -> None:
    """As long as mail moves this waits; a minute in which nothing has fails, with the end of the log."""
    before, since = None, time.monotonic()
    while not what():
        seen = states()
        if seen != before:
            before, since = seen, time.monotonic()
        if time.monotonic() - since > 60:
            raise AssertionError(f"nothing moves: {seen}\n{log.read_text()[-3000:] if log else ''}")
        time.sleep(0.2)


def steps(count: int) -> list[dict]:
    """Steps without a delay whose subjects name them."""
    return [
        make.step(f"Step {number}", "<p>Hi {{first_name}}.</p>", delay_days=0, delay_hours=0)
        for number in range(1, count + 1)
    ]


def states() -> Counter:
    return Counter(Message.objects.filter(direction="out").values_list("state", flat=True))
