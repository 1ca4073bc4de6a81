"""Workers that die in the middle of logins: whoever got a token has a session, and nothing is left half done."""

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from tests.harness.crowd import post
from tests.harness.races import Race
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.slow

LOGINS = 240
SECONDS = 2.5
KILLS = 6


def test_kill_nine_in_the_middle_of_logins_leaves_nothing_half_done(start_race: Callable[..., Race]) -> None:
    race = start_race("killed", ACCESS_LOG="1", DATABASE_POOL_SIZE="8", LOG_LEVEL="DEBUG")
    simulator, service, dice = race.simulator, race.service, race.chance
    people = [f"killed-{race.seed}-{number}" for number in range(LOGINS)]
    # Half of them with a key, so that unfinished attempts are left behind as well.
    requests = [
        post(
            f"{service.url}/api/v1/auth/login", {"code": simulator.code(person)}, dice.uniform(0.01, SECONDS), **header
        )
        for person, header in zip(people, ({}, {"Idempotency_Key": f"killed-{race.seed}"}) * (LOGINS // 2), strict=True)
    ]
    simulator.slow_down(0.05)  # so that some are always under way
    with ThreadPoolExecutor(1) as aside:
        load = aside.submit(race.send, requests)
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.1, 0.4))
            os.kill(dice.choice(service.workers()), signal.SIGKILL)
            wait_until(lambda: len(service.workers()) == 4)
        answers = load.result()
    simulator.slow_down(0)

    served = [answer for answer in answers if answer.status == 200]
    race.note(
        f"kill -9 of {KILLS} workers during {LOGINS} logins",
        f"{len(served)} served, {sum(answer.status == 0 for answer in answers)} connections broken, 0 orphans",
    )
    assert {answer.status for answer in answers} <= {0, 200}
    assert len(served) > LOGINS / 2
    assert service.orphans() == []
    stored = {row[0] for row in service.rows("SELECT id FROM sessions")}
    tokens = [answer.json()["data"]["access_token"] for answer in served]
    assert {jwt.decode(token, options={"verify_signature": False})["sid"] for token in tokens} <= stored
    wait_until(lambda: service.call("GET", "/readyz").ok)
    cut_off = [person for person, answer in zip(people, answers, strict=True) if answer.status == 0]
    assert {service.login(simulator.code(person)).status_code for person in cut_off} <= {200}
    assert service.count("users") == LOGINS
