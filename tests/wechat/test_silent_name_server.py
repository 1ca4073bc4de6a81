"""Name servers that never answer: logins end in time and everybody else is served, as soon as ever."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.harness.crowd import Crowd, Request, percentile, post
from tests.harness.resolver import silent_name_server
from tests.harness.service import Service

LOGINS = 20
IN_TIME = 6.0


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Service], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with silent_name_server(tmp_path_factory.mktemp("resolver")) as within:
        started = start_service("silent-names", workers=1, wechat="https://wechat.example.test", within=within)
        yield started
        started.stop()


def _threads(service: Service) -> int:
    (worker,) = service.workers()
    return len(list(Path(f"/proc/{worker}/task").iterdir()))


@pytest.mark.slow
def test_logins_the_command_line_and_everybody_else(
    service: Service, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    threads = _threads(service)

    def command() -> tuple[float, str]:
        started = time.monotonic()
        said = service.flask("authsvc", "token", "refresh", fails=True)
        return time.monotonic() - started, said

    health = Request("GET", f"{service.url}/healthz")
    onlooker = Crowd(1)
    with ThreadPoolExecutor(1) as shell:
        commanded = shell.submit(command)
        aside = onlooker.measure([health], 3.0)
        answers = crowd.send([post(f"{service.url}/api/v1/auth/login", {"code": "c0de"})] * LOGINS)
        seconds, said = commanded.result()
    seen = aside.result(30)
    onlooker.close()
    slowest = max(answer.seconds for answer in answers)
    figures(
        f"name servers silent, {LOGINS} logins at once: the slowest answered after {slowest:.1f} s, the command line "
        f"after {seconds:.1f} s with its start; {len(seen)} times /healthz meanwhile, "
        f"p99 {percentile([one.seconds for one in seen], 99) * 1000:.0f} ms; {_threads(service) - threads} more threads"
    )
    # Once the breaker has seen enough, nobody tries a second time.
    errors = {answer.json()["error"] for answer in answers}
    assert errors <= {"wechat_unavailable", "wechat_overloaded"}
    assert {(answer.status, answer.json()["action"]) for answer in answers} == {(503, "retry")}
    assert slowest <= IN_TIME
    assert {answer.status for answer in seen} == {200}
    assert seconds <= IN_TIME + 8 and "Traceback" not in said
    # One question is open still, in a thread of its own, however many asked.
    assert _threads(service) - threads <= 2
    assert service.log.read_text().count("no name server answers in time") >= 8
