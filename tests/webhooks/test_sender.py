"""Messages go where the operator said, and to nothing that the address may lead to; every end is a clear one."""

import time

import pytest

from authsvc.webhooks import sender as room
from authsvc.webhooks.sender import BadTarget, NotDelivered, Sender, is_public
from tests.harness.receiver import Receiver
from tests.harness.sockets import listening, says

BODY = '{"type":"person.closed"}'


def refusal(url: str, *listed: str) -> tuple[str, bool]:
    with pytest.raises(NotDelivered) as caught:
        Sender(listed).send(url, {"webhook-id": "change-1"}, BODY)
    return str(caught.value), caught.value.is_away


def test_a_listed_host_is_sent_to_by_http() -> None:
    with Receiver() as receiver:
        Sender((receiver.host,)).send(receiver.url + "?a=b", {"webhook-id": "change-1"}, BODY)
        (message,) = receiver.messages
    assert (message.body.decode(), message.headers["content-type"]) == (BODY, "application/json")


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://example.com/x", "the address is not https, and its host is not in WEBHOOK_HOSTS"),
        ("ftp://example.com/x", "the address is not https, and its host is not in WEBHOOK_HOSTS"),
        ("https://name:word@example.com/x", "the address has a user or a fragment"),
        ("https://example.com/x#part", "the address has a user or a fragment"),
        ("https:///x", "the address is not a URL"),
        ("https://example.com:99999/x", "the address is not a URL"),
        ("https://exa mple.com/x", "the address is not a URL"),
        ("https://example.com/x\r\nX: y", "the address is not a URL"),
        ("https://bücher.example/x", "the address is not a URL"),
        ("https://[::1", "the address is not a URL"),
    ],
)
def test_such_an_address_is_no_target(url: str, why: str) -> None:
    with pytest.raises(BadTarget, match=f"^{why}$"):
        Sender(()).check(url)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.1.2.3", "169.254.169.254", "[::1]", "[::ffff:127.0.0.1]", "192.168.1.1", "0.0.0.0"],
)
def test_an_address_inside_is_never_asked(host: str) -> None:
    with Receiver() as receiver:
        port = receiver.host.partition(":")[2]
        assert refusal(f"https://{host}:{port}/") == ("its address is not public", True)
        assert receiver.messages == []


@pytest.mark.parametrize(
    "address",
    [
        *(
            "127.0.0.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
        ),
        *("::1", "fe80::1%eth0", "fc00::1", "::ffff:10.0.0.1", "2002:7f00:1::", "255.255.255.255", "ff02::1", "::"),
    ],
)
def test_these_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["1.1.1.1", "203.205.254.1", "2400:3200::1"])
def test_these_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("status", "is_away"),
    [(301, False), (302, False), (400, False), (404, False), (410, False), (429, True), (500, True), (503, True)],
)
def test_only_a_2xx_is_taken_and_no_redirect_is_followed(status: int, is_away: bool) -> None:
    with Receiver() as other, Receiver() as receiver:
        receiver.status, receiver.headers = status, {"Location": other.url}
        assert refusal(receiver.url, receiver.host, other.host) == (f"HTTP status {status}", is_away)
        assert (len(receiver.messages), other.messages) == (1, [])


def test_nobody_there_and_an_answer_that_is_none() -> None:
    with listening() as closes, listening(says(b"SSH-2.0-x\r\n")) as other:
        assert refusal(f"http://{closes.address}/", closes.address)[1]
        assert refusal(f"http://{other.address}/", other.address)[1]
    assert refusal(f"http://{other.address}/", other.address) == ("Connection refused", True)


def test_a_receiver_that_drips_is_left_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CALL_SECONDS", 0.6)

    def drip(connection) -> None:
        connection.recv(65536)
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + b"X: y\r\n" * 100:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    with listening(drip) as dripping:
        began = time.monotonic()
        assert refusal(f"http://{dripping.address}/", dripping.address)[1]
        assert time.monotonic() - began < 5


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    def endless(connection) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with listening(endless) as far_end:
        Sender((far_end.address,)).send(f"http://{far_end.address}/", {}, BODY)
