"""Paths and headers that nobody honest sends: answered in the caller's shape, and nothing of them is believed."""

import http.client
import socket
from collections.abc import Callable, Iterator

import pytest
from werkzeug.routing import Rule

from authsvc.web.paths import CONVERTERS
from tests.harness import signedin
from tests.harness.inprocess import beside
from tests.harness.service import Service
from tests.harness.simulator import Simulator

# What stands in the place of a parameter, percent-encoded.
SEGMENTS = (
    "%C3%B6", "%00", "x%00", "%ED%A0%80", "%FF%FE", "%F0%9F", "%F0%9F%A9%B7", "%E2%80%AE", "%0A", "1%0A", "%0D%0A",
    "%20", "9" * 3500, "99999999999999999999999", "18446744073709551616", "9223372036854775808", "-1", "0", "01",
    "1e5", "0x1", "1.0", "%EF%BC%91", "%D9%A3", "NaN", "null", "true", "..%2F..%2Fetc%2Fpasswd", "%2e%2e", "..",
    "'%20OR%201=1--", "%25", "%2525", "+", "*", "{x}", "a" * 33, "~", "wx4F4BC4DEC97D474B", "wx4f4bc4dec97d474b%20",
    "signin.js%00", "x.png", "0" * 32 + ".gif", "0" * 32 + ".PNG", "%2F" + "0" * 32 + ".png", "signin%2Ejs%0A",
    "__init__.py", "%C0%AE%C0%AE",
)  # fmt: skip
# Well-formed for one kind of parameter, and so not strange there.
FINE = {"session": {"0", "01", "1e5", "0x1", "NaN", "null", "true", "99999999999999999999999"}}
FINE["session"] |= {"18446744073709551616", "9223372036854775808", "-1", "wx4F4BC4DEC97D474B", "__init__"}

HEADERS = (
    "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Cookie",
    "Content-Encoding", "Content-Type", "Forwarded", "From", "Idempotency-Key", "If-Match", "If-Modified-Since",
    "If-None-Match", "If-Range", "If-Unmodified-Since", "Origin", "Pragma", "Range", "Referer", "Step-Up-Code",
    "User-Agent", "X-Forwarded-For", "X-Forwarded-Proto", "X-Request-ID",
)  # fmt: skip
VALUES: dict[str, bytes] = {
    "a year that no calendar has": b"Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "a zone that no clock has": b"Mon, 01 Jan 2024 00:00:00 +99999999999999999999",
    "a day and an hour that no clock has": b"Mon, 99 Jan 2024 99:99:99 GMT",
    "the year 0": b"Mon, 01 Jan 0000 00:00:00 GMT",
    "a range beyond all numbers": b"bytes=99999999999999999999999-9" + b"9" * 4400,
    "digits": b"9" * 4400,
    "bytes that are no text": b"\xff\xfe\x80",
    "UTF-8": "鹿🩷\u202e".encode(),
    "quotes": b'"\\"\\',
    "a list of nothing": b';;;===,,,q="",*,;q=nan,;q=1e999',
    "half an ETag": b'W/"',
    "a scheme alone": b"Bearer",
    "a charset": b"application/json; charset=no-such; charset*=utf-8''%ff%",
    "a boundary": b"multipart/form-data; boundary=\xff",
    "a form": b"application/x-www-form-urlencoded; charset=utf-16",
    "a minus": b"-1",
}


def rules(service: Service) -> list[Rule]:
    with beside(service) as app:
        return sorted(app.url_map.iter_rules(), key=str)


def methods(rule: Rule) -> list[str]:
    """HEAD is a GET, and OPTIONS is Flask's own."""
    return sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})


def ask(service: Service, method: str, path: str, headers: list[tuple[str, bytes]]) -> tuple[int, bytes]:
    """Send bytes as they are; requests would mend them."""
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=30)
    connection.putrequest(method, path, skip_accept_encoding=True)
    for name, value in headers:
        connection.putheader(name, value)
    connection.putheader("Content-Length", "0")
    connection.endheaders()
    answer = connection.getresponse()
    content = answer.read()
    service.keep(dict(answer.getheaders()), content)
    connection.close()
    return answer.status, content


def test_every_parameter_of_every_route_is_of_a_kind_of_our_own(service: Service) -> None:
    kinds = {type(converter) for rule in rules(service) for converter in rule._converters.values()}
    assert kinds == set(CONVERTERS.values())


def strange_paths(service: Service) -> Iterator[tuple[str, str]]:
    named = {kind: name for name, kind in CONVERTERS.items()}
    for rule in rules(service):
        for argument, converter in rule._converters.items():
            kind = named[type(converter)]
            # What stands for the path's other parameters is as it should be.
            dynamic = {
                name: "\0" if name == argument else "A" * 22 if named[type(other)] == "session" else "1"
                for name, other in rule._converters.items()
            }
            parts = (dynamic[text] if is_dynamic else text for is_dynamic, text in rule._trace)
            template = "".join(parts).removeprefix("|")
            assert template.count("\0") == 1, argument
            for segment in SEGMENTS:
                if kind != "anything" and segment not in FINE.get(kind, ()):
                    for method in methods(rule):
                        yield method, template.replace("\0", segment)


def test_a_path_that_is_none_is_404_in_the_callers_shape(simulator: Simulator, each_service: Service) -> None:
    token = signedin.native(each_service, simulator, "strange-paths").access
    headers = [("Authorization", f"Bearer {token}".encode())]
    paths = list(strange_paths(each_service))
    assert len({path for _, path in paths}) > 200
    for method, path in paths:
        status, content = ask(each_service, method, path, headers)
        assert status in (404, 405), (method, path, status)
        if path.startswith(("/api/", "/qrcodes/")):
            assert b'"error":"not_found"' in content or b'"error":"method_not_allowed"' in content, (method, path)


def test_a_session_that_is_nobodys_is_not_found(simulator: Simulator, each_service: Service) -> None:
    token = signedin.native(each_service, simulator, "strange-sessions").access
    for segment in sorted(FINE["session"]):
        shown = each_service.step_up(token)
        answer = each_service.call("DELETE", f"/api/v1/sessions/{segment}", token=token, headers=shown)
        assert (answer.status_code, answer.json()["error"]) == (404, "no_such_item"), answer.text


def test_a_gateway_may_append_any_path(simulator: Simulator, each_service: Service) -> None:
    token = signedin.native(each_service, simulator, "strange-gateway").access
    for segment in SEGMENTS:
        status, _ = ask(each_service, "GET", f"/auth/verify/{segment}", [("Authorization", f"Bearer {token}".encode())])
        assert status == 200, segment


def assert_no_route_fails(service: Service, simulator: Simulator, value: bytes) -> None:
    person = f"Bearer {signedin.native(service, simulator, 'strange-headers').access}".encode()
    headers = [(name, person if name == "Authorization" else value) for name in HEADERS]
    plain = [rule for rule in rules(service) if not rule.arguments]
    # What ends the session comes last.
    for rule in sorted(plain, key=lambda rule: "logout" in rule.rule):
        for method in methods(rule):
            status, _ = ask(service, method, rule.rule, headers)
            assert status < 500, (method, rule.rule, status)
    for path in ("/api/v1/me", "/oauth/revocations", "/internal/v1/access_token", "/metrics"):
        assert ask(service, "GET", path, [(name, value) for name in HEADERS])[0] < 500, path


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES.keys())
def test_no_header_makes_a_route_fail(simulator: Simulator, service: Service, value: bytes) -> None:
    assert_no_route_fails(service, simulator, value)


@pytest.mark.parametrize("name", ["bytes that are no text", "UTF-8", "digits"])
def test_nor_does_one_that_a_database_would_refuse(simulator: Simulator, mysql_service: Service, name: str) -> None:
    assert_no_route_fails(mysql_service, simulator, VALUES[name])


# --- what no header chooses ------------------------------------------------------------------------------------


def answer_of(service: Service, *lines: str) -> bytes:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize(
    "header",
    [
        "SCRIPT_NAME: /auth/verify", "Script-Name: /auth/verify", "script_name: /auth/verify", "PATH_INFO: /healthz",
        "X-Script-Name: /auth/verify", "X-Forwarded-Prefix: /auth/verify", "X_Forwarded_Prefix: /auth/verify",
        "X-Original-URL: /healthz", "X-Rewrite-URL: /healthz", "X-Original-URI: /healthz", "REMOTE_USER: 1",
        "X-Remote-User: 1", "X-HTTP-Method-Override: OPTIONS", "wsgi.url_scheme: https", "RAW_URI: /healthz",
    ],
)  # fmt: skip
def test_no_header_chooses_the_path_or_who_is_asking(service: Service, header: str) -> None:
    answer = answer_of(service, "GET /auth/verify/healthz HTTP/1.1", "Host: x", header)
    assert answer.split(b" ", 2)[1] == b"401", answer


@pytest.mark.parametrize(
    "header", ["X-Forwarded-Proto", "X-Forwarded-Protocol", "X-Forwarded-Ssl", "X_Forwarded_Proto"]
)
def test_no_header_chooses_the_scheme_or_ends_a_request(service: Service, header: str) -> None:
    """Two that contradict each other were a 400 for what came through a proxy on this machine."""
    lines = ("GET /healthz HTTP/1.1", "Host: x", f"{header}: https", f"{header}: http", "X-Forwarded-Ssl: on")
    assert answer_of(service, *lines).split(b" ", 2)[1] == b"200"


@pytest.mark.parametrize("path", ["//healthz", "///", "/api//v1/me", "//evil.example/..", "/qrcodes//x.png"])
def test_nobody_is_sent_to_a_host_of_the_clients_choice(service: Service, path: str) -> None:
    answer = answer_of(service, f"GET {path} HTTP/1.1", "Host: evil.example")
    assert answer.split(b" ", 2)[1] in (b"200", b"404")
    assert b"evil.example" not in answer and b"\r\nLocation:" not in answer


MINE = "a-clients-own-id-0123"


def test_a_clients_request_id_is_not_ours(service: Service) -> None:
    answer = service.call("GET", "/nothing", headers={"X-Request-ID": MINE})
    assert len(answer.headers["X-Request-ID"]) == 32
    assert answer.json()["request_id"] == answer.headers["X-Request-ID"]
    assert MINE not in service.log.read_text()


@pytest.fixture(scope="module")
def behind_a_proxy(start_service: Callable[..., Service]) -> Service:
    return start_service("proxied-ids", workers=1, settings={"TRUSTED_PROXIES": "1"})


def test_a_trusted_proxys_request_id_is_kept_if_it_is_one(behind_a_proxy: Service) -> None:
    assert behind_a_proxy.call("GET", "/nothing", headers={"X-Request-ID": MINE}).json()["request_id"] == MINE
    for odd in ("short", "x" * 65, "with blank", "a" * 20 + ";"):
        assert behind_a_proxy.call("GET", "/nothing", headers={"X-Request-ID": odd}).headers["X-Request-ID"] != odd
