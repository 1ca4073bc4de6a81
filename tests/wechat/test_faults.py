"""WeChat silent, dripping, away, wrong or talking nonsense: every login ends in time, with an answer that helps."""

import base64
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import requests

from tests.harness.processes import free_port
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.sockets import black_hole, listening, says
from tests.harness.waiting import wait_until

# The deadline of a call, and half a second for everything around it.
IN_TIME = 5.5
BUSY = {"kind": "errcode", "errcode": -1}


@pytest.fixture(scope="module")
def one_worker(start_service: Callable[..., Service]) -> Service:
    return start_service("faults", workers=1)


@pytest.fixture
def service(one_worker: Service, simulator: Simulator) -> Service:
    """One worker whose breaker has just seen WeChat work."""
    assert one_worker.login(simulator.code("somebody well")).status_code == 200
    simulator.clear()
    return one_worker


@pytest.fixture
def no_new_rows(service: Service) -> Iterator[None]:
    def rows() -> list[int]:
        return [service.count(table) for table in ("users", "identities", "sessions", "login_attempts")]

    before = rows()
    yield
    assert rows() == before


def outcome(reply: requests.Response) -> tuple[int, str, str]:
    body = reply.json()
    return reply.status_code, body["error"], body["action"]


def timed_login(service: Service, code: str) -> requests.Response:
    started = time.monotonic()
    reply = service.login(code)
    assert time.monotonic() - started <= IN_TIME
    return reply


# --- no answer ------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_new_rows")
def test_a_code_that_may_be_spent_is_not_sent_again_and_the_client_is_told_to_get_a_new_one(
    simulator: Simulator, service: Service
) -> None:
    faults = {
        "silent": {"kind": "hang"},
        "dripping headers": {"kind": "drip", "from": "headers", "interval": 0.5},
        "dripping body": {"kind": "drip", "from": "body", "interval": 0.5},
        "hangs up": {"kind": "hang", "seconds": 0},
        "resets": {"kind": "reset"},
        "resets within the headers": {"kind": "reset", "after_bytes": 60},
    }
    codes = {name: simulator.code("fan") for name in faults}
    for name, fault in faults.items():
        simulator.fault(fault, code=codes[name])
    with ThreadPoolExecutor(len(faults)) as clients:
        replies = dict(zip(codes, clients.map(partial(timed_login, service), codes.values()), strict=True))
    for name, reply in replies.items():
        assert outcome(reply) == (503, "wechat_no_answer", "relogin"), name
        assert reply.headers["Retry-After"] == "2"
        assert [call["consumed"] for call in simulator.journal(code=codes[name])] == [True], name


@pytest.fixture(scope="module")
def lost_service(start_service: Callable[..., Service]) -> Service:
    """Pointed at a WeChat that is not there."""
    return start_service("lost", workers=1, wechat=f"http://127.0.0.1:{free_port()}")


@pytest.fixture
def black_hole_address() -> Iterator[str]:
    with black_hole() as address:
        yield f"http://{address}"


@pytest.mark.parametrize("place", ["a closed port", "a name without address", "a black hole"])
def test_a_request_that_never_left_is_tried_twice_and_may_be_repeated_with_the_same_code(
    place: str, simulator: Simulator, lost_service: Service, black_hole_address: str
) -> None:
    if place != "a closed port":
        address = "https://wechat.invalid" if place == "a name without address" else black_hole_address
        lost_service.environment["WX_API_BASE"] = address
        lost_service.restart()
    seen = len(lost_service.log.read_text())
    code = simulator.code("guo")
    reply = timed_login(lost_service, code)
    assert outcome(reply) == (503, "wechat_unavailable", "retry")
    assert reply.headers["Retry-After"] == "2"
    tries = lost_service.log.read_text()[seen:].count("Starting new HTTP")
    assert tries == 2
    assert (lost_service.count("users"), simulator.journal(code=code)) == (0, [])


# --- an answer that is none -------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_new_rows")
@pytest.mark.parametrize("body", ["", "<html>Bad Gateway</html>", '{"errcode":-1,"errmsg":"busy"}'])
@pytest.mark.parametrize("status", [500, 502, 503, 504, 429])
def test_an_http_error_status_is_an_outage_and_not_repeated(
    simulator: Simulator, service: Service, status: int, body: str
) -> None:
    code = simulator.code("he")
    simulator.fault({"kind": "http_status", "status": status, "body": body}, code=code)
    assert outcome(timed_login(service, code)) == (503, "wechat_no_answer", "relogin")
    assert len(simulator.journal(code=code)) == 1


@pytest.mark.usefixtures("no_new_rows")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(simulator: Simulator, service: Service, status: int) -> None:
    code = simulator.code("jia")
    with listening() as elsewhere:
        location = f"http://{elsewhere.address}/sns/jscode2session"
        simulator.fault({"kind": "redirect", "status": status, "location": location}, code=code)
        assert outcome(timed_login(service, code)) == (502, "wechat_bad_answer", "relogin")
        assert elsewhere.hits == 0
    assert len(simulator.journal(code=code)) == 1


OPENID = "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
KEY = "tiihtNczf5v6AKRyjwEUhQ=="


def _answer(**changes: object) -> bytes:
    whole = {"openid": OPENID, "session_key": KEY, **changes}
    return json.dumps({name: value for name, value in whole.items() if value is not ...}).encode()


BAD_BODIES: dict[str, bytes] = {
    "HTML": b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>",
    "empty": b"",
    "null": b"null",
    "array": b"[]",
    "array of the answer": b"[" + _answer() + b"]",
    "string": b'"ok"',
    "number": b"0",
    "empty object": b"{}",
    "two objects": _answer() + _answer(),
    "no openid": _answer(openid=...),
    "openid null": _answer(openid=None),
    "openid a number": _answer(openid=12345678),
    "openid an object": _answer(openid={"$ne": ""}),
    "openid empty": _answer(openid=""),
    "openid with a blank": _answer(openid=OPENID + " "),
    "openid with a newline": _answer(openid=OPENID + "\n"),
    "openid not ASCII": _answer(openid="ö" + OPENID[1:]),
    "openid too long": _answer(openid="o" * 65),
    "no session_key": _answer(session_key=...),
    "session_key empty": _answer(session_key=""),
    "session_key not base64": _answer(session_key="tiihtNczf5v6AKRyjwEUhQ=!"),
    "session_key too short": _answer(session_key="dGlpaHROY3pmNXY2"),
    "session_key too long": _answer(session_key=base64.b64encode(b"k" * 24).decode()),
    "session_key a list": _answer(session_key=[KEY]),
    "unionid a number": _answer(unionid=7),
    "unionid with a quote": _answer(unionid="o'"),
    "errcode a string": _answer(errcode="0"),
    "errcode true": _answer(errcode=True),
    "NaN for the openid": _answer(openid=float("nan")),
    "NaN beside it": _answer(expires_in=float("nan")),
    "Infinity beside it": _answer(expires_in=float("inf")),
    "openid twice": _answer()[:-1] + b', "openid": "oAnother_0000000000000000000"}',
    "BOM": b"\xef\xbb\xbf" + _answer(),
    "UTF-16": _answer().decode().encode("utf-16"),
    "GBK": '{"openid": "微信"}'.encode("gbk"),
    "bad UTF-8": _answer()[:-1] + b', "nick": "\xff\xfe"}',
    "100,000 brackets deep": b'{"a":' * 100_000,
    "a long number": _answer()[:-1] + b', "n": ' + b"9" * 10_000 + b"}",
    "gzip without being asked": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xabV*\xc9HU\xb2R\xaa\x05\x00",
}


@pytest.mark.usefixtures("no_new_rows")
@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_body_that_is_no_answer_is_refused_and_not_repeated(
    simulator: Simulator, service: Service, name: str
) -> None:
    code = simulator.code("kun")
    fault = {"kind": "raw", "body_base64": base64.b64encode(BAD_BODIES[name]).decode()}
    simulator.fault(fault, code=code)
    assert outcome(timed_login(service, code)) == (502, "wechat_bad_answer", "relogin")
    assert len(simulator.journal(code=code)) == 1


@pytest.mark.usefixtures("no_new_rows")
def test_an_answer_cut_at_any_byte_is_refused(simulator: Simulator, service: Service) -> None:
    code, whole = simulator.code("lei"), _answer()
    for length in range(len(whole)):
        cut = base64.b64encode(whole[:length]).decode()
        simulator.fault({"kind": "raw", "body_base64": cut}, code=code)
        assert outcome(service.login(code)) == (502, "wechat_bad_answer", "relogin"), whole[:length]


@pytest.mark.usefixtures("no_new_rows")
@pytest.mark.parametrize(("at", "expected"), [(0, (503, "wechat_no_answer")), (40, (502, "wechat_bad_answer"))])
def test_a_connection_closed_within_the_body_is_not_repeated(
    simulator: Simulator, service: Service, at: int, expected: tuple[int, str]
) -> None:
    code = simulator.code("ming")
    simulator.fault({"kind": "cut", "at": at}, code=code)
    assert outcome(timed_login(service, code)) == (*expected, "relogin")
    assert len(simulator.journal(code=code)) == 1


def test_something_that_is_not_http_is_no_answer(simulator: Simulator, lost_service: Service) -> None:
    texts = [b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00" * 512, b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000]
    remaining = iter(texts)
    with listening(lambda connection: says(next(remaining))(connection)) as babbler:
        lost_service.environment["WX_API_BASE"] = f"http://{babbler.address}"
        lost_service.restart()
        for text in texts:
            reply = timed_login(lost_service, simulator.code("nan"))
            assert outcome(reply) == (503, "wechat_no_answer", "relogin"), text[:20]
    assert (babbler.hits, lost_service.count("users")) == (len(texts), 0)


@pytest.mark.usefixtures("no_new_rows")
@pytest.mark.parametrize("fault", [{"kind": "big", "megabytes": 50}, {"kind": "gzip_bomb", "megabytes": 200}])
def test_a_huge_answer_is_not_read_to_its_end(
    simulator: Simulator, service: Service, figures: Callable[[str], None], fault: dict[str, object]
) -> None:
    code = simulator.code("ou")
    simulator.fault(fault, code=code)
    [worker] = service.workers()
    Path(f"/proc/{worker}/clear_refs").write_text("5")  # the peak begins anew
    before = _memory(worker, "VmRSS")
    assert outcome(timed_login(service, code)) == (502, "wechat_bad_answer", "relogin")
    growth = (_memory(worker, "VmHWM") - before) / 1024
    figures(f"{fault['kind']} of {fault['megabytes']} MB: the worker grew by {growth:.1f} MB at its peak")
    assert growth <= 20


def _memory(pid: int, name: str) -> int:
    """Kilobytes, from Linux."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found
    return int(found[1])


# --- WeChat's own errors ----------------------------------------------------------------------------------------

RELOGIN, RETRY, CONTACT = "relogin", "retry", "contact"
# Every code of WeChat's tables that could come from code2session or from the gateway in front of it.
ERRCODES: dict[tuple[int, str, str], tuple[int, ...]] = {
    (401, "wx_code_invalid", RELOGIN): (40029, 41008),
    (401, "wx_code_used", RELOGIN): (40163,),
    (401, "wx_session_stale", RELOGIN): (40003, 87007, 87009),
    (403, "wx_user_blocked", CONTACT): (40226, 50001),
    (429, "wx_rate_limited", RETRY): (45011,),
    (503, "wx_quota_exhausted", RETRY): (45009, 45029, 48006),
    (503, "wechat_busy", RELOGIN): (-1,),
    (503, "wx_misconfigured", CONTACT): (
        *(40001, 40002, 40013, 40014, 40033, 40035, 40066, 40097, 40125, 40129, 40159, 40164, 40169, 40189),
        *(40230, 40231, 40232, 40233, 40234, 40235, 40236, 40237, 40238, 40239, 40240, 40243),
        *(41001, 41002, 41004, 41009, 41030, 42001, 43001, 43002, 43003, 44002, 45063, 47001),
        *(48001, 48004, 50002, 50004, 50007, 61003, 61004, 65206, 76001, 76002, 76003, 76004, 76021, 76022),
        *(85096, 87008, 89002, 89300, 89503, 89506, 89507),
    ),
    (502, "wechat_error", RETRY): (1, -2, 99999, 2_147_483_648),
}


@pytest.mark.usefixtures("no_new_rows")
@pytest.mark.parametrize(
    ("errcode", "expected"), [(code, expected) for expected, codes in ERRCODES.items() for code in codes]
)
def test_an_errcode_becomes_our_own_error_and_wechats_text_stays_in_the_log(
    simulator: Simulator, service: Service, errcode: int, expected: tuple[int, str, str]
) -> None:
    code = simulator.code("ping")
    text = "words of the vendor, rid: 6b0094a9-0a725a0a-553decf8"
    simulator.fault({"kind": "errcode", "errcode": errcode, "errmsg": text}, times=None, code=code)
    reply = timed_login(service, code)
    assert outcome(reply) == expected
    assert ("Retry-After" in reply.headers) == (expected[2] == RETRY or errcode == -1)
    assert not re.search(r"vendor|rid|6b0094a9", reply.text)
    assert len(simulator.journal(code=code)) == (2 if errcode == -1 else 1)
    assert f"errcode {errcode} (words of the vendor) rid 6b0094a9-0a725a0a-553decf8" in service.log.read_text()


def test_a_busy_wechat_is_asked_a_second_time(simulator: Simulator, service: Service) -> None:
    code = simulator.code("qing")
    simulator.script(BUSY, code=code)
    assert timed_login(service, code).status_code == 200
    assert [call["errcode"] for call in simulator.journal(code=code)] == [-1, 0]


@pytest.mark.usefixtures("no_new_rows")
def test_a_wechat_that_stays_busy_is_not_asked_a_third_time(simulator: Simulator, service: Service) -> None:
    code = simulator.code("rui")
    simulator.fault(BUSY, times=None, code=code)
    assert outcome(timed_login(service, code)) == (503, "wechat_busy", "relogin")
    assert [call["errcode"] for call in simulator.journal(code=code)] == [-1, -1]


@pytest.mark.usefixtures("no_new_rows")
def test_a_code_spent_by_a_busy_wechat_asks_for_a_new_one(simulator: Simulator, service: Service) -> None:
    code = simulator.code("shan")
    simulator.script({**BUSY, "consume": True}, code=code)
    refused = timed_login(service, code)
    assert outcome(refused) == (401, "wx_code_used", "relogin")
    assert refused.json()["wechat_errcode"] == 40163
    assert [call["errcode"] for call in simulator.journal(code=code)] == [-1, 40163]


# --- the breaker ------------------------------------------------------------------------------------------------


@pytest.mark.alone
def test_the_breaker_opens_within_ten_failures_probes_every_five_seconds_and_recovers(
    simulator: Simulator, start_briefly: Callable[..., Service], figures: Callable[[str], None]
) -> None:
    service = start_briefly("breaker", workers=1)
    clients = [_Client(service, simulator.code(f"breaker-{number}"), number / 100) for number in range(50)]
    simulator.fault({"kind": "http_status", "status": 500}, times=None)
    for client in clients:
        client.start()

    # It opens; one probe fails; then WeChat is well again, and the next probe finds that out.
    wait_until(lambda: len(simulator.journal()) >= 8, 10)
    opened_at = time.time()
    wait_until(lambda: any(call["arrived_at"] > opened_at + 1 for call in simulator.journal()), 10)
    simulator.call("DELETE", "/control/faults")
    healed_at = time.time()
    for client in clients:
        client.join(15)

    calls = simulator.journal()
    failed = [call for call in calls if call["http_status"] == 500]
    probes = [call["arrived_at"] for call in calls if call["arrived_at"] > opened_at + 1][:2]
    before = len(failed) - 1
    pauses = [probes[0] - failed[before - 1]["arrived_at"], probes[1] - probes[0]]
    recovery = max(client.signed_in_at for client in clients) - healed_at
    statuses = {answer.status_code for client in clients for answer in client.answers}
    for answer in (answer for client in clients for answer in client.answers):
        service.keep(answer.headers, answer.content)
    figures(
        f"breaker, 50 clients, 150 tries a second: open after {before} failures, probes after {pauses[0]:.1f} and "
        f"{pauses[1]:.1f} s, everybody signed in {recovery:.1f} s after healing"
    )
    assert before <= 10
    assert min(pauses) >= 4.9
    assert recovery <= 10
    assert statuses == {200, 503}


class _Client(threading.Thread):
    """Tries to sign in until it works, three times a second."""

    def __init__(self, service: Service, code: str, start: float) -> None:
        super().__init__(daemon=True)
        self._service = service
        self._code = code
        self._start = start
        self.answers: list[requests.Response] = []
        self.signed_in_at = float("inf")

    def run(self) -> None:
        time.sleep(self._start)
        give_up = time.monotonic() + 30
        with requests.Session() as http:
            while time.monotonic() < give_up:
                answer = http.post(f"{self._service.url}/api/v1/auth/login", json={"code": self._code}, timeout=30)
                self.answers.append(answer)
                if answer.ok:
                    self.signed_in_at = time.time()
                    return
                time.sleep(0.3)
