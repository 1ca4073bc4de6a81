"""Long and odd text of strangers, on its way through gunicorn into the log: nobody else waits for it."""

import socket
import time
from collections.abc import Callable

import pytest

from tests.harness.service import Service

pytestmark = pytest.mark.slow

# What a stranger may send without signing in: gunicorn takes request lines of 4 KB and header fields of 8 KB.
BACKSLASHES = b"\\" * 4050
FIELD = b"\\" * 8100
REST = b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
AGENT = b"User-Agent: "
SENT: dict[str, tuple[bytes, int]] = {
    "a path of backslashes": (b"GET /" + BACKSLASHES + REST + b"\r\n", 404),
    "a path of tokens that are none": (b"GET /" + b"eyJ-" * 1000 + REST + b"\r\n", 404),
    "a method of backslashes": (BACKSLASHES + b" /" + REST + b"\r\n", 400),
    "a version of backslashes": (b"GET / " + BACKSLASHES + b"\r\nHost: x\r\n\r\n", 400),
    "a header without a name": (b"GET /" + REST + FIELD + b"\r\n\r\n", 400),
    "a header without a name, of quotes": (b"GET /" + REST + b'"code":' * 1100 + b"\r\n\r\n", 400),
    "a User-Agent of backslashes": (b"GET /healthz" + REST + AGENT + FIELD + b"\r\n\r\n", 200),
    "a User-Agent of tokens that are none": (b"GET /healthz" + REST + AGENT + b"eyJ-" * 2000 + b"\r\n\r\n", 200),
    "a Referer of backslashes": (b"GET /healthz" + REST + b"Referer: " + FIELD + b"\r\n\r\n", 200),
}  # fmt: skip
# They took one to seven seconds each, and take milliseconds. Everything else of the worker waited meanwhile.
MOST_SECONDS = 0.3


def answered(service: Service, request: bytes) -> tuple[int, float]:
    """The status of an answer, and the seconds it took."""
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return int(answer.split(b" ", 2)[1]), time.monotonic() - began


@pytest.mark.alone
@pytest.mark.parametrize("request_text, status", SENT.values(), ids=SENT.keys())
def test_no_text_of_a_stranger_holds_a_worker(
    service: Service, figures: Callable[[str], None], request_text: bytes, status: int
) -> None:
    written = service.log.stat().st_size
    tries = [answered(service, request_text) for _ in range(3)]
    assert {got for got, _ in tries} == {status}
    took = min(seconds for _, seconds in tries)
    figures(f"{len(request_text)} bytes, {request_text[:5]!r}…: {took * 1000:.0f} ms")
    assert took < MOST_SECONDS
    # Nor does it fill the disk: less than three times what was sent.
    assert service.log.stat().st_size - written < 3 * 3 * (len(request_text) + 4000)
