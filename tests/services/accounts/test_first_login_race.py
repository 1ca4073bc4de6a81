"""Two hundred first logins of one person at one moment make one user: on both databases, twenty times over."""

import random
from collections.abc import Callable

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine

from tests.harness.crowd import Answer, Crowd, post
from tests.harness.service import Service
from tests.harness.simulator import Simulator

ROUNDS = 20
CALLERS = 200
DATABASES = ("sqlite", "mysql")


@pytest.mark.parametrize("database", DATABASES)
def test_two_hundred_first_logins_at_once_make_one_user(
    database: str,
    simulator: Simulator,
    start_briefly: Callable[..., Service],
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    service = _start(start_briefly, database, "wsgi:app")
    seed = random.SystemRandom().getrandbits(32)
    slowest = 0.0
    for number in range(ROUNDS):
        answers, found = _round(simulator, service, crowd, f"race-{database}-{seed}-{number}")
        assert found == [], f"seed {seed}, round {number}"
        slowest = max(slowest, *(answer.seconds for answer in answers))
    figures(
        f"first login race, {database}: {ROUNDS} rounds of {CALLERS} callers in 4 processes against 4 workers, "
        f"seed {seed}: 0 violations, slowest answer {slowest:.2f} s"
    )
    assert len(_workers_that_answered(service)) > 1


@pytest.mark.parametrize("database", DATABASES)
def test_the_check_finds_a_naive_select_then_insert(
    database: str,
    simulator: Simulator,
    start_briefly: Callable[..., Service],
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    twin = _start(start_briefly, database, "tests.twins.naive_first_login:app")
    _drop_unique_key(twin)
    seed = random.SystemRandom().getrandbits(32)
    for number in range(ROUNDS):
        _, found = _round(simulator, twin, crowd, f"twin-{database}-{seed}-{number}")
        if any(violation.startswith("users:") for violation in found):
            break
    else:
        pytest.fail(f"seed {seed}: {ROUNDS} rounds of a broken twin, and no user too many")
    figures(f"first login race, naive twin on {database}, seed {seed}, round {number}: {'; '.join(found)}")


def _start(start_briefly: Callable[..., Service], database: str, module: str) -> Service:
    return start_briefly(
        f"race-{database}",
        database=database,
        module=module,
        workers=4,
        arguments=("--access-logformat", "worker=%(p)s %(s)s %(U)s"),
        # Other tests share the server's connections.
        settings={"DATABASE_POOL_SIZE": "8", "LOG_LEVEL": "INFO"},
    )


def _round(simulator: Simulator, service: Service, crowd: Crowd, user: str) -> tuple[list[Answer], list[str]]:
    """Let everybody log in as this user at once; return the answers and what is wrong."""
    address = f"{service.url}/api/v1/auth/login"
    before = {table: service.count(table) for table in ("users", "identities", "sessions")}
    answers = crowd.send([post(address, {"code": code}) for code in simulator.codes(user, CALLERS)])
    service.keep_all(answers)
    good = [answer.json()["data"] for answer in answers if answer.status == 200]
    expected = {
        "answers with 200": (len(good), CALLERS),
        "users": (service.count("users") - before["users"], 1),
        "identities": (service.count("identities") - before["identities"], 1),
        "sessions": (service.count("sessions") - before["sessions"], CALLERS),
        "ids in the answers": (len({data["user"]["id"] for data in good}), 1),
        "told that they are new": (sum(data["is_new_user"] for data in good), 1),
    }
    return answers, [f"{name}: {seen} instead of {right}" for name, (seen, right) in expected.items() if seen != right]


def _drop_unique_key(service: Service) -> None:
    engine = create_engine(service.database_url)
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        with operations.batch_alter_table("identities") as table:
            table.drop_constraint("uq_identities_appid_openid", type_="unique")
    engine.dispose()


def _workers_that_answered(service: Service) -> set[str]:
    return {word for word in service.log.read_text().split() if "worker=" in word}
