"""Clients in processes of their own: many requests released at one moment, or spread over a while."""

import http.client
import json
import multiprocessing
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.synchronize import Barrier
from typing import Any
from urllib.parse import urlsplit

# What a whole batch may take before the crowd gives up.
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Request:
    """A request; ``after`` is seconds after the common release."""

    method: str
    url: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    after: float = 0.0


def post(url: str, value: dict[str, Any], after: float = 0.0, **headers: str) -> Request:
    """A JSON request; underscores in header names stand for hyphens."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Request("POST", url, json.dumps(value).encode(), {"Content-Type": "application/json", **named}, after)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and how long it took; status 0 when the connection broke."""

    status: int
    headers: dict[str, str]
    content: bytes
    seconds: float

    def json(self) -> Any:
        return json.loads(self.content)


class Crowd:
    """Client processes, each with a thread and a connection of its own per request."""

    def __init__(self, processes: int = 4) -> None:
        context = multiprocessing.get_context("spawn")
        self._size = processes
        self._pool = ProcessPoolExecutor(
            processes, mp_context=context, initializer=_join, initargs=(context.Barrier(processes),)
        )

    def send(self, requests: Sequence[Request]) -> list[Answer]:
        """Send all requests, released together once every connection stands; answers in the order of the requests."""
        shares = [requests[number :: self._size] for number in range(self._size)]
        # A process waits at the barrier with its share, so each of them gets exactly one.
        waiting = [self._pool.submit(_send_share, share) for share in shares]
        answers: list[Answer] = [None] * len(requests)  # type: ignore[list-item]
        for number, share in enumerate(waiting):
            answers[number :: self._size] = share.result(_PATIENCE)
        return answers

    def measure(self, requests: Sequence[Request], seconds: float) -> "Future[list[Answer]]":
        """In one process, send the requests one after the other, again and again for that long."""
        return self._pool.submit(_repeat, requests, seconds)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100).__int__() - 1)]


_barrier: Barrier


def _join(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _send_share(requests: Sequence[Request]) -> list[Answer]:
    answers: list[Answer] = [None] * len(requests)  # type: ignore[list-item]
    ready = threading.Barrier(len(requests) + 1)

    def client(number: int) -> None:
        connection = _connect(requests[number])
        ready.wait(_PATIENCE)
        time.sleep(requests[number].after)
        answers[number] = _exchange(connection, requests[number])
        connection.close()

    threads = [threading.Thread(target=client, args=(number,), daemon=True) for number in range(len(requests))]
    for thread in threads:
        thread.start()
    while ready.n_waiting < len(requests):
        time.sleep(0.001)
    _barrier.wait(_PATIENCE)
    ready.wait(_PATIENCE)
    for thread in threads:
        thread.join(_PATIENCE)
    return answers


def _repeat(requests: Sequence[Request], seconds: float) -> list[Answer]:
    connection = _connect(requests[0])
    answers = []
    give_up = time.monotonic() + seconds
    while time.monotonic() < give_up:
        answers += [_exchange(connection, request) for request in requests]
    connection.close()
    return answers


def _connect(request: Request) -> http.client.HTTPConnection:
    parts = urlsplit(request.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE / 2)
    connection.connect()
    return connection


def _exchange(connection: http.client.HTTPConnection, request: Request) -> Answer:
    parts = urlsplit(request.url)
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    started = time.perf_counter()
    try:
        connection.request(request.method, target, request.body, request.headers)
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException):
        return Answer(0, {}, b"", time.perf_counter() - started)
    return Answer(response.status, dict(response.getheaders()), content, time.perf_counter() - started)
