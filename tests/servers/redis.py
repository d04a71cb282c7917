"""A Redis of a test's own that may be killed and started again: `with PrivateRedis(folder) as redis: … redis.url`."""

import shutil
import socket
import subprocess
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from tests.ops.processes import wait_until

INSTALLED = shutil.which("redis-server") is not None


class PrivateRedis:
    def __init__(self, folder: Path):
        self.folder, self.process = folder, None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        with (self.folder / "redis.log").open("ab") as out:
            self.process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        wait_until(self._answers, why="redis-server", log=self.folder / "redis.log")

    def kill(self) -> None:
        """Without a chance to say goodbye to its clients."""
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        try:
            return Redis.from_url(self.url).ping()
        except RedisError:
            return False

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
