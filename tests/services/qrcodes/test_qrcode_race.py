"""A hundred requests for one picture that is not there, over four workers: WeChat is asked once, whoever reads
meanwhile finds nothing or all of it, and when that one call fails, it has failed for those who waited and nobody else.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest
import requests

from tests.harness import codes, signedin
from tests.harness.crowd import Request
from tests.harness.races import Race
from tests.harness.service import Service

pytestmark = pytest.mark.slow

REQUESTS = 100
AFTER = 40
ROUNDS = 2
TWIN = "tests.twins.every_request_draws:app"
FAILURES_TWIN = "tests.twins.failures_are_remembered:app"


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


def play(race: Race, user: str, *, may_fail: bool = False) -> tuple[int, Reader]:
    """Let the crowd ask for a picture whose address is known but which is gone; return calls to WeChat and reads.

    Some answers of a twin ``may_fail``: where everybody asks WeChat, some are refused.
    """
    simulator, service = race.simulator, race.service
    token = signedin.native(service, simulator, user).access
    picture = service.call("GET", codes.OWN, token=token).json()["data"]
    codes.forget(service, picture["url"])
    codes.file_of(service, picture["url"]).unlink()
    simulator.clear()
    simulator.slow_down(0.15)
    request = Request("GET", f"{service.url}/generate_qrcode", None, {"Authorization": f"Bearer {token}"})
    with reading(service, picture["url"], picture["scene"]) as reader:
        answers = race.send([request] * REQUESTS, kept=4)
    simulator.slow_down(0)
    assert {answer.status for answer in answers} == {200}
    urls = {(answer.json()["data"] or {}).get("qr_code_url") for answer in answers}
    assert urls - ({None} if may_fail else set()) == {picture["url"]}
    assert reader.whole + len(reader.bad) > 0
    return len(codes.calls(simulator)), reader


@pytest.fixture(scope="module")
def race_settings() -> dict[str, str]:
    return {"RATE_LIMIT_QRCODE": "off"}


@pytest.fixture
def race(racing_service: Service, race_on: Callable[[Service], Race]) -> Race:
    return race_on(racing_service)


def test_wechat_is_asked_once_and_no_reader_finds_half_a_picture(race: Race) -> None:
    rounds = [play(race, f"qr-race-{race.seed}-{number}") for number in range(ROUNDS)]
    assert [called for called, _ in rounds] == [1] * ROUNDS
    assert [bad for _, reader in rounds for bad in reader.bad] == []
    reads = sum(reader.whole + reader.missing for _, reader in rounds)
    race.note(
        "one missing picture",
        f"{REQUESTS} requests, 4 workers, {ROUNDS} rounds: 1 call to WeChat each, {reads} reads meanwhile, 0 bad",
    )


# --- when it fails --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Failed:
    """What became of a crowd that asked while WeChat sent nonsense, and of whoever asked right after it was well."""

    calls: int
    refused: int
    right_after: int


def fail(race: Race, number: int = 0) -> Failed:
    simulator, service = race.simulator, race.service
    token = signedin.native(service, simulator, f"qr-fail-{race.seed}-{number}").access
    request = Request("GET", service.url + codes.OWN, None, {"Authorization": f"Bearer {token}"})
    service.call("GET", "/api/v1/me/invite", token=token)  # the code itself is made
    simulator.clear()
    # Everybody has asked by the time the answer comes.
    simulator.slow_down(1.0)
    simulator.fault(
        {"kind": "raw", "body_base64": "PGh0bWw+", "content_type": "image/jpeg"}, path=codes.ENDPOINT, times=None
    )
    answers = race.send([request] * REQUESTS, kept=4)
    calls = len(codes.calls(simulator))
    simulator.slow_down(0)
    simulator.clear()
    right_after = [answer.status for answer in race.send([request] * AFTER, kept=4)]
    assert {answer.status for answer in answers} == {503}
    assert {answer.json()["error"] for answer in answers} == {"wx_code_picture_unavailable"}
    return Failed(calls, len(answers), right_after.count(200))


def test_a_failure_is_shared_by_those_who_waited_and_by_nobody_else(race: Race) -> None:
    failed = fail(race)
    race.note(
        "one picture that fails",
        f"{REQUESTS} requests, 4 workers: {failed.calls} call to WeChat, {failed.refused} told so, "
        f"{failed.right_after} of {AFTER} served right after WeChat was well",
    )
    assert (failed.calls, failed.right_after) == (1, AFTER)
    assert len(codes.calls(race.simulator)) == 1
    assert race.service.count("code_failures") == 1


@pytest.mark.parametrize("start_race", ["sqlite"], indirect=True)
def test_the_check_finds_failures_that_each_worker_remembers(
    start_race: Callable[..., Race], race_settings: dict[str, str]
) -> None:
    twin = start_race("qr-fail-twin", FAILURES_TWIN, **race_settings)
    # Two calls or more are a matter of chance: a worker that comes late finds the failure of another.
    rounds = (fail(twin, number) for number in range(10))
    failed = next(found for found in rounds if found.calls > 1 and found.right_after < AFTER)
    served = f"{failed.right_after} of {AFTER} served right after"
    twin.note("the same where each worker remembers for five seconds", f"{failed.calls} calls, {served}")


@pytest.mark.parametrize("start_race", ["sqlite"], indirect=True)
def test_the_check_finds_a_picture_that_everybody_draws(
    start_race: Callable[..., Race], race_settings: dict[str, str]
) -> None:
    twin = start_race("qr-race-twin", TWIN, **race_settings)

    def problems(race: Race, name: str) -> list[str]:
        called, reader = play(race, f"qr-race-twin-{name}", may_fail=True)
        return [*[f"calls to WeChat: {called}"] * (called > 1), *(f"bad read: {bad}" for bad in reader.bad)]

    found = [twin.catch(problems, fault, rounds=10) for fault in ("calls to WeChat", "bad read")]
    twin.note("one missing picture, twin", "; ".join(found))
