"""Between us and WeChat: a proxy, and a certificate authority of one's own; and what if one of them is not well."""

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import APPID
from tests.harness.certificates import Authority
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.sockets import TLS_RECORD, Proxy, Talk, TlsFront, drips, says

HOST = "localhost"  # the only name of its own that the simulator answers to
IN_TIME = 5.5


@dataclass
class Way:
    service: Service
    proxy: Proxy
    front: TlsFront
    authority: Authority


@pytest.fixture(scope="module")
def way(
    start_service: Callable[..., Service], shared_simulator: Simulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Way]:
    """A service that reaches the simulator over TLS, by way of a proxy, with two calls at a time."""
    authority = Authority(tmp_path_factory.mktemp("way"))
    simulator = urlsplit(shared_simulator.url)
    front = TlsFront(authority.server(HOST), ("127.0.0.1", simulator.port or 0))
    proxy = Proxy(front.address)
    settings = {"WX_PROXY": proxy.url, "WX_CA_FILE": str(authority.file), "WX_MAX_IN_FLIGHT": "2"}
    service = start_service("way", workers=1, wechat=f"https://{HOST}", settings=settings)
    yield Way(service, proxy, front, authority)
    service.stop()
    front.close()
    proxy.close()


@pytest.fixture
def simulator(way: Way, simulator: Simulator) -> Simulator:
    """The breaker has seen WeChat work, and no connection is left of before."""
    way.proxy.instead = None
    way.front.context = way.authority.server(HOST)
    assert way.service.login(simulator.code("somebody well")).status_code == 200
    simulator.clear()
    way.front.hang_up()
    return simulator


def test_a_login_goes_through_the_proxy_to_a_server_of_a_private_authority(way: Way, simulator: Simulator) -> None:
    way.proxy.asked.clear()
    assert way.service.login(simulator.code("through")).status_code == 200
    # Once: a connection of TLS is not thrown away before its first request.
    (asked,) = way.proxy.asked
    assert asked.startswith(f"CONNECT {HOST}:443 HTTP/1.".encode())
    assert way.service.login(simulator.code("again")).status_code == 200
    assert way.proxy.asked == [asked]


def _hangs_up(connection: socket.socket) -> None:
    connection.recv(65536)


def _lets_through_to_a_server_that_drips(connection: socket.socket) -> None:
    connection.recv(65536)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    drips(TLS_RECORD)(connection)


TROUBLE: dict[str, tuple[Talk | None, str]] = {
    "certificate of a stranger": (None, "WX_API_BASE cannot be reached: its certificate is not accepted: "),
    "certificate of another name": (None, "WX_API_BASE cannot be reached: its certificate is for another name"),
    "certificate that has run out": (
        None,
        "WX_API_BASE cannot be reached: its certificate is not accepted: certificate has expired",
    ),
    "proxy that wants a password": (
        says(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"),
        "WX_PROXY cannot be reached: HTTP status 407 to CONNECT",
    ),
    "proxy that hangs up": (_hangs_up, "WX_PROXY cannot be reached: "),
    "handshake that drips": (
        _lets_through_to_a_server_that_drips,
        "WX_API_BASE cannot be reached: the TLS handshake takes too long",
    ),
}


@pytest.mark.parametrize("trouble", TROUBLE)
def test_what_keeps_a_call_from_leaving_leaves_the_code_good_and_is_named_in_the_log(
    way: Way, simulator: Simulator, tmp_path: Path, trouble: str
) -> None:
    way.proxy.instead, reason = TROUBLE[trouble]
    contexts = {
        "certificate of a stranger": lambda: Authority(tmp_path, "a stranger").server(HOST),
        "certificate of another name": lambda: way.authority.server("other.wechat.test"),
        "certificate that has run out": lambda: way.authority.server(HOST, days=-1),
    }
    if trouble in contexts:
        way.front.context = contexts[trouble]()
    seen = len(way.service.log.read_text())
    code = simulator.code("held up")
    started = time.monotonic()
    answer = way.service.login(code)
    assert time.monotonic() - started <= IN_TIME
    assert (answer.status_code, answer.json()["error"], answer.json()["action"]) == (503, "wechat_unavailable", "retry")
    assert answer.headers["Retry-After"] == "2"
    said = way.service.log.read_text()[seen:]
    (line,) = [line for line in said.splitlines() if '"ERROR"' in line]
    message = json.loads(line)["message"]
    assert reason in message and code not in said and HOST not in line and APPID not in message
    assert simulator.journal() == []
    # The same code, once the way is free; both places are free again, too.
    way.proxy.instead = None
    way.front.context = way.authority.server(HOST)
    assert [way.service.login(text).status_code for text in (code, simulator.code("next"))] == [200, 200]
    assert re.search(r"Traceback", said) is None
