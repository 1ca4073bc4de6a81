"""Sixty-four people signing in at a WeChat that takes two seconds are no trouble for anybody else."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.harness.crowd import Answer, Crowd, Request, percentile, post
from tests.harness.service import Service
from tests.harness.simulator import Simulator

pytestmark = [pytest.mark.alone, pytest.mark.slow]

LOGINS = 64
LATENCY = 2.0
# Milliseconds. The figure is the issue's; a busy machine gets three tries at it.
P99 = 50.0
TRIES = 3
# A bulkhead of three quarters of the threads, as gunicorn.conf.py chooses it.
THREADS = ("--worker-class", "gthread", "--threads", "16")


@dataclass
class Measured:
    others: list[Answer]
    logins: list[Answer]

    @property
    def p99(self) -> float:
        """Milliseconds."""
        return percentile([answer.seconds for answer in self.others], 99) * 1000

    @property
    def refused(self) -> list[Answer]:
        return [answer for answer in self.logins if answer.status != 200]


@pytest.fixture
def measure(simulator: Simulator, crowd: Crowd) -> Callable[..., Measured]:
    def measured(service: Service, count: int = LOGINS) -> Measured:
        simulator.clear()
        token = service.login(simulator.code("somebody signed in")).json()["data"]["access_token"]
        others = [
            Request("GET", f"{service.url}/healthz"),
            Request("GET", f"{service.url}/.well-known/jwks.json"),
            Request("GET", f"{service.url}/api/v1/user/profile", headers={"Authorization": f"Bearer {token}"}),
        ]
        address = f"{service.url}/api/v1/auth/login"
        # They come one after the other, and when the last one comes, the first one has not been answered yet.
        starts = [LATENCY * number / count for number in range(count)]
        logins = [post(address, {"code": simulator.code(f"slow-{after}")}, after) for after in starts]
        simulator.slow_down(LATENCY)
        onlooker = Crowd(1)
        onlooker.measure(others, 0.1).result(30)  # its process has started
        aside = onlooker.measure(others, LATENCY * 2)
        answers = crowd.send(logins)
        seen = aside.result(30)
        onlooker.close()
        simulator.slow_down(0)
        service.keep_all([*answers, *seen])
        assert {answer.status for answer in seen} == {200}
        return Measured(seen, answers)

    return measured


def _best(measure: Callable[..., Measured], service: Service) -> Measured:
    """The first of three tries that is quick enough, or the last."""
    for _ in range(TRIES):
        measured = measure(service)
        if measured.p99 <= P99:
            break
    return measured


def test_a_slow_wechat_slows_nobody_else_down(
    measure: Callable[..., Measured], start_briefly: Callable[..., Service], figures: Callable[[str], None]
) -> None:
    measured = _best(measure, start_briefly("slow", workers=2))
    figures(
        f"WeChat takes {LATENCY:.0f} s, {LOGINS} logins in flight, 2 gevent workers: {len(measured.others)} other "
        f"requests, p99 {measured.p99:.1f} ms; {len(measured.refused)} of {LOGINS} logins refused"
    )
    assert measured.refused == []
    assert len(measured.others) >= 300
    assert measured.p99 <= P99


def test_threads_are_kept_free_by_the_bulkhead(
    measure: Callable[..., Measured], start_briefly: Callable[..., Service], figures: Callable[[str], None]
) -> None:
    measured = _best(measure, start_briefly("slow-threads", workers=1, arguments=THREADS))
    refusals = [answer.seconds * 1000 for answer in measured.refused]
    figures(
        f"the same with 1 gthread worker of 16 threads: {len(measured.others)} other requests, p99 "
        f"{measured.p99:.1f} ms; {len(refusals)} of {LOGINS} logins refused, the slowest "
        f"after {max(refusals):.1f} ms"
    )
    assert measured.p99 <= P99
    assert {answer.status for answer in measured.logins} == {200, 503}
    assert {answer.json()["error"] for answer in measured.refused} == {"wechat_overloaded"}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in measured.refused)
    assert percentile(refusals, 50) <= 100  # at once, not after a wait for a place


def test_the_check_finds_a_service_without_bulkhead(
    measure: Callable[..., Measured], start_briefly: Callable[..., Service], figures: Callable[[str], None]
) -> None:
    measured = measure(
        start_briefly("no-bulkhead", workers=1, arguments=THREADS, settings={"WX_MAX_IN_FLIGHT": "1000"}), 32
    )
    figures(f"the same with 32 logins and without a bulkhead: p99 {measured.p99:.0f} ms")
    assert measured.p99 > P99
