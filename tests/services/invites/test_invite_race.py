"""An invite with five uses and two hundred people at once: five. One person fifty times at once: one.

In every run the counter of a code equals the rows of its uses, on both databases; a broken twin is seen to fail.
"""

import random
from collections import Counter
from collections.abc import Callable

import pytest
from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import create_engine

from tests.harness import signedin
from tests.harness.crowd import Answer, Crowd, post
from tests.harness.service import Service
from tests.harness.simulator import Simulator

PEOPLE, USES, REPEATS = 200, 5, 50
# Twenty were run when this was written.
ROUNDS = 1
TWIN_ROUNDS = 20
DATABASES = ("sqlite", "mysql")
TWIN = "tests.twins.invite_look_then_use:app"
TOO_MANY, TWICE = f"uses of {USES}", "uses by one person"


@pytest.mark.parametrize("database", DATABASES)
def test_a_limit_holds_against_two_hundred_people_and_first_touch_against_fifty_logins(
    database: str,
    simulator: Simulator,
    start_briefly: Callable[..., Service],
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    service = signedin.four_workers(start_briefly, "invite", database)
    seed = random.SystemRandom().getrandbits(32)
    for number in range(ROUNDS):
        name = f"{seed}-{number}"
        found = _many(simulator, service, crowd, name)
        for is_known in (False, True):
            found += _one(simulator, service, crowd, f"{name}-{is_known}", is_known=is_known)
        assert found == [], f"seed {seed}, round {number}: {found}"
    assert service.orphans() == []
    figures(
        f"invites, {database}: {ROUNDS} rounds, seed {seed}: {PEOPLE} people at once for {USES} uses: {USES} came; "
        f"one person {REPEATS} times at once, new or known: 1; counters equal rows; "
        f"{service.log.read_text().count('refused: service_busy')} told to come back"
    )


@pytest.mark.parametrize("database", DATABASES)
def test_the_check_finds_look_then_use(
    database: str,
    simulator: Simulator,
    start_briefly: Callable[..., Service],
    crowd: Crowd,
    figures: Callable[[str], None],
) -> None:
    twin = signedin.four_workers(start_briefly, "invite-twin", database, TWIN)
    _drop_unique_key(twin)
    seed = random.SystemRandom().getrandbits(32)
    found: dict[str, str] = {}
    for number in range(TWIN_ROUNDS):
        name = f"twin-{seed}-{number}"
        problems = [*_many(simulator, twin, crowd, name, 30), *_one(simulator, twin, crowd, name, is_known=True)]
        found |= {problem.partition(":")[0]: problem for problem in problems}
        if {TOO_MANY, TWICE} <= set(found):
            break
    else:
        pytest.fail(f"seed {seed}: {TWIN_ROUNDS} rounds of a broken twin, and only {found}")
    figures(f"invites, twin on {database}, seed {seed}, round {number}: {found[TOO_MANY]}; {found[TWICE]}")


def _many(simulator: Simulator, service: Service, crowd: Crowd, name: str, people: int = PEOPLE) -> list[str]:
    """Let strangers come with one code at once; return what is wrong."""
    inviter = signedin.native(service, simulator.code(f"host-{name}"))
    invite = service.call("GET", "/api/v1/me/invite", token=inviter.access).json()["data"]["invite_code"]
    _change(service, f"UPDATE invite_codes SET max_uses = {USES} WHERE code = '{invite}'")
    answers = _send(service, crowd, [simulator.code(f"guest-{name}-{number}") for number in range(people)], invite)
    good = {answer.json()["data"]["user"]["id"] for answer in answers if _said(answer) == "accepted"}
    invited = {str(row[0]) for row in service.rows(f"SELECT id FROM users WHERE invited_by_id = {inviter.user_id}")}
    expected = {
        TOO_MANY: (_rows(service, invite), USES),
        "counter": (_counter(service, invite), _rows(service, invite)),
        "answers": (_told(answers, "used_up"), Counter(accepted=USES, used_up=people - USES)),
        "who was told so": (good, invited),
    }
    return [f"{what}: {seen} instead of {right}" for what, (seen, right) in expected.items() if seen != right]


def _one(simulator: Simulator, service: Service, crowd: Crowd, name: str, *, is_known: bool) -> list[str]:
    """Let one person come with one code again and again at once; return what is wrong."""
    invite, codes = f"ONE-{random.randrange(10**12):012d}", simulator.codes(f"regular-{name}", REPEATS + 1)
    _change(service, f"INSERT INTO invite_codes (code, max_uses, created_at) VALUES ('{invite}', 1000, 1)")
    if is_known:
        signedin.native(service, codes[0])
    answers = _send(service, crowd, codes[1:], invite)
    expected = {
        TWICE: (_rows(service, invite), 1),
        "its counter": (_counter(service, invite), _rows(service, invite)),
        "its answers": (_told(answers, "already_invited"), Counter(accepted=1, already_invited=REPEATS - 1)),
    }
    return [f"{what}: {seen} instead of {right}" for what, (seen, right) in expected.items() if seen != right]


def _send(service: Service, crowd: Crowd, codes: list[str], invite: str) -> list[Answer]:
    address = f"{service.url}/api/v1/auth/login"
    answers = crowd.send([post(address, {"code": code, "invite_code": invite}) for code in codes])
    service.keep_all(answers[:4])
    return answers


def _said(answer: Answer) -> str:
    return str(answer.json()["data"]["invite"]["status"]) if answer.status == 200 else str(answer.status)


def _told(answers: list[Answer], rest: str) -> Counter[str]:
    """How many were told what. Whoever was told to come back, on a machine with other work, counts as ``rest``."""
    return Counter(rest if answer.status == 503 else _said(answer) for answer in answers)


def _rows(service: Service, invite: str) -> int:
    return service.count("invite_uses", f"invite_code_id = (SELECT id FROM invite_codes WHERE code = '{invite}')")


def _counter(service: Service, invite: str) -> int:
    return int(service.rows(f"SELECT uses FROM invite_codes WHERE code = '{invite}'")[0][0])


def _change(service: Service, sql: str) -> None:
    connection = service.connect()
    connection.cursor().execute(sql)
    connection.close()


def _drop_unique_key(service: Service) -> None:
    engine = create_engine(service.database_url)
    with engine.begin() as connection:
        operations = Operations(MigrationContext.configure(connection))
        # MySQL wants an index for the foreign key.
        operations.create_index("ix_invite_uses_user_id", "invite_uses", ["user_id"])
        with operations.batch_alter_table("invite_uses") as table:
            table.drop_constraint("uq_invite_uses_user_id", type_="unique")
    engine.dispose()
