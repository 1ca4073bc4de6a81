"""Uploads that cost far more than they weigh: each is an answer, and nobody else notices."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Event

import pytest
import requests
from PIL import Image

from tests.harness import pictures, signedin
from tests.harness.pictures import chunk, encoded, jpeg_of_segments, jpeg_segment, picture
from tests.harness.processes import Process, free_port
from tests.harness.service import Service
from tests.harness.simulator import Simulator

UPLOAD = "/api/v1/me/avatar"
OFF = {"RATE_LIMIT_AVATAR": "off", "RATE_LIMIT_HEALTH": "off", "ACCESS_LOG": "0", "LOG_LEVEL": "INFO"}
THREADS = ("--worker-class", "gthread", "--threads", "8")
PULSE = "tests.harness.heldloop:app"
TWIN = "tests.twins.decodes_in_the_worker:app"
# Milliseconds of a worker's processor in one piece: what others there wait for, however busy the machine is.
HELD = 50.0
TRIES = 3
AT_ONCE = 8
# Between one's uploads: what is refused at once would only measure how fast this machine moves megabytes.
PAUSE = 0.2
SECONDS = 2.0

HOSTILE: dict[str, bytes] = {
    "10,000 empty scans": pictures.jpeg_of_empty_scans(10_000),
    "130,000 Exif segments": jpeg_of_segments(jpeg_segment(0xE1, b"Exif\0\0abcdef") * 130_000),
    "174,000 PNG chunks": pictures.png(chunk(b"prVt", b"") * 174_000),
}
# As large as may be: taken, at a cost.
LARGE = encoded(Image.new("RGBA", (5000, 5000)), "PNG", compress_level=1)
GOOD = encoded(picture(), "JPEG")


def upload(service: Service, token: str, content: bytes) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.post(service.url + UPLOAD, files={"file": content}, headers=headers, timeout=60)


def people(service: Service, simulator: Simulator) -> list[str]:
    """The tokens of those who upload at once."""
    return [signedin.native(service, simulator, f"hostile-{number}").access for number in range(AT_ONCE)]


def helpers(service: Service) -> list[int]:
    """The helper processes of a service's workers."""
    return [child for worker in service.workers() for child in children_of(worker)]


def children_of(pid: int) -> list[int]:
    """Also those that other threads than the first have started."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in lists for child in path.read_text().split()]


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Service]) -> Service:
    return start_service("hostile-pictures", workers=2, settings=OFF)


@pytest.fixture(scope="module")
def threads(start_service: Callable[..., Service]) -> Service:
    """The same with threads instead of gevent, and a limit."""
    settings = {**OFF, "RATE_LIMIT_AVATAR": "user 4/hour"}
    return start_service("hostile-pictures-threads", workers=1, arguments=THREADS, settings=settings)


@pytest.fixture(scope="module")
def tokens(service: Service, shared_simulator: Simulator) -> list[str]:
    return people(service, shared_simulator)


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_it_is_refused_before_it_is_decoded(service: Service, tokens: list[str], content: bytes) -> None:
    assert len(content) < 2 * 1024 * 1024
    began = time.monotonic()
    answer = upload(service, tokens[0], content)
    assert (answer.status_code, answer.json()["error"]) == (400, "picture_rejected")
    assert time.monotonic() - began < 3  # 40, 4 and 1 s of a worker, where it is decoded


def test_a_form_of_another_kind_is_not_even_taken_apart(service: Service, tokens: list[str]) -> None:
    """Two megabytes of `a&` are half a second of a worker, where they are."""
    headers = {"Authorization": f"Bearer {tokens[0]}", "Content-Type": "application/x-www-form-urlencoded"}
    answer = requests.post(service.url + UPLOAD, data=b"a&" * 1_000_000, headers=headers, timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (400, "upload_malformed")


def test_more_than_may_wait_are_told_to_come_again(service: Service, tokens: list[str]) -> None:
    """Two workers hold eight each; the other half of what they are sent at once is answered at once."""
    content = encoded(Image.new("RGBA", (2500, 2500)), "PNG", compress_level=1)
    with ThreadPoolExecutor(40) as pool:
        answers = list(pool.map(lambda number: upload(service, tokens[number % AT_ONCE], content), range(40)))
    refused = [answer for answer in answers if answer.status_code != 200]
    assert 0 < len(refused) < 40
    assert {(answer.status_code, answer.json()["error"]) for answer in refused} == {(503, "pictures_busy")}
    assert {answer.headers["Retry-After"] for answer in refused} == {"2"}
    assert upload(service, tokens[0], GOOD).status_code == 200
    assert len(helpers(service)) <= 2


def test_the_limit_of_a_user_holds(threads: Service, simulator: Simulator) -> None:
    one, other = (signedin.native(threads, simulator, name).access for name in ("avatar-one", "avatar-other"))
    assert [upload(threads, one, GOOD).status_code for _ in range(5)] == [200, 200, 200, 200, 429]
    answer = upload(threads, one, HOSTILE["10,000 empty scans"])
    assert (answer.status_code, answer.json()["error"]) == (429, "too_many_requests")
    assert int(answer.headers["Retry-After"]) > 0
    assert upload(threads, other, GOOD).status_code == 200


# --- nobody else notices --------------------------------------------------------------------------------------


def held_meanwhile(service: Service, tokens: list[str], contents: list[bytes]) -> tuple[float, int]:
    """The longest stretch of the only worker, in milliseconds, while ``AT_ONCE`` people upload; and their uploads."""
    is_over = Event()

    def keep_sending(number: int) -> int:
        for sent in count():
            if is_over.is_set():
                return sent
            answer = upload(service, tokens[number], contents[(number + sent) % len(contents)])
            assert answer.status_code in (200, 400, 503)
            time.sleep(PAUSE)
        raise AssertionError("unreachable")

    upload(service, tokens[0], GOOD)  # its helper has started
    service.call("GET", "/held")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        senders = [pool.submit(keep_sending, number) for number in range(AT_ONCE)]
        time.sleep(SECONDS)
        is_over.set()
        uploads = sum(sender.result(120) for sender in senders)
    return float(service.call("GET", "/held").text), uploads


@pytest.fixture(scope="module")
def pulse(start_service: Callable[..., Service]) -> Service:
    return start_service("hostile-pictures-pulse", workers=1, module=PULSE, settings=OFF)


@pytest.mark.parametrize("kind", ["hostile", "large"])
def test_eight_uploads_at_once_slow_nobody_down(
    pulse: Service, shared_simulator: Simulator, kind: str, figures: Callable[[str], None]
) -> None:
    contents = list(HOSTILE.values()) if kind == "hostile" else [LARGE]
    tokens = people(pulse, shared_simulator)
    for _ in range(TRIES):
        held, uploads = held_meanwhile(pulse, tokens, contents)
        if held <= HELD:
            break
    figures(f"{AT_ONCE} {kind} uploads at once: nothing else ran for {held:.1f} ms, {uploads} uploads meanwhile")
    assert held <= HELD


def test_the_check_finds_a_service_that_decodes_in_its_workers(
    start_briefly: Callable[..., Service], simulator: Simulator, figures: Callable[[str], None]
) -> None:
    twin = start_briefly("hostile-pictures-twin", module=TWIN, workers=1, settings=OFF)
    held, uploads = held_meanwhile(twin, people(twin, simulator), [LARGE])
    figures(f"the same where the workers decode: nothing else ran for {held:.0f} ms, {uploads} uploads meanwhile")
    assert held > HELD


# --- the processes --------------------------------------------------------------------------------------------


def gone(pids: list[int], seconds: float = 5) -> bool:
    """Whether all of these end, and are no zombies."""
    give_up = time.monotonic() + seconds
    while any(Path("/proc", str(pid)).exists() for pid in pids):
        if time.monotonic() > give_up:
            return False
        time.sleep(0.02)
    return True


def test_flask_run_draws_as_well(service: Service, tokens: list[str]) -> None:
    port = free_port()
    environment = {**service.environment, "PORT": str(port)}
    command = [*service._command[:2], "flask", "--app", "wsgi", "run", "--port", str(port)]
    process = Process(command, log=service.folder / "flask-run.log", env=environment, cwd=service.folder)
    process.wait_for(f"http://127.0.0.1:{port}/healthz")
    headers = {"Authorization": f"Bearer {tokens[0]}"}
    answer = requests.post(f"http://127.0.0.1:{port}{UPLOAD}", files={"file": GOOD}, headers=headers, timeout=30)
    left = children_of(process.pid)
    process.stop()
    assert (answer.status_code, len(left)) == (200, 1)
    assert gone(left)


@pytest.mark.parametrize("kind", ["service", "threads"])
def test_a_helper_ends_with_its_worker_however_that_ends(
    kind: str, request: pytest.FixtureRequest, simulator: Simulator
) -> None:
    service: Service = request.getfixturevalue(kind)
    token = signedin.native(service, simulator, f"helpers-{kind}").access
    assert upload(service, token, GOOD).status_code == 200
    before = helpers(service)
    for helper in before:
        os.kill(helper, signal.SIGKILL)
    assert upload(service, token, GOOD).status_code == 200
    # Where one was not asked for since, its worker has yet to look; gevent looks by itself.
    assert gone(before if kind == "service" else before[:1])
    before, workers = helpers(service), service.workers()
    assert before
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    assert gone([*workers, *before])
    assert upload(service, token, GOOD).status_code == 200
    left = helpers(service)
    assert len(left) == 1
    service.stop()
    assert gone(left)
