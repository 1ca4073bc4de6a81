"""deploy/nginx.conf with several services behind it, one of which dies, and with clients that take their time."""

import contextlib
import itertools
import os
import re
import signal
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests.harness.crowd import percentile
from tests.harness.nginx import Nginx, in_front_of, skip_without_nginx
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.sockets import Listener, black_hole, listening
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.slow

ESTABLISHED = "01"
PROXIED = {"TRUSTED_PROXIES": "1"}


class Upstream:
    """An upstream that notes each request as it came, and answers it or breaks the connection.

    ``received`` has the bytes of each request in the order of their arrival.
    """

    def __init__(self) -> None:
        self.received: list[bytes] = []
        self.breaks = False

    def talk(self, connection: socket.socket) -> None:
        """A whole request; the connection is reset after it if this upstream breaks."""
        request = b""
        while not _is_whole(request):
            if not (came := connection.recv(65536)):
                return
            request += came
        self.received.append(request)
        if self.breaks:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def paths(self) -> list[str]:
        return [request.split(b" ")[1].decode() for request in self.received]


def _is_whole(request: bytes) -> bool:
    head, end, body = request.partition(b"\r\n\r\n")
    length = re.search(rb"\r\nContent-Length: (\d+)", head)
    return bool(end) and len(body) >= int(length[1] if length else 0)


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])


@contextlib.contextmanager
def running(nginx: Nginx) -> Iterator[Nginx]:
    process = nginx.start()
    try:
        yield nginx
    finally:
        process.stop()


@contextlib.contextmanager
def upstreams(count: int) -> Iterator[list[tuple[Upstream, Listener]]]:
    with contextlib.ExitStack() as stack:
        made = [Upstream() for _ in range(count)]
        yield [(upstream, stack.enter_context(listening(upstream.talk))) for upstream in made]


def a_hundred(url: str, method: str, clients: int = 10) -> Counter[int]:
    """A hundred requests, each with a path of its own, over three seconds; how often each status came."""

    def ask(number: int) -> int:
        time.sleep(0.3)
        body = {"json": {"code": "c"}} if method == "POST" else {}
        return requests.request(method, f"{url}/{method}/{number}", timeout=20, **body).status_code

    with ThreadPoolExecutor(clients) as pool:
        return Counter(pool.map(ask, range(100)))


@pytest.mark.parametrize("how", ["refuses", "is silent"])
def test_nothing_fails_while_one_of_three_machines_takes_no_connections(
    how: str, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    skip_without_nginx()
    with upstreams(3) as behind, black_hole() as hole:
        ports = [port_of(listener.address) for _, listener in behind]
        if how == "refuses":
            behind[0][1].close()
        else:
            ports[0] = port_of(hole)
        with running(in_front_of(tmp_path, *ports)) as nginx:
            for method in ("POST", "GET"):
                statuses = a_hundred(nginx.url, method)
                figures(f"nginx, one machine of three {how}: {100 - statuses[200]} of 100 {method} failed")
                assert statuses == {200: 100}
    arrived = Counter(path for upstream, _ in behind for path in upstream.paths())
    assert len(arrived) == 200 and set(arrived.values()) == {1}


@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
def test_what_a_machine_has_read_is_sent_to_no_other(
    method: str, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    """Also if the first one asked had refused, which counts as no attempt."""
    skip_without_nginx()
    with upstreams(3) as behind:
        (_, refusing), (breaking, _), _ = behind
        refusing.close()
        breaking.breaks = True
        with running(in_front_of(tmp_path, *(port_of(listener.address) for _, listener in behind))) as nginx:
            statuses = a_hundred(nginx.url, method)
    arrived = Counter(path for upstream, _ in behind for path in upstream.paths())
    twice = sum(1 for count in arrived.values() if count > 1)
    lost = len(breaking.received)
    figures(f"nginx, a machine reads {method} and dies: {lost} of 100 lost with it, {twice} sent twice")
    assert statuses == {200: 100 - lost, 503: lost} and lost > 0
    assert len(arrived) == 100 and twice == 0


def test_a_machine_that_is_killed_takes_only_its_own_logins_with_it(
    simulator: Simulator, start_briefly: Callable[..., Service], tmp_path: Path, figures: Callable[[str], None]
) -> None:
    skip_without_nginx()
    services = [start_briefly(f"machine{number}", workers=1, settings=PROXIED) for number in range(3)]
    codes = [simulator.code(f"machine-{number}") for number in range(200)]
    in_flight = 8

    def login(code: str) -> int:
        return requests.post(f"{nginx.url}/api/v1/auth/login", json={"code": code}, timeout=20).status_code

    ports = [service.port for service in services]
    with running(in_front_of(tmp_path, *ports)) as nginx, ThreadPoolExecutor(in_flight) as clients:
        first = [clients.submit(login, code) for code in codes[:100]]
        wait_until(lambda: sum(answer.done() for answer in first) > 20)
        services[0].process.kill()
        during = Counter(answer.result() for answer in first)
        after = Counter(clients.map(login, codes[100:]))
    figures(f"nginx, one authsvc of three is killed: {100 - during[200]} of 100 logins failed, then {100 - after[200]}")
    assert set(during) <= {200, 503} and during[503] <= in_flight
    assert after == {200: 100}
    asked = Counter(call["query"]["js_code"] for call in simulator.journal(path="/sns/jscode2session"))
    assert max(asked[code] for code in codes) == 1


def test_a_reload_under_load_fails_nobody(
    simulator: Simulator, start_briefly: Callable[..., Service], tmp_path: Path, figures: Callable[[str], None]
) -> None:
    skip_without_nginx()
    service = start_briefly("reloaded", workers=2, settings=PROXIED)
    good: list[bool] = []
    is_over = threading.Event()

    def client(name: str) -> None:
        for number in itertools.count():
            if is_over.is_set():
                return
            body = {"code": simulator.code(f"{name}-{number}")}
            answer = requests.post(f"{nginx.url}/api/v1/auth/login", json=body, timeout=30)
            # Of an answer without a head, nginx would make a 200.
            good.append(answer.status_code == 200 and "X-Request-ID" in answer.headers and answer.json()["code"] == 0)

    with running(in_front_of(tmp_path, service.port)) as nginx, ThreadPoolExecutor(6) as clients:
        loops = [clients.submit(client, f"reload{number}") for number in range(6)]
        try:
            for _ in range(2):
                before, answered = set(service.workers()), len(good)
                os.kill(service.process.pid, signal.SIGHUP)
                wait_until(lambda: not before & set(service.workers()), 40)  # noqa: B023
                wait_until(lambda: len(good) > answered + 100, 40)  # noqa: B023
        finally:
            is_over.set()
        for loop in loops:
            loop.result()
    figures(f"gunicorn reloaded twice (HUP) under load behind nginx: {good.count(False)} of {len(good)} logins failed")
    assert all(good) and len(good) > 200


class SlowClients:
    """Clients that have begun something and take their time: half heads, half bodies, readers of large answers.

    They come from several addresses, because nginx allows each two hundred connections and a burst of four hundred
    requests.
    """

    HEAD = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"

    def __init__(self, port: int, count: int) -> None:
        self.heads = [self._open(port, f"127.0.10.{number // 50 + 1}", self.HEAD) for number in range(count)]
        half = self.HEAD + b"Content-Length: 900\r\n\r\n{"
        self.bodies = [self._open(port, f"127.0.20.{number // 50 + 1}", half) for number in range(count)]
        # 5.6 MB of answers, more than the kernel holds for a connection.
        many = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 40
        self.readers = [self._open(port, f"127.0.30.{number // 8 + 1}", many) for number in range(count // 4)]

    @staticmethod
    def _open(port: int, address: str, first: bytes) -> socket.socket:
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.bind((address, 0))
        client.settimeout(10)
        client.connect(("127.0.0.1", port))
        client.sendall(first)
        return client

    def drip(self) -> None:
        """A byte more of each head, as somebody does who wants to be waited for."""
        for client in self.heads:
            with contextlib.suppress(OSError):
                client.sendall(b"x")

    def close(self) -> None:
        for client in [*self.heads, *self.bodies, *self.readers]:
            client.close()


def held(port: int) -> Counter[str]:
    """How many connections of each kind of slow client the server on a port has not given up."""
    kinds = {"0A": "heads", "14": "bodies", "1E": "readers"}
    # The kernel may show a connection twice while others come and go.
    rows = {tuple(line.split()[1:4]) for line in Path("/proc/net/tcp").read_text().splitlines()[1:]}
    # An address stands there as its four bytes backwards.
    mine = [remote for local, remote, state in rows if local.endswith(f":{port:04X}") and state == ESTABLISHED]
    return Counter(kinds[remote[2:4]] for remote in mine if remote[2:4] in kinds)


def test_hundreds_of_slow_clients_cost_the_others_nothing_and_are_given_up(
    simulator: Simulator, start_briefly: Callable[..., Service], tmp_path: Path, figures: Callable[[str], None]
) -> None:
    skip_without_nginx()
    service = start_briefly("slowly", workers=1, settings=PROXIED)
    waits: list[float] = []
    statuses: Counter[int] = Counter()
    with running(in_front_of(tmp_path, service.port)) as nginx, contextlib.ExitStack() as stack:
        slow = stack.enter_context(contextlib.closing(SlowClients(nginx.port, 200)))
        started = time.monotonic()
        for number in range(100):
            if number % 10 == 0:
                slow.drip()
            code = simulator.code(f"quick-{number}")
            sent = time.monotonic()
            answer = requests.post(f"{nginx.url}/api/v1/auth/login", json={"code": code}, timeout=20)
            waits.append(time.monotonic() - sent)
            statuses[answer.status_code] += 1
            time.sleep(max(0.0, started + number * 0.1 - time.monotonic()))
            if number == 10:
                assert held(nginx.port) == {"heads": 200, "bodies": 200, "readers": 50}
        wait_until(lambda: not held(nginx.port), 10)
        given_up = time.monotonic() - started
    figures(
        f"nginx with 200 slow heads, 200 bodies, 50 readers: {100 - statuses[200]} of 100 logins failed, "
        f"p99 {percentile(waits, 99) * 1000:.0f} ms; all given up after {given_up:.0f} s"
    )
    assert statuses == {200: 100} and percentile(waits, 99) < 2


INNER = b"GET /smuggled HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def outer(*fields: bytes, body: bytes = INNER, line: bytes = b"POST /outer HTTP/1.1") -> bytes:
    """A request that hides another one in its body, for whoever reads its length differently."""
    return b"\r\n".join([line, b"Host: 127.0.0.1", *fields, b"", body])


LENGTH = b"Content-Length: %d" % len(INNER)
CHUNKED = b"Transfer-Encoding: chunked"
EMPTY = b"0\r\n\r\n"
SMUGGLING = {
    "length and chunked": outer(b"Content-Length: %d" % len(EMPTY + INNER), CHUNKED, body=EMPTY + INNER),
    "chunked and length": outer(CHUNKED, b"Content-Length: 4", body=EMPTY + INNER),
    "two lengths": outer(b"Content-Length: 0", LENGTH),
    "two lengths, reversed": outer(LENGTH, b"Content-Length: 0"),
    "lengths in a list": outer(b"Content-Length: 0, %d" % len(INNER)),
    "the same length twice": outer(LENGTH, LENGTH),
    "signed length": outer(b"Content-Length: +%d" % len(INNER)),
    "negative length": outer(b"Content-Length: -1"),
    "hexadecimal length": outer(b"Content-Length: 0x%x" % len(INNER)),
    "length after a space": outer(b"Content-Length : %d" % len(INNER)),
    "length after a tab": outer(b"Content-Length\t: %d" % len(INNER)),
    "length in a folded line": outer(b"Content-Length:\r\n %d" % len(INNER)),
    "length folded onto another": outer(b"X-Other: a\r\n Content-Length: %d" % len(INNER)),
    "length with an underscore": outer(b"Content_Length: %d" % len(INNER)),
    "chunked twice": outer(CHUNKED, CHUNKED, body=EMPTY + INNER),
    "chunked, then identity": outer(b"Transfer-Encoding: chunked, identity", body=EMPTY + INNER),
    "chunked after gzip": outer(b"Transfer-Encoding: gzip, chunked", body=EMPTY + INNER),
    "chunked after a space": outer(b"Transfer-Encoding : chunked", LENGTH, body=EMPTY + INNER),
    "chunked after a control character": outer(b"Transfer-Encoding: \x0bchunked", LENGTH, body=EMPTY + INNER),
    "chunked in a folded line": outer(b"Transfer-Encoding:\r\n chunked", LENGTH, body=EMPTY + INNER),
    "chunked, spelt differently": outer(b"Transfer-Encoding: xchunked", LENGTH, body=EMPTY + INNER),
    "chunked with an underscore": outer(b"Transfer_Encoding: chunked", LENGTH),
    "bare line feed before chunked": outer(b"X-Other: a\nTransfer-Encoding: chunked", LENGTH, body=EMPTY + INNER),
    "bare carriage return": outer(b"X-Other: a\rTransfer-Encoding: chunked", LENGTH, body=EMPTY + INNER),
    "null byte": outer(b"X-Other: a\0b", LENGTH),
    "chunk size with a sign": outer(CHUNKED, body=b"+0\r\n\r\n" + INNER),
    "chunk that ends with a line feed": outer(CHUNKED, body=b"1\r\na\n0\r\n\r\n" + INNER),
    "chunk size that overflows": outer(CHUNKED, body=b"f" * 20 + b"\r\n" + INNER),
    "line break in the path": outer(
        b"Content-Length: 0", body=b"", line=b"POST /a HTTP/1.1\r\n\r\nGET /smuggled HTTP/1.1"
    ),
    "encoded line break in the path": outer(
        b"Content-Length: 0", body=b"", line=b"POST /a%0d%0a%0d%0aGET%20/smuggled HTTP/1.1"
    ),
}
# nginx reads no body, or one of a byte, and then the second request as such, which gets a connection of its own.
PIPELINED = {"length with an underscore", "chunk that ends with a line feed"}


def exchange(port: int, sent: bytes) -> bytes:
    """What comes back until the other side has been quiet for a moment or has closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(sent)
        client.settimeout(0.5)
        said = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while came := client.recv(65536):
                said += came
    return said


@pytest.fixture(scope="module")
def noting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Upstream, Nginx]]:
    """nginx in front of an upstream that notes what it is sent."""
    skip_without_nginx()
    folder = tmp_path_factory.mktemp("noting")
    with upstreams(1) as [(upstream, listener)], running(in_front_of(folder, port_of(listener.address))) as nginx:
        yield upstream, nginx


@pytest.mark.parametrize("shape", SMUGGLING)
def test_a_request_hidden_in_another_one_stays_hidden(shape: str, noting: tuple[Upstream, Nginx]) -> None:
    """What nginx passes on has one length and no chunks, so the service cannot read it differently."""
    upstream, nginx = noting
    upstream.received.clear()
    answer = exchange(nginx.port, SMUGGLING[shape])
    statuses = re.findall(rb"HTTP/1.1 (\d+)", answer)
    if shape in PIPELINED:
        assert upstream.paths() == ["/outer", "/smuggled"]
    else:
        assert "/smuggled" not in upstream.paths()
        assert statuses == [b"200"] * len(upstream.received) or statuses in ([b"400"], [b"501"])
    for request in upstream.received:
        head, _, body = request.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        lengths = [line for line in lines if line.lower().startswith(b"content-length")]
        assert lengths == ([b"Content-Length: %d" % len(body)] if body or lengths else [])
        assert not re.search(rb"(?im)^transfer.encoding|^[ \t]|[\r\n\0]", b"".join(lines))
