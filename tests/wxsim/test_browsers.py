"""Other people's web pages: they reach the simulator neither by a name of their own nor through a visitor's browser."""

import socket

import pytest
import requests

PROGRAMS = [{}, {"User-Agent": "Mozilla/5.0"}, {"X-Forwarded-Host": "evil.example"}, {"Sec-Fetch-Site": "none"}]
FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://127.0.0.1:1"},
    {"Origin": "{own}.evil.example"},
    {"Origin": "http://evil.example@{host}"},
    {"Origin": "{own}/"},
    {"Origin": "{own}", "Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "CROSS-SITE"},
    {"Sec-Fetch-Site": ""},
    {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"},
    {"Origin": "https://evil.example", "Forwarded": "host=evil.example;proto=https"},
]
# What changes something or tells something: the hand of a test, the phone, the page's way to authsvc, WeChat itself.
ROUTES = [
    *[("POST", "/control/reset"), ("DELETE", "/control/faults"), ("GET", "/control/tokens"), ("POST", "/phone/login")],
    *[("GET", "/ui/authsvc/readyz"), ("POST", "/ui/authsvc/api/v1/auth/login"), ("PUT", "/control/users/eve")],
    *[("POST", "/cgi-bin/stable_token"), ("GET", "/sns/jscode2session")],
]
NAMES = [
    "evil.example",
    "evil.example:{port}",
    "127.0.0.1.evil.example:{port}",
    "localhost.evil.example",
    "localhost.",
    "xlocalhost",
    "0.0.0.0:{port}",
    "[::]:{port}",
    "192.0.2.7:{port}",
    "2130706433:{port}",
    "127.1",
    "0x7f.0.0.1",
    "evil.example@127.0.0.1:{port}",
    "127.0.0.1:{port}@evil.example",
    "127.0.0.1:{port}/",
    "127.0.0.1, evil.example",
    "127.0.0.1 evil.example",
    "127.0.0.1:{port}:80",
    "１２７.0.0.1",
    "[127.0.0.1",
    "",
]


def raw(sim, head):
    """Send a head as it is; return the status."""
    with socket.create_connection(("127.0.0.1", sim.port), timeout=5) as connection:
        connection.sendall(head.encode() + b"Connection: close\r\n\r\n")
        return int(connection.makefile("rb").readline().split()[1])


def send(sim, method, path, **headers):
    filled = {name: value.format(own=sim.base, host=sim.base[7:]) for name, value in headers.items()}
    return requests.request(method, sim.base + path, headers=filled, timeout=5)


@pytest.mark.parametrize("name", NAMES)
def test_a_name_of_somebody_elses_that_points_here_is_refused_everywhere(sim, name):
    host = name.format(port=sim.port)
    for method, path in [*ROUTES, ("GET", "/"), ("GET", "/ui/page.js")]:
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nX-Forwarded-Host: 127.0.0.1\r\n"
        assert raw(sim, head) in (400, 403), (method, path)


def test_no_name_and_two_names_are_refused_too(sim):
    assert raw(sim, "GET /control/tokens HTTP/1.0\r\n") in (400, 403)
    for pair in (("127.0.0.1", "evil.example"), ("evil.example", "127.0.0.1")):
        head = "GET /control/tokens HTTP/1.1\r\n" + "".join(f"Host: {name}\r\n" for name in pair)
        assert raw(sim, head) in (400, 403)
    assert raw(sim, "GET http://127.0.0.1/control/tokens HTTP/1.1\r\nHost: evil.example\r\n") in (400, 403)


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
def test_what_a_page_of_another_site_sends_is_refused(sim, headers):
    sim.fault("errcode", errcode=-1, times=None)
    for method, path in ROUTES:
        assert send(sim, method, path, **headers).status_code == 403, (method, path)
    assert len(sim.http.get(f"{sim.base}/control/faults").json()["faults"]) == 1, "nothing was reset"


@pytest.mark.parametrize("headers", PROGRAMS, ids=str)
def test_programs_and_the_own_page_are_let_in(sim, headers):
    own = {"Origin": "{own}", "Sec-Fetch-Site": "same-origin"}
    for sent in (headers, own):
        assert send(sim, "POST", "/control/reset", **sent).status_code == 200
        assert send(sim, "GET", "/control/tokens", **sent).status_code == 200
        assert send(sim, "GET", "/ui/authsvc/readyz", **sent).status_code == 404  # started without --authsvc
    for name in ("127.0.0.1", f"127.0.0.1:{sim.port}", "LOCALHOST:1", "[::1]:80", "127.8.8.8"):
        assert raw(sim, f"GET /control/health HTTP/1.1\r\nHost: {name}\r\n") == 200, name
    code = sim.login()
    assert requests.get(f"{sim.base}/sns/jscode2session", params=sim.query(code), headers=headers).json()["openid"]


def test_a_link_from_anywhere_opens_the_page(sim):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert [send(sim, "GET", path, **headers).status_code for path in ("/", "/ui/page.js", "/ui/kit.js")] == [200] * 3


def test_further_names_are_those_that_were_given(launch):
    base = launch("--allow-host", "WeChat.internal", "--host", "127.0.0.2").line.split()[2]
    for name, status in {
        "wechat.internal:8089": 200,
        "127.0.0.2": 200,
        "internal": 403,
        "a.wechat.internal": 403,
    }.items():
        answer = requests.get(f"{base}/control/health", headers={"Host": name}, timeout=5)
        assert answer.status_code == status, name
    named = {"Host": "wechat.internal", "Origin": "https://wechat.internal"}
    assert requests.post(f"{base}/control/reset", headers=named, timeout=5).status_code == 200
    named["Origin"] = "https://evil.internal"
    assert requests.post(f"{base}/control/reset", headers=named, timeout=5).status_code == 403
