"""Two users bind one number at one moment: one of them gets it, the other is told so and stays as they were.

A hundred pairs through real logins, on both databases and under both policies; nobody is bare, so nobody is merged.
"""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.harness import signedin
from tests.harness.crowd import Answer, Request, post
from tests.harness.races import Race, drop_unique_key
from tests.harness.service import Service
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

PAIRS = 100
TWIN = "tests.twins.phone_look_then_bind:app"


@dataclass(frozen=True, slots=True)
class Holder:
    """Somebody who has a verified number already."""

    name: str
    user_id: str
    number: str


Pair = tuple[Holder, Holder]


def test_of_two_users_who_bind_one_number_at_once_one_gets_it(start_race: Callable[..., Race]) -> None:
    race = start_race("bind", PHONE_ACCOUNT="link")
    service, pairs = race.service, _pairs(race, PAIRS)
    found, pairs = _race(race, pairs, "166")
    assert found == [], f"seed {race.seed}, link"
    service.environment["PHONE_ACCOUNT"] = "reject"
    service.restart()
    found, _ = _race(race, pairs[: PAIRS // 4], "167")
    assert found == [], f"seed {race.seed}, reject"
    assert service.orphans() == []
    assert service.count("audit_events", "event IN ('merge', 'second_identity')") == 0
    race.note(
        "two users, one number",
        f"{PAIRS} of {PAIRS} pairs exact with PHONE_ACCOUNT=link, {PAIRS // 4} of {PAIRS // 4} with reject",
    )


def test_the_check_finds_look_then_bind(start_race: Callable[..., Race]) -> None:
    race = start_race("bind-twin", TWIN)
    drop_unique_key(race.service, "users", "uq_users_phone")
    pairs = _pairs(race, 25)
    found = race.catch(lambda race, _: _race(race, pairs, f"17{race.chance.randrange(9)}")[0], "owners 2")
    race.note("two users, one number, twin", found)


def _pairs(race: Race, count: int) -> list[Pair]:
    """People who are known, each with a number that they verified long ago."""
    service = race.service
    names = [f"bind-{race.seed}-{number}" for number in range(2 * count)]
    ids = [signedin.native(service, race.simulator, person).user_id for person in names]
    people = [Holder(person, user_id, f"1650{int(user_id):07d}") for person, user_id in zip(names, ids, strict=True)]
    connection = service.connect()
    for person in people:
        connection.cursor().execute(
            f"UPDATE users SET country_code = '86', phone = '{person.number}' WHERE id = {person.user_id}"
        )
    connection.close()
    return list(zip(people[::2], people[1::2], strict=True))


def _race(race: Race, pairs: list[Pair], area: str) -> tuple[list[str], list[Pair]]:
    """Let both of each pair bind a new number at once; return what is wrong, and the pairs with their numbers now."""
    wanted = [f"{area}{race.chance.randrange(10**5):05d}{number:03d}" for number in range(len(pairs))]
    requests = [
        _bind_request(race.simulator, race.service, person.name, number)
        for pair, number in zip(pairs, wanted, strict=True)
        for person in pair
    ]
    answers = race.send(requests, kept=4)
    numbers = {str(user_id): phone for user_id, phone in race.service.rows("SELECT id, phone FROM users")}
    found: list[str] = []
    for place, (pair, number) in enumerate(zip(pairs, wanted, strict=True)):
        found += _problems(pair, number, answers[2 * place : 2 * place + 2], numbers)
    after = [(_now(one, numbers), _now(other, numbers)) for one, other in pairs]
    return found, after


def _problems(pair: Pair, wanted: str, answers: list[Answer], numbers: dict[str, str]) -> list[str]:
    statuses = sorted(answer.status for answer in answers)
    owners = [person for person in pair if numbers[person.user_id] == wanted]
    kept = [person for person in pair if numbers[person.user_id] == person.number]
    told = [person for person, answer in zip(pair, answers, strict=True) if answer.status == 200]
    found = [] if statuses == [200, 409] else [f"statuses {statuses}"]
    found += [] if len(owners) == 1 else [f"owners {len(owners)}"]
    return found if (len(kept), owners) == (1, told) else [*found, "somebody was told otherwise than what holds"]


def _now(person: Holder, numbers: dict[str, str]) -> Holder:
    return Holder(person.name, person.user_id, numbers[person.user_id])


def _bind_request(simulator: Simulator, service: Service, name: str, number: str) -> Request:
    """One-tap login with this number."""
    body = {"code": simulator.code(name), **signedin.tapped(simulator, name, phone=number)}
    return post(f"{service.url}/auth/mp_login", body)
