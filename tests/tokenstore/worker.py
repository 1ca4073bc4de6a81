"""A process of a deployment: builds the store as the service does, and obeys one JSON line at a time.

It holds no Flask app, so that four of them with fifty threads each start within a second.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from authsvc.clock import SystemClock
from authsvc.errors import AuthSvcError
from authsvc.services.miniprograms.accesstokens import AccessTokens
from authsvc.services.miniprograms.apps import Apps
from authsvc.tokenstore.fileshelf import FileShelf
from authsvc.tokenstore.redisshelf import RedisShelf
from authsvc.tokenstore.shelf import Record, Shelf
from authsvc.tokenstore.store import AccessTokenStore
from authsvc.values.wechat import MiniProgram
from authsvc.wechat.client import WeChatClient
from authsvc.wechat.transport import Transport


class _Lockless:
    """The broken twin: everybody gets the lock at once."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self.name = shelf.name

    def lock(self, appid: str, seconds: float) -> Callable[[], None]:
        return lambda: None

    def write(self, appid: str, record: Record) -> None:
        release = self._shelf.lock(appid, 1)
        self._shelf.write(appid, record)
        if release is not None:
            release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shelf, name)


class Worker:
    def begin(self, **options: Any) -> dict[str, Any]:
        """Be a fresh process: with a store that knows nothing yet."""
        clock = SystemClock()
        self.app = MiniProgram(options["appid"], options["secret"], "audience")
        self.client = WeChatClient(Transport(options["wechat"], max_in_flight=400))
        where = options["shelf"]
        shelf: Shelf = RedisShelf(where, clock) if where.startswith("redis") else FileShelf(Path(where), clock)
        self.shelf = shelf
        twin: Any = _Lockless(shelf) if options.get("lockless") else shelf
        self.store = AccessTokenStore(twin, self.client.fetch_access_token, clock)
        self.calls = AccessTokens(self.store, Apps((self.app,)))
        return {}

    def get(self, threads: int) -> dict[str, Any]:
        """Ask from many threads at once."""
        return self._at_once([lambda: self.store.get(self.app)] * threads)

    def phone(self, codes: list[str], spread: float = 0.0) -> dict[str, Any]:
        """Ask for a number per code, all in flight together; ``spread`` seconds between first and last."""

        def one(place: int, code: str) -> str:
            time.sleep(spread * place / len(codes))
            return self.calls.call(self.app, lambda t: self.client.phone_number(self.app, t, code)).national

        return self._at_once([lambda n=n, c=c: one(n, c) for n, c in enumerate(codes)])

    def hold(self) -> dict[str, Any]:
        """Take the lock and keep it."""
        self.release = self.shelf.lock(self.app.appid, 1)
        return {"held": self.release is not None}

    def replace(self, rejected: str) -> dict[str, Any]:
        return self._at_once([lambda: self.store.replace(self.app, rejected)])

    def _at_once(self, works: list[Callable[[], str]]) -> dict[str, Any]:
        ready = threading.Barrier(len(works))

        def run(work: Callable[[], str]) -> tuple[str, str | None, float]:
            ready.wait()
            began = time.monotonic()
            try:
                return work(), None, time.monotonic() - began
            except AuthSvcError as error:
                return "", f"{error.error}: {error}", time.monotonic() - began

        with ThreadPoolExecutor(len(works)) as pool:
            done = list(pool.map(run, works))
        return {
            "values": [value for value, error, _ in done if error is None],
            "errors": [error for _, error, _ in done if error is not None],
            "slowest": max(seconds for _, _, seconds in done),
        }


def main() -> None:
    logging.basicConfig(level="INFO", stream=sys.stderr)
    worker = Worker()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(getattr(worker, order.pop("do"))(**order)), flush=True)


if __name__ == "__main__":
    main()
