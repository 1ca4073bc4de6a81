"""Two hundred first logins of one person at one moment make one user: on both databases, twenty times over."""

import json
from collections.abc import Callable

import pytest

from tests.harness.crowd import post
from tests.harness.races import Race, drop_unique_key, violations
from tests.harness.service import Service

pytestmark = pytest.mark.slow

ROUNDS = 20
CALLERS = 200
# Who answered stands in the access log.
LOGGED = {"ACCESS_LOG": "1", "DATABASE_POOL_SIZE": "8"}


@pytest.mark.alone  # a login waits 4.5 s for the database, and then it is refused
def test_two_hundred_first_logins_at_once_make_one_user(start_race: Callable[..., Race]) -> None:
    race = start_race("race", "wsgi:app", **LOGGED)
    race.hold(_round, ROUNDS)
    race.note(
        "first login race",
        f"{ROUNDS} rounds of {CALLERS} callers in 4 processes against 4 workers: 0 violations, "
        f"slowest answer {race.slowest:.2f} s",
    )
    assert len(_workers_that_answered(race.service)) > 1


def test_the_check_finds_a_naive_select_then_insert(start_race: Callable[..., Race]) -> None:
    race = start_race("race", "tests.twins.naive_first_login:app", **LOGGED)
    drop_unique_key(race.service, "identities", "uq_identities_appid_openid")
    race.note("first login race, naive twin", race.catch(_round, "users:", rounds=ROUNDS))


def _round(race: Race, name: str) -> list[str]:
    """Let everybody log in as one user at once."""
    service, address = race.service, f"{race.service.url}/api/v1/auth/login"
    before = {table: service.count(table) for table in ("users", "identities", "sessions")}
    codes = race.simulator.codes(f"race-{name}", CALLERS)
    answers = race.send([post(address, {"code": code}) for code in codes])
    good = [answer.json()["data"] for answer in answers if answer.status == 200]
    return violations(
        {
            "answers with 200": (len(good), CALLERS),
            "users": (service.count("users") - before["users"], 1),
            "identities": (service.count("identities") - before["identities"], 1),
            "sessions": (service.count("sessions") - before["sessions"], CALLERS),
            "ids in the answers": (len({data["user"]["id"] for data in good}), 1),
            "told that they are new": (sum(data["is_new_user"] for data in good), 1),
        }
    )


def _workers_that_answered(service: Service) -> set[int]:
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if '"gunicorn.access"' in line]
    return {line["pid"] for line in lines}
