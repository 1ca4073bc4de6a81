"""Workers that die in the middle of logins: whoever got a token has a session, and nothing is left half done."""

import os
import random
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest

from tests.harness.crowd import Crowd, post
from tests.harness.service import Service
from tests.harness.simulator import Simulator
from tests.harness.waiting import wait_until

LOGINS = 240
SECONDS = 2.5
KILLS = 6


@pytest.mark.parametrize("database", ["sqlite", "mysql"])
def test_kill_nine_in_the_middle_of_logins_leaves_nothing_half_done(
    database: str,
    simulator: Simulator,
    start_briefly: Callable[..., Service],
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    service = start_briefly(f"killed-{database}", database=database, workers=4, settings={"DATABASE_POOL_SIZE": "8"})
    seed = random.SystemRandom().getrandbits(32)
    dice = random.Random(seed)
    people = [f"killed-{database}-{number}" for number in range(LOGINS)]
    # Half of them with a key, so that unfinished attempts are left behind as well.
    requests = [
        post(
            f"{service.url}/api/v1/auth/login", {"code": simulator.code(person)}, dice.uniform(0.01, SECONDS), **header
        )
        for person, header in zip(people, ({}, {"Idempotency_Key": f"killed-{seed}"}) * (LOGINS // 2), strict=True)
    ]
    simulator.slow_down(0.05)  # so that some are always under way
    with ThreadPoolExecutor(1) as aside:
        load = aside.submit(crowd.send, requests)
        for _ in range(KILLS):
            time.sleep(dice.uniform(0.1, 0.4))
            os.kill(dice.choice(service.workers()), signal.SIGKILL)
            wait_until(lambda: len(service.workers()) == 4)
        answers = load.result()
    service.keep_all(answers)
    simulator.slow_down(0)

    served = [answer for answer in answers if answer.status == 200]
    figures(
        f"kill -9 of {KILLS} workers during {LOGINS} logins, {database}, seed {seed}: {len(served)} served, "
        f"{sum(answer.status == 0 for answer in answers)} connections broken, 0 orphans"
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
