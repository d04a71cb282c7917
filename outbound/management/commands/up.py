"""`manage.py up`: the web server, a worker and the clock in one command, until Ctrl-C."""

import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connections

from outbound.embedded.lock import AlreadyHeld, hold
from outbound.embedded.supervisor import Child, Supervisor

BIND_PATIENCE = 5.0  # seconds: what a killed `up` left behind needs a moment to let go of the port
WORKER_THREADS = 8
READY_FILE = "up.json"  # in OUTBOUND_HOME, there while the web server answers: {"pid", "url", "setup_url"}


class Command(BaseCommand):
    help = "Starts the web server, a worker and the clock, and keeps them running until Ctrl-C."

    def add_arguments(self, parser):
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000, help="0 takes a free one")

    def handle(self, *, host, port, **_):
        self.ready_file = settings.OUTBOUND_HOME / READY_FILE
        lock = self._only_one()  # held as long as this process lives
        listener = _listen(host, port)
        self.url = _url(host, listener.getsockname()[1])
        self.ready_file.unlink(missing_ok=True)
        self._tell("Preparing the database …")
        settings.STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise warns when it is not there
        call_command("migrate", verbosity=0, interactive=False)
        connections.close_all()
        self.is_ready = False
        try:
            self._supervisor(listener).run(on_each_round=self._announce_once)
        finally:
            self.ready_file.unlink(missing_ok=True)
            os.close(lock)
        self._tell("Stopped.")

    def _only_one(self) -> int:
        try:
            return hold(settings.OUTBOUND_HOME / "up.lock")
        except AlreadyHeld as held:
            raise CommandError(f"already running (pid {held.pid}) on {settings.OUTBOUND_HOME}", returncode=1) from None

    def _supervisor(self, listener) -> Supervisor:
        # Stopped in this order: nothing new begins, nobody asks any more, and the worker finishes what it has.
        children = [_beat(), _web(listener.fileno()), _worker()]
        environment = {
            "LOG_LEVEL": "WARNING",  # the defaults of a terminal; the shell's own values win
            "WEB_CONCURRENCY": "2" if settings.REDIS_URL else "1",  # without Redis, rate limits are counted per process
            **os.environ,
            "DJANGO_SETTINGS_MODULE": os.environ["DJANGO_SETTINGS_MODULE"],
            "OUTBOUND_HOME": str(settings.OUTBOUND_HOME),
            "OUTBOUND_URL": self.url,
            "PYTHONUNBUFFERED": "1",
        }
        return Supervisor(children, folder=str(settings.BASE_DIR), environment=environment, tell=self._tell)

    def _announce_once(self) -> None:
        if self.is_ready or not _answers(self.url):
            return
        self.is_ready = True
        link = _setup_link(self.url)
        self._tell(f"Outbound is running at {self.url}  (stop it with Ctrl-C)")
        if link:
            self._tell(f"Create its owner here, once: {link}")
        _write_whole(self.ready_file, json.dumps({"pid": os.getpid(), "url": self.url, "setup_url": link}))

    def _tell(self, text: str) -> None:
        try:
            self.stdout.write(text)
            self.stdout.flush()
        except BrokenPipeError:
            pass  # the reader is gone; the children still have to be stopped


def _listen(host: str, port: int) -> socket.socket:
    """The web server's socket, held here: its address is known at once and stays while the server is restarted."""
    give_up_at = time.monotonic() + BIND_PATIENCE
    while True:
        try:
            return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        except OSError as error:
            if time.monotonic() > give_up_at:
                raise CommandError(f"cannot listen on {host}:{port}: {error.strerror}. Try --port 0.") from None
            time.sleep(0.25)


def _url(host: str, port: int) -> str:
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{name}:{port}"


def _web(descriptor: int) -> Child:
    command = [sys.executable, "-m", "gunicorn", "outbound.wsgi:application", "--bind", f"fd://{descriptor}"]
    return Child("web", [*command, "--log-level", "warning"], patience=10, pass_fds=(descriptor,))


def _worker() -> Child:
    """Threads: the work is waiting for mail servers and models, and one process is one dispatcher."""
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "WARNING"]
    pool = ["-P", "threads", "--concurrency", str(WORKER_THREADS), "--hostname", f"up-{os.getpid()}@%h"]
    return Child("worker", [*_celery(), "worker", *pool, *quiet], patience=12)


def _beat() -> Child:
    schedule = str(settings.OUTBOUND_HOME / "beat-schedule")
    return Child("clock", [*_celery(), "beat", "-s", schedule, "--pidfile=", "--loglevel", "WARNING"], patience=4)


def _celery() -> list[str]:
    return [sys.executable, "-m", "celery", "--quiet", "-A", "outbound"]


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(f"{url}/healthz", timeout=1).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _setup_link(url: str) -> str | None:
    """A one-time address for the first person, if there is nobody yet."""
    try:
        from apikeys.setup import setup_link
    except ModuleNotFoundError:
        return None
    try:
        return setup_link(url)
    finally:
        connections.close_all()


def _write_whole(path, text: str) -> None:
    draft = path.with_name(f".{path.name}.draft")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)
