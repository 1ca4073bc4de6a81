"""Answers as servers really send them: with a length, in chunks, until the end, after others that announce them."""

import gc
import socket
import threading
from collections.abc import Callable, Iterator

import certifi
import pytest
from urllib3.connectionpool import HTTPConnectionPool

from authsvc.connections import TimedConnection, deadline
from authsvc.wechat.deadline import DeadlineAdapter
from authsvc.wechat.wire import BrokenOff, Unusable, Wire, _Answer

MOST = 1000
LONG = b"x" * (MOST + 1)
OK = b"HTTP/1.1 200 OK\r\n"


class Server:
    """Answers each request on a connection with the next of its texts; closes after the last, or after ``None``."""

    def __init__(self, *texts: bytes | None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.requests: list[bytes] = []
        self.connections = 0
        self._texts = list(texts)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while self._texts:
            connection, _ = self._listener.accept()
            self.connections += 1
            with connection:
                while self._texts and (asked := connection.recv(65536)):
                    self.requests.append(asked)
                    text = self._texts.pop(0)
                    if text is None:
                        break
                    connection.sendall(text)

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., tuple[Wire, Server]]]:
    servers = []

    def start(*texts: bytes | None) -> tuple[Wire, Server]:
        servers.append(Server(*texts))
        pool, _ = DeadlineAdapter(certifi.where(), connections=4).pool_for(f"http://127.0.0.1:{servers[-1].port}", None)
        assert isinstance(pool, HTTPConnectionPool) and issubclass(pool.ConnectionCls, TimedConnection)
        return Wire(pool, {"Accept": "*/*"}), servers[-1]

    yield start
    for server in servers:
        server.close()


def get(wire: Wire, target: str = "/sns/jscode2session?js_code=x") -> tuple[int, bytes]:
    with deadline(5):
        return wire.exchange("GET", target, None, seconds=3, most_bytes=MOST)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (OK + b"Content-Length: 2\r\n\r\n{}", (200, b"{}")),
        (OK + b"content-length: 0\r\n\r\n", (200, b"")),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n", (200, b"{}")),
        (OK + b"\r\n{}", (200, b"{}")),
        (b"HTTP/1.0 200 OK\r\n\r\n{}", (200, b"{}")),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}", (200, b"{}")),
        (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK + b"Content-Length: 2\r\n\r\n{}", (200, b"{}")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 4\r\n\r\noops", (502, b"oops")),
        (b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n", (302, b"")),
        (OK + b"Content-Length: 1000\r\n\r\n" + b"x" * MOST, (200, b"x" * MOST)),
    ],
)
def test_an_answer_is_read_to_its_end(
    serve: Callable[..., tuple[Wire, Server]], answer: bytes, expected: tuple[int, bytes]
) -> None:
    wire, _ = serve(answer)
    assert get(wire) == expected


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (OK + b"Content-Length: 1001\r\n\r\n" + LONG, Unusable),
        (OK + b"\r\n" + LONG, Unusable),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + LONG + b"\r\n0\r\n\r\n", Unusable),
        (OK + b"Content-Length: 5\r\n\r\n{}", Unusable),
        (OK + b"Content-Length: 5\r\n\r\n", BrokenOff),
        (OK + b"Content-Length: 5\r\n", BrokenOff),
        (OK, BrokenOff),
        (OK + b"A: b\r\n" * 20_000, BrokenOff),
        (OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}", BrokenOff),
        (OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", BrokenOff),
        (b"HTTP/1.1 100 Continue\r\n\r\n", BrokenOff),
        (b"SSH-2.0-OpenSSH_9.2\r\n", BrokenOff),
        (None, (BrokenOff, OSError)),
    ],
)
def test_what_is_no_whole_answer_is_told_apart(
    serve: Callable[..., tuple[Wire, Server]], answer: bytes | None, kind: type[Exception]
) -> None:
    wire, _ = serve(answer)
    with pytest.raises(kind):
        get(wire)


def test_a_connection_is_used_again_unless_the_answer_says_that_it_ends(
    serve: Callable[..., tuple[Wire, Server]],
) -> None:
    stays, ends = OK + b"Content-Length: 2\r\n\r\n{}", OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}"
    wire, server = serve(stays, stays, ends, stays)
    assert [get(wire) for _ in range(4)] == [(200, b"{}")] * 4
    assert server.connections == 2


def test_after_an_answer_that_was_not_read_to_its_end_nothing_more_is_read_there(
    serve: Callable[..., tuple[Wire, Server]],
) -> None:
    wire, server = serve(OK + b"Content-Length: 1001\r\n\r\n" + LONG, OK + b"Content-Length: 2\r\n\r\n{}")
    with pytest.raises(Unusable):
        get(wire)
    assert get(wire) == (200, b"{}")
    assert server.connections == 2


@pytest.mark.parametrize("ending", ["", "Connection: close\r\n"])
@pytest.mark.parametrize("rest", [b"garbage", b"\0", b"\r\n", b"HTTP/1.1 40", b"\r\n\r\nHTTP/1.1 404 Not Found\r\n"])
def test_what_comes_behind_a_whole_answer_takes_nothing_from_it(
    serve: Callable[..., tuple[Wire, Server]], ending: str, rest: bytes
) -> None:
    """It was a success, and its code is spent."""
    whole = OK + f"{ending}Content-Length: 2\r\n\r\n{{}}".encode()
    wire, _ = serve(whole + rest, whole)
    assert [get(wire), get(wire)] == [(200, b"{}")] * 2


class Taken(list[object]):
    """Kept connections of which another thread has taken the last one after this one has looked."""

    def __bool__(self) -> bool:
        return True


def test_a_connection_that_another_thread_has_just_taken_is_replaced(
    serve: Callable[..., tuple[Wire, Server]], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire, _ = serve(OK + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")
    monkeypatch.setattr(wire, "_idle", Taken())
    assert get(wire) == (200, b"{}")


def test_a_second_answer_that_nobody_asked_for_is_nobodys(serve: Callable[..., tuple[Wire, Server]]) -> None:
    one, other = OK + b"Content-Length: 2\r\n\r\n{}", b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\n{ }"
    wire, server = serve(one + other, one)
    assert [get(wire), get(wire)] == [(200, b"{}")] * 2
    assert server.connections == 2


def test_a_request_has_what_http_wants(serve: Callable[..., tuple[Wire, Server]]) -> None:
    wire, server = serve(OK + b"Content-Length: 2\r\n\r\n{}", OK + b"Content-Length: 2\r\n\r\n{}")
    get(wire, "/path?a=b%20c")
    with deadline(5):
        wire.exchange("POST", "/path", '{"场":1}'.encode(), seconds=3, most_bytes=MOST)
    host = f"Host: 127.0.0.1:{server.port}\r\n".encode()
    assert server.requests[0] == b"GET /path?a=b%20c HTTP/1.1\r\n" + host + b"Accept: */*\r\n\r\n"
    head = b"Accept: */*\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n"
    assert server.requests[1] == b"POST /path HTTP/1.1\r\n" + host + head + '{"场":1}'.encode()


def test_nothing_of_an_answer_stays_in_memory(serve: Callable[..., tuple[Wire, Server]]) -> None:
    """It may hold a session_key, and a cycle would be left to the garbage collector, for every login."""
    wire, _ = serve(OK + b"Content-Length: 2\r\n\r\nok", None)
    gc.collect()
    gc.disable()
    try:
        assert wire.exchange("GET", "/", None, seconds=5, most_bytes=MOST) == (200, b"ok")
        with pytest.raises(BrokenOff):
            wire.exchange("GET", "/", None, seconds=5, most_bytes=MOST)
        # Other tests of this process may hold wires of theirs; an answer is held by nobody.
        assert [thing for thing in gc.get_objects() if isinstance(thing, _Answer)] == []
    finally:
        gc.enable()
