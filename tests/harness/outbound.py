"""Calls of authsvc to other machines, all at once, in a process under gevent or with threads: a program of its own.

Reads cases as JSON (name → kind and what it is called with), prints what became of each, with its seconds, and what was
open before and afterwards. The name ``silent.test`` is asked of name servers that never answer. A second argument is a
twin, a module that breaks something first.
"""

import sys

if sys.argv[1:2] == ["gevent"]:
    from gevent import monkey

    monkey.patch_all()

import gc
import importlib
import json
import os
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine

from authsvc.clock import SystemClock
from authsvc.db import engine
from authsvc.errors import AuthSvcError
from authsvc.picturestore.bucket import PictureBucket
from authsvc.tokenstore.redisshelf import RedisShelf
from authsvc.tokenstore.shelf import ShelfUnavailable
from authsvc.values.limits import Rate
from authsvc.values.pictures import BucketPlace
from authsvc.web.ratelimits import RateLimits
from authsvc.web.rediscounter import RedisCounter
from authsvc.wechat.transport import Query, Transport
from authsvc_verifier import CannotVerify, Verifier
from tests.harness.sockets import SILENT

TOKEN = "eyJhbGciOiJFUzI1NiIsInR5cCI6ImF0K2p3dCIsImtpZCI6ImtpZCJ9.e30." + "A" * 86
# What the C library does of itself with two silent name servers takes longer than a test may.
_ask = socket.getaddrinfo
_answering_ends, _answering = os.pipe()


def _wait_for_the_end() -> None:
    """Block as the C library does: the thread, and no greenlet's turn."""
    os.read(_answering_ends, 1)


def _getaddrinfo(host: Any, *rest: Any, **options: Any) -> Any:
    if SILENT not in str(host):
        return _ask(host, *rest, **options)
    if sys.argv[1] == "gevent":
        import gevent

        gevent.get_hub().threadpool.apply(_wait_for_the_end)
    else:
        _wait_for_the_end()
    raise socket.gaierror(socket.EAI_AGAIN, "no answer")


class Case:
    def __init__(self, kind: str, options: dict[str, Any]) -> None:
        self.outcome: dict[str, Any] = {}
        self._ask = getattr(self, f"_{kind}")(**options)

    def run(self) -> None:
        started = time.monotonic()
        try:
            self._ask()
            self.outcome = {"error": None}
        except (AuthSvcError, CannotVerify, ShelfUnavailable, Exception) as error:
            action = getattr(error, "action", None)
            self.outcome = {"error": type(error).__name__, "text": str(error), "action": action}
        self.outcome["seconds"] = round(time.monotonic() - started, 1)

    def _wechat(self, url: str, **options: str) -> Any:
        transport = Transport(url, max_in_flight=1, **options)

        def ask() -> None:
            try:
                transport.get("/sns/jscode2session", Query(js_code="c0de"))
            finally:
                self.places = transport._bulkhead._free

        return ask

    def _bucket(self, url: str) -> Any:
        place = BucketPlace("pictures", "", url, "us-east-1", "key", "sEcret-of-a-bucket", "path", "s3v4")
        bucket = PictureBucket(place, "q")
        return lambda: bucket.read("0" * 32 + ".jpg")

    def _redis(self, url: str) -> Any:
        return lambda: RedisShelf(url, SystemClock()).read("wx0123456789abcdef", hurry=False)

    def _limits(self, url: str) -> Any:
        rates = {"login": {"address": Rate(9, 60)}, "read": {"address": Rate(9, 60)}}
        limits = RateLimits(rates, folder=Path(tempfile.mkdtemp()), shared=RedisCounter(url).hit, workers=1)  # type: ignore[arg-type]
        limits.take("read", "address", "192.0.2.1")  # opens the file of what is counted here
        return lambda: limits.take("login", "address", "192.0.2.1")

    def _verify(self, url: str, **options: str) -> Any:
        verifier = Verifier(url, "aud", background=False, **options)
        return lambda: verifier.verify(TOKEN)

    def _mysql(self, url: str) -> Any:
        made = create_engine(url, **engine.options(url, 1))
        engine.listen(made)
        return lambda: made.connect().close()


def _open() -> tuple[int, int]:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()


def main() -> None:
    socket.getaddrinfo = _getaddrinfo
    for twin in sys.argv[2:]:
        importlib.import_module(twin)
    Case("wechat", {"url": "http://127.0.0.1:9"}).run()  # whatever is opened once and for all
    cases = {name: Case(kind, options) for name, (kind, options) in json.load(sys.stdin).items()}
    before = _open()
    threads = [threading.Thread(target=case.run) for case in cases.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.write(_answering, b"-" * 100)
    give_up = time.monotonic() + 5
    after = _open()
    while (after[0] > before[0] or after[1] > before[1]) and time.monotonic() < give_up:
        time.sleep(0.05)
        after = _open()
    places = [case.places for case in cases.values() if hasattr(case, "places")]
    found = {name: case.outcome for name, case in cases.items()}
    print(json.dumps({"cases": found, "before": before, "after": after, "places": places}))


if __name__ == "__main__":
    main()
