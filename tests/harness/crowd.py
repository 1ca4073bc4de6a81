"""Clients in processes of their own: many requests released at one moment, or spread over a while."""

import http.client
import json
import multiprocessing
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
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
        """Send all requests, released together; answers in the order of the requests.

        Those that go at once have their connections open by then, the others connect when their time comes.
        """
        shares = [requests[number :: self._size] for number in range(self._size)]
        # A process waits at the barrier with its share, so each of them gets exactly one.
        waiting = [self._pool.submit(_send_share, share) for share in shares]
        answers: list[Answer] = [None] * len(requests)  # type: ignore[list-item]
        for number, share in enumerate(waiting):
            answers[number :: self._size] = share.result(_PATIENCE)
        return answers

    def measure(self, requests: Sequence[Request], seconds: float, pause: float = 0.01) -> "Future[list[Answer]]":
        """In one process, send these requests in turn for that long, one every ``pause`` seconds.

        An answer's time counts from when its request was due: one that keeps the next ones waiting counts for all
        of them, as it would for the people who had sent them.
        """
        return self._pool.submit(_repeat, requests, seconds, pause)

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
        request = requests[number]
        connection = _connection(request)
        if not request.after:
            connection.connect()
        ready.wait(_PATIENCE)
        time.sleep(request.after)
        answers[number] = _exchange(connection, request)
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


def _repeat(requests: Sequence[Request], seconds: float, pause: float) -> list[Answer]:
    connection = _connection(requests[0])
    connection.connect()
    answers = []
    started = time.perf_counter()
    for number in range(int(seconds / pause)):
        due = started + number * pause
        time.sleep(max(0.0, due - time.perf_counter()))
        answer = _exchange(connection, requests[number % len(requests)])
        answers.append(replace(answer, seconds=time.perf_counter() - due))
    connection.close()
    return answers


def _connection(request: Request) -> http.client.HTTPConnection:
    parts = urlsplit(request.url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE / 2)


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
