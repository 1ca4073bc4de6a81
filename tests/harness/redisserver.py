"""A Redis of a test's own, which it may stop and start again."""

import shutil
import time
from pathlib import Path

import pytest
import redis

from tests.harness.databases import REQUIRED
from tests.harness.processes import Process, free_port


def skip_without_redis() -> None:
    """Skip the test where no redis-server is installed; fail instead where services are required."""
    if shutil.which("redis-server"):
        return
    sentence = "skipped: redis-server is not installed (apt-get install redis-server)"
    if REQUIRED:
        pytest.fail(sentence)
    pytest.skip(sentence)


class RedisServer:
    """redis-server on a free port, with nothing kept on disk: it starts empty each time."""

    def __init__(self, folder: Path) -> None:
        skip_without_redis()
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis.from_url(self.url, socket_timeout=2)
        self._folder = folder
        self._process: Process | None = None
        self.start()

    def start(self) -> None:
        command = ["redis-server", "--port", str(self.port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"]
        self._process = Process(
            command, log=self._folder / "redis.txt", env={"PATH": "/usr/bin:/bin"}, cwd=self._folder
        )
        for _ in range(200):
            try:
                self.client.ping()
                return
            except redis.ConnectionError:
                time.sleep(0.02)
        raise RuntimeError("redis-server does not answer")

    def stop(self) -> None:
        """End it at once, with all it holds."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        self.client.connection_pool.disconnect()

    def age(self, seconds: float) -> None:
        """Let every key live that much less, as if the time had passed."""
        for key in self.client.keys("*"):
            left = self.client.pttl(key) - int(seconds * 1000)
            self.client.pexpire(key, left) if left > 0 else self.client.delete(key)

    def freeze(self) -> None:
        """Let it accept and never answer, as an overloaded one."""
        assert self._process is not None
        self._process.freeze()

    def thaw(self) -> None:
        assert self._process is not None
        self._process.thaw()
