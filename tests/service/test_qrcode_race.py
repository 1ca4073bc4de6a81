"""A hundred requests for one picture that is not there, over four workers: WeChat is asked once, and whoever reads
meanwhile finds nothing or all of it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import requests

from tests.harness import codes, signedin
from tests.harness.crowd import Crowd, Request
from tests.harness.service import Service
from tests.harness.simulator import Simulator

REQUESTS = 100
ROUNDS = 2
TWIN = "tests.twins.every_request_draws:app"


@dataclass
class Reader:
    """What somebody who asks for one picture over and over has found."""

    whole: int = 0
    missing: int = 0
    bad: list[str] = field(default_factory=list)

    def note(self, answer: requests.Response, scene: str) -> None:
        if answer.status_code == 404:
            self.missing += 1
            return
        try:
            is_good = answer.status_code == 200 and codes.scanned(answer.content) == scene
        except (OSError, AttributeError, SyntaxError):
            is_good = False
        if is_good:
            self.whole += 1
        else:
            self.bad.append(f"{answer.status_code}, {len(answer.content)} bytes")


@contextmanager
def reading(service: Service, address: str, scene: str) -> Iterator[Reader]:
    """Read the picture in a loop until it has been whole for a while."""
    reader, is_done = Reader(), threading.Event()

    def loop() -> None:
        while not is_done.is_set() or reader.whole + len(reader.bad) == 0:
            reader.note(requests.get(service.url + "/qrcodes/" + address.rpartition("/")[2], timeout=10), scene)

    thread = threading.Thread(target=loop, daemon=True)
    thread.start()
    yield reader
    is_done.set()
    thread.join(30)


def race(simulator: Simulator, service: Service, crowd: Crowd, user: str) -> tuple[int, Reader]:
    """Let the crowd ask for a picture whose address is known but which is gone; return calls to WeChat and reads."""
    token = signedin.native(service, simulator.code(user)).access
    picture = service.call("GET", codes.OWN, token=token).json()["data"]
    codes.forget(service, picture["url"])
    codes.file_of(service, picture["url"]).unlink()
    simulator.clear()
    simulator.slow_down(0.15)
    request = Request("GET", f"{service.url}/generate_qrcode", None, {"Authorization": f"Bearer {token}"})
    with reading(service, picture["url"], picture["scene"]) as reader:
        answers = crowd.send([request] * REQUESTS)
    simulator.slow_down(0)
    assert {answer.status for answer in answers} == {200}
    assert {answer.json()["data"]["qr_code_url"] for answer in answers} == {picture["url"]}
    assert reader.whole + len(reader.bad) > 0
    return len(codes.calls(simulator)), reader


@pytest.mark.parametrize("database", ["sqlite", "mysql"])
def test_wechat_is_asked_once_and_no_reader_finds_half_a_picture(
    database: str,
    simulator: Simulator,
    start_briefly: Callable[..., Service],
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    service = signedin.four_workers(start_briefly, "qr-race", database, RATE_LIMIT_QRCODE="off")
    rounds = [race(simulator, service, crowd, f"qr-race-{database}-{number}") for number in range(ROUNDS)]
    assert [called for called, _ in rounds] == [1] * ROUNDS
    assert [bad for _, reader in rounds for bad in reader.bad] == []
    reads = sum(reader.whole + reader.missing for _, reader in rounds)
    figures(
        f"one missing picture, {REQUESTS} requests, 4 workers, {database}, {ROUNDS} rounds: 1 call to WeChat each, "
        f"{reads} reads meanwhile, 0 bad"
    )


def test_the_check_finds_a_picture_that_everybody_draws(
    simulator: Simulator, start_briefly: Callable[..., Service], crowd: Crowd, figures: Callable[[str], None]
) -> None:
    twin = signedin.four_workers(start_briefly, "qr-race-twin", "sqlite", TWIN, RATE_LIMIT_QRCODE="off")
    called, bad = 0, 0
    for number in range(10):
        more, reader = race(simulator, twin, crowd, f"qr-race-twin-{number}")
        called, bad = max(called, more), bad + len(reader.bad)
        if called > 1 and bad:
            break
    else:
        pytest.fail(f"a broken twin was not found out: {called} calls, {bad} bad reads")
    figures(f"one missing picture, twin: {called} calls to WeChat, {bad} bad reads in round {number + 1}")
