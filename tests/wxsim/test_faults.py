"""Every kind of fault, seen from the client's end of the socket; and the journal of it."""

import contextlib
import gzip
import re
import socket
import threading
import time
from urllib.parse import urlencode

import pytest
import requests


def ask(sim, code, timeout=5):
    """Open a raw connection and send the request of `code`."""
    connection = socket.create_connection(("127.0.0.1", sim.port), timeout=timeout)
    path = f"/sns/jscode2session?{urlencode(sim.query(code))}"
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    return connection


def read_until_closed(connection):
    """Return all bytes, and the exception that ended them (None for a FIN)."""
    received = b""
    with connection:
        while True:
            try:
                piece = connection.recv(65536)
            except OSError as error:
                return received, error
            if not piece:
                return received, None
            received += piece


def test_a_script_is_played_in_order_and_then_all_is_well(sim):
    code = sim.login()
    busy = {"kind": "errcode", "errcode": -1}
    sim.control("faults", path="/sns/jscode2session", script=[busy, busy, {"kind": "ok"}])
    first = sim.exchange(code).json()
    assert first["errcode"] == -1 and first["errmsg"].startswith("system error, rid: ")
    assert sim.refusal(code) == -1
    assert "openid" in sim.exchange(code).json()
    assert [call["fault"] for call in sim.journal()] == ["errcode", "errcode", "ok"]


def test_a_fault_for_one_code_leaves_the_others_alone(sim):
    sick, well = sim.login("a"), sim.login("b")
    sim.fault("errcode", errcode=45011, errmsg="too fast", code=sick, times=None)
    assert "openid" in sim.exchange(well).json()
    assert sim.exchange(sick).json() == {"errcode": 45011, "errmsg": "too fast"}
    assert sim.http.delete(f"{sim.base}/control/faults", timeout=5).json() == {"faults": []}
    assert "openid" in sim.exchange(sick).json()


def test_faults_can_burn_the_code_or_spare_it(sim):
    spared, burnt = sim.login("a"), sim.login("b")
    sim.fault("http_status", status=502, body="<html>bad gateway</html>", code=spared)
    sim.fault("http_status", status=500, consume=True, code=burnt)
    assert (sim.exchange(spared).status_code, sim.exchange(burnt).status_code) == (502, 500)
    assert (sim.refusal(spared), sim.refusal(burnt)) == (None, 40163)


def test_latency_and_delay_hold_the_answer_back_but_not_the_work(sim):
    sim.control("settings", latency=0.2)
    code = sim.login()
    sim.fault("delay", seconds=0.3)
    started = time.monotonic()
    slow = threading.Thread(target=sim.exchange, args=(code,))
    slow.start()
    time.sleep(0.1)
    assert sim.journal(code=code)[0]["consumed"]
    slow.join()
    assert 0.5 <= time.monotonic() - started < 3


def test_a_hanging_call_shows_in_the_journal_and_has_burnt_the_code(sim):
    code = sim.login()
    sim.fault("hang", code=code)
    connection = ask(sim, code, timeout=0.3)
    with pytest.raises(TimeoutError):
        connection.recv(1)
    (call,) = sim.journal(code=code)
    assert (call["outcome"], call["consumed"], call["http_status"]) == ("pending", True, None)
    connection.close()
    assert sim.eventually(lambda: sim.journal(code=code)[0]["outcome"] == "client_closed")
    assert sim.refusal(code) == 40163


def test_a_hang_may_spare_the_code_and_end_by_itself(sim):
    code = sim.login()
    sim.fault("hang", seconds=0.2, consume=False)
    assert read_until_closed(ask(sim, code)) == (b"", None)
    assert sim.journal()[0]["outcome"] == "hung_up"
    assert "openid" in sim.exchange(code).json()


@pytest.mark.parametrize("part", ["headers", "body"])
def test_a_drip_is_a_byte_at_a_time_and_a_good_answer_in_the_end(sim, part):
    code = sim.login()
    sim.fault("drip", interval=0.002, **{"from": part})
    connection = ask(sim, code)
    first = connection.recv(4096)
    if part == "headers":
        assert first.startswith(b"H") and len(first) < 60
    else:
        assert first.startswith(b"HTTP/1.1 200 OK\r\n") and b"\r\n\r\n" in first and b"}" not in first
    rest, end = read_until_closed(connection)
    assert end is None and (first + rest).endswith(b'"}')
    assert sim.journal()[0]["outcome"] == "answered"


def test_a_drip_outlasts_the_read_timeout_of_requests(sim):
    sim.fault("drip", interval=0.01)
    started = time.monotonic()
    assert "openid" in sim.exchange(sim.login(), timeout=0.5).json()
    assert time.monotonic() - started > 1


def test_a_reset_is_a_rst_before_or_amid_the_answer(sim):
    burnt, spared, amid = sim.login("a"), sim.login("b"), sim.login("c")
    sim.fault("reset", code=burnt)
    sim.fault("reset", code=spared, consume=False)
    sim.fault("reset", code=amid, after_bytes=40)
    for code, length in ((burnt, 0), (spared, 0), (amid, 40)):
        received, end = read_until_closed(ask(sim, code))
        assert (len(received), type(end)) == (length, ConnectionResetError)
    assert [sim.refusal(code) for code in (burnt, spared, amid)] == [40163, None, 40163]
    assert [call["outcome"] for call in sim.journal()][:3] == ["reset"] * 3


def test_a_cut_announces_more_than_it_sends(sim):
    sim.fault("cut", at=20)
    received, end = read_until_closed(ask(sim, sim.login()))
    head, _, body = received.partition(b"\r\n\r\n")
    assert (len(body), end) == (20, None)
    assert int(re.search(rb"Content-Length: (\d+)", head)[1]) >= 82
    sim.fault("cut", at=20)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        sim.exchange(sim.login())


def test_a_gzip_bomb_is_small_on_the_wire_and_a_good_answer_inside(sim):
    sim.fault("gzip_bomb", megabytes=20)
    with requests.get(f"{sim.base}/sns/jscode2session", params=sim.query(sim.login()), stream=True, timeout=5) as reply:
        wire = reply.raw.read(decode_content=False)
    assert reply.headers["Content-Encoding"] == "gzip"
    assert len(wire) < 30_000
    unpacked = gzip.decompress(wire)
    assert len(unpacked) > 20 * 1024 * 1024 and unpacked.startswith(b'{"session_key":')


def test_a_big_body_is_really_that_big(sim):
    sim.fault("big", megabytes=3)
    reply = sim.exchange(sim.login())
    assert len(reply.content) > 3 * 1024 * 1024 and "openid" in reply.json()


def test_a_client_that_hangs_up_on_a_big_body_is_noted(sim):
    sim.fault("big", megabytes=200)
    with contextlib.closing(ask(sim, sim.login())) as connection:
        connection.recv(1000)
    assert sim.eventually(lambda: sim.journal()[0]["outcome"] == "client_closed")


def test_raw_bytes_come_as_given(sim):
    sim.fault("raw", body_base64="77u/eyJhIjpOYU59", content_type="text/html; charset=gbk", headers={"X-Odd": "1"})
    reply = sim.exchange("any")
    assert reply.content == b'\xef\xbb\xbf{"a":NaN}'
    assert (reply.headers["Content-Type"], reply.headers["X-Odd"]) == ("text/html; charset=gbk", "1")
    sim.fault("raw", body="")
    assert sim.exchange("any").content == b""


@pytest.mark.parametrize("status", [301, 302, 307])
def test_redirects(sim, status):
    sim.fault("redirect", status=status, location="http://127.0.0.1:9/elsewhere")
    reply = sim.exchange("any")
    assert (reply.status_code, reply.headers["Location"]) == (status, "http://127.0.0.1:9/elsewhere")


def test_a_fault_for_every_path_reaches_endpoints_that_do_not_exist_yet(sim):
    sim.fault("errcode", errcode=40001, path="*")
    reply = sim.http.post(f"{sim.base}/wxa/getwxacodeunlimit?access_token=hidden", json={"scene": "a"}, timeout=5)
    assert reply.json()["errcode"] == 40001
    (call,) = sim.journal()
    assert (call["query"], call["body"]) == ({"access_token": "***"}, {"scene": "a"})


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "nonsense"},
        {"kind": "cut"},
        {"kind": "raw", "body_base64": "?"},
        {"kind": "hang", "second": 1},
        {"kind": "redirect", "status": 200},
        None,
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(sim, fault):
    assert sim.post("/control/faults", fault=fault).status_code == 400
    assert sim.post("/control/faults").status_code == 400


def test_the_journal_shows_no_secret_but_whether_it_was_right(sim):
    code = sim.login()
    sim.exchange(code, secret="not-the-secret")
    sim.exchange(code)
    sim.exchange("other", appid="wx51a051a0ffffffff")
    calls = sim.journal(path="/sns/jscode2session")
    assert [call["secret_ok"] for call in calls] == [False, True, None]
    assert [(call["errcode"], call["consumed"]) for call in calls] == [
        (40125, False),
        (0, True),
        (40013, False),
    ]
    assert {call["query"]["secret"] for call in calls} == {"***"}
    assert sim.secret not in str(calls) and "not-the-secret" not in str(calls)
    assert len(sim.journal(code=code)) == 2 and len(sim.journal(limit=1)) == 1
    assert sim.http.delete(f"{sim.base}/control/journal", timeout=5).json()["count"] == 0
    assert sim.journal() == []


def test_hundreds_of_slow_calls_do_not_hold_up_the_others(sim):
    sim.control("settings", latency=5)
    connections = [ask(sim, "any") for _ in range(500)]
    try:
        started = time.monotonic()
        assert sim.eventually(lambda: len(sim.journal(outcome="pending")) == 500)
        assert time.monotonic() - started < 4
    finally:
        for connection in connections:
            connection.close()
