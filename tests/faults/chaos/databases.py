"""A PostgreSQL database for one storm: on the server that tests use, or on a cluster of its own that may be crashed."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.servers_at import POSTGRES

QUICK = "-c fsync=off -c synchronous_commit=on -c full_page_writes=off -c max_connections=60 -c logging_collector=off"


@contextmanager
def own_database() -> Iterator[str]:
    """A new database on the tests' server; its URL. Dropped at the end with whoever still looks at it."""
    name = f"chaos_{secrets.token_hex(4)}"
    with psycopg.connect(POSTGRES, autocommit=True) as server:
        server.execute(f'CREATE DATABASE "{name}"')
    try:
        yield f"{POSTGRES.rpartition('/')[0]}/{name}"
    finally:
        with psycopg.connect(POSTGRES, autocommit=True) as server:
            server.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


class Cluster:
    """A PostgreSQL server in a temporary folder. It runs as `postgres` where we are root, which it refuses to be."""

    def __init__(self, folder: Path):
        self.folder, self.port, self.restarts = folder, _free_port(), 0
        self.user = {"user": "postgres"} if os.geteuid() == 0 else {}
        if self.user:
            who = pwd.getpwnam("postgres")
            os.chown(folder, who.pw_uid, who.pw_gid)
        self._run("initdb", "-U", "postgres", "-A", "trust", "-N")
        self._run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", self._options(), "start")

    def url(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def crash(self) -> None:
        """No goodbye to anybody, and up again after recovery."""
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", self._options(), "-m", "immediate", "restart")
        self.restarts += 1

    def stop(self) -> None:
        self._run("pg_ctl", "-m", "immediate", "stop")

    def _options(self) -> str:
        return f"{QUICK} -p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(binary(program)), "-D", str(self.folder / "data"), *arguments]
        done = subprocess.run(
            command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True, **self.user,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr[-2000:]}")


@contextmanager
def own_cluster() -> Iterator[Cluster]:
    folder = Path(tempfile.mkdtemp(prefix="chaos-pg-"))
    try:
        cluster = Cluster(folder)
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def binary(program: str) -> Path:
    """initdb and pg_ctl are not on Debian's PATH."""
    found = shutil.which(program)
    places = [Path(found)] if found else sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"))
    if not places:
        raise RuntimeError(f"{program} is not installed: it comes with PostgreSQL's server.")
    return places[-1]


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
