"""The store on each of its shelves, with a clock that a test moves and a WeChat that counts."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from authsvc.tokenstore.fileshelf import FileShelf
from authsvc.tokenstore.redisshelf import RedisShelf
from authsvc.tokenstore.shelf import Shelf
from authsvc.tokenstore.store import AccessTokenStore
from authsvc.values.wechat import FetchedToken, MiniProgram
from tests.harness.redisserver import RedisServer

APP = MiniProgram("wx4f4bc4dec97d474b", "an-app-secret-of-no-use", "audience")


class Clock:
    """A wall clock and a counter that move together, unless the wall clock is set."""

    def __init__(self) -> None:
        self.counted = 1000.0
        self.set_by = 0.0
        self._began = time.time()
        self.also: list[Callable[[float], None]] = []

    def now(self) -> float:
        return self._began + self.counted + self.set_by

    def monotonic(self) -> float:
        return self.counted

    def pass_(self, seconds: float) -> None:
        self.counted += seconds
        for age in self.also:
            age(seconds)


class WeChat:
    """Gives tokens as stable_token does in normal mode: the same until its last five minutes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._made = 0
        self._text, self._until = "", 0.0
        self.calls = 0
        self.takes = 0.0
        self.lifetime = 7200
        self.fails_with: Exception | None = None

    def fetch(self, app: MiniProgram) -> FetchedToken:
        with self._lock:
            self.calls += 1
        if self.takes:
            time.sleep(self.takes)
        if self.fails_with is not None:
            raise self.fails_with
        with self._lock:
            if self._until - self._clock.monotonic() < 300:
                self._made += 1
                self._text = f"70_token-number-{self._made}"
                self._until = self._clock.monotonic() + self.lifetime
            return FetchedToken(self._text, int(self._until - self._clock.monotonic()))

    def kill(self) -> None:
        """Forget the token, as a forced refresh elsewhere does."""
        self._until = 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wechat(clock: Clock) -> WeChat:
    return WeChat(clock)


@pytest.fixture(scope="session")
def redis_server(run_folder: Path) -> Iterator[RedisServer]:
    server = RedisServer(run_folder)
    yield server
    server.stop()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "access_token"


@pytest.fixture(params=["file", "redis"])
def new_shelf(request: pytest.FixtureRequest, clock: Clock, folder: Path) -> Callable[[], Shelf]:
    """Make another view of the same shelf, as another process has it."""
    if request.param == "file":
        return lambda: FileShelf(folder, clock)
    server: RedisServer = request.getfixturevalue("redis_server")
    server.client.flushall()
    clock.also.append(server.age)
    return lambda: RedisShelf(server.url, clock)


@pytest.fixture
def new_store(new_shelf: Callable[[], Shelf], wechat: WeChat, clock: Clock) -> Callable[[], AccessTokenStore]:
    """Make the store of another process."""
    return lambda: AccessTokenStore(new_shelf(), wechat.fetch, clock)


@pytest.fixture
def store(new_store: Callable[[], AccessTokenStore]) -> AccessTokenStore:
    return new_store()
