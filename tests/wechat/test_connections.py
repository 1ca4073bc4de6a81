"""The connections to WeChat, against far ends that misbehave between two calls: no code may be lost on a dead one."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from authsvc.errors import WeChatUnreachable
from authsvc.values.wechat import MiniProgram
from authsvc.wechat.client import WeChatClient
from authsvc.wechat.transport import Transport
from tests.harness.certificates import Authority
from tests.harness.sockets import TlsFront, listening, says

Afterwards = Callable[[socket.socket], None]
APP = MiniProgram("wx4f4bc4dec97d474b", "f" * 32, "aud")
BODY = b'{"openid":"o1","session_key":"AAAAAAAAAAAAAAAAAAAAAA=="}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


class FarEnd:
    """Answers one request per connection, then does ``afterwards`` with it; counts connections and requests."""

    def __init__(self, afterwards: Afterwards) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._afterwards = afterwards
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[bytes] = []
        self.connections = 0
        self.is_done = threading.Semaphore(0)
        threading.Thread(target=self._serve, daemon=True).start()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            while request := connection.recv(65536):
                self.requests.append(request)
                connection.sendall(ANSWER)
                self._afterwards(connection)
                self.is_done.release()


def _close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def _babble(connection: socket.socket) -> None:
    time.sleep(0.1)  # later than the answer itself was read
    connection.sendall(ANSWER)


def _keep(connection: socket.socket) -> None:
    """Leave it open and silent."""


@pytest.fixture
def far_end_that() -> Iterator[Callable[[Afterwards], FarEnd]]:
    started: list[FarEnd] = []

    def start(afterwards: Afterwards) -> FarEnd:
        started.append(FarEnd(afterwards))
        return started[-1]

    yield start
    for far_end in started:
        far_end.stop()


@pytest.mark.parametrize(("afterwards", "connections"), [(_keep, 1), (_close, 2), (_babble, 2)])
def test_a_pooled_connection_is_used_again_only_while_it_is_open_and_silent(
    far_end_that: Callable[[Afterwards], FarEnd], afterwards: Afterwards, connections: int
) -> None:
    far_end = far_end_that(afterwards)
    client = WeChatClient(Transport(far_end.url, max_in_flight=1))
    for code in ("one", "two"):
        assert client.code2session(APP, code).openid == "o1"
        assert far_end.is_done.acquire(timeout=5)
    assert (far_end.connections, len(far_end.requests)) == (connections, 2)
    assert b"js_code=two" in far_end.requests[1]


def test_a_path_in_the_address_is_kept(far_end_that: Callable[[Afterwards], FarEnd]) -> None:
    far_end = far_end_that(_keep)
    WeChatClient(Transport(f"{far_end.url}/wechat", max_in_flight=1)).code2session(APP, "one")
    assert far_end.requests[0].startswith(b"GET /wechat/sns/jscode2session?")


def test_a_proxy_for_plain_http_gets_the_whole_address(far_end_that: Callable[[Afterwards], FarEnd]) -> None:
    proxy = far_end_that(_keep)
    WeChatClient(Transport("http://127.0.0.1:9", max_in_flight=1, proxy=proxy.url)).code2session(APP, "one")
    assert proxy.requests[0].startswith(b"GET http://127.0.0.1:9/sns/jscode2session?")


def test_a_refused_connection_is_reported_as_never_left() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(WeChatUnreachable):
        WeChatClient(Transport(f"http://127.0.0.1:{port}", max_in_flight=1)).code2session(APP, "one")


def test_authorities_are_read_once_however_many_connections_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading the public ones takes 20 ms of CPU, in which no greenlet runs."""
    reads: list[object] = []
    original = ssl.SSLContext.load_verify_locations

    def counted(self: ssl.SSLContext, *args: object, **options: object) -> None:
        reads.append(self)
        original(self, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    authority = Authority(tmp_path)
    with listening(says(ANSWER.replace(b"200 OK", b"200 OK\r\nConnection: close"))) as plain:
        host, _, port = plain.address.partition(":")
        front = TlsFront(authority.server("127.0.0.1"), (host, int(port)))
        client = WeChatClient(
            Transport(f"https://127.0.0.1:{front.address[1]}", max_in_flight=2, ca_file=authority.file)
        )
        for code in ("one", "two", "three"):
            assert client.code2session(APP, code).openid == "o1"
        front.close()
        assert (plain.hits, len(reads)) == (3, 1)
