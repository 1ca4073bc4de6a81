"""An invite with five uses and two hundred people at once: five. One person fifty times at once: one.

In every run the counter of a code equals the rows of its uses, on both databases; a broken twin is seen to fail.
"""

from collections import Counter
from collections.abc import Callable

import pytest

from tests.harness import signedin
from tests.harness.crowd import Answer, post
from tests.harness.races import Race, drop_unique_key, violations
from tests.harness.service import Service

pytestmark = pytest.mark.slow

PEOPLE, USES, REPEATS = 200, 5, 50
# Twenty were run when this was written.
ROUNDS = 1
TWIN = "tests.twins.invite_look_then_use:app"
TOO_MANY, TWICE = f"uses of {USES}", "uses by one person"


def test_a_limit_holds_against_two_hundred_people_and_first_touch_against_fifty_logins(
    start_race: Callable[..., Race],
) -> None:
    race = start_race("invite")
    for play in (_many, _one_new, _one_known):
        race.hold(play, ROUNDS)
    assert race.service.orphans() == []
    race.note(
        "invites",
        f"{ROUNDS} rounds: {PEOPLE} people at once for {USES} uses: {USES} came; "
        f"one person {REPEATS} times at once, new or known: 1; counters equal rows; "
        f"{race.service.log.read_text().count('refused: service_busy')} told to come back",
    )


def test_the_check_finds_look_then_use(start_race: Callable[..., Race]) -> None:
    race = start_race("invite-twin", TWIN)
    drop_unique_key(race.service, "invite_uses", "uq_invite_uses_user_id", indexed="user_id")
    too_many = race.catch(lambda race, name: _many(race, name, 30), TOO_MANY)
    race.note("invites, twin", f"{too_many}; {race.catch(_one_known, TWICE)}")


def _many(race: Race, name: str, people: int = PEOPLE) -> list[str]:
    """Let strangers come with one code at once."""
    service, simulator = race.service, race.simulator
    inviter = signedin.native(service, simulator, f"host-{name}")
    invite = inviter.call("GET", "/api/v1/me/invite").json()["data"]["invite_code"]
    _change(service, f"UPDATE invite_codes SET max_uses = {USES} WHERE code = '{invite}'")
    answers = _send(race, [simulator.code(f"guest-{name}-{number}") for number in range(people)], invite)
    good = {answer.json()["data"]["user"]["id"] for answer in answers if _said(answer) == "accepted"}
    invited = {str(row[0]) for row in service.rows(f"SELECT id FROM users WHERE invited_by_id = {inviter.user_id}")}
    return violations(
        {
            TOO_MANY: (_rows(service, invite), USES),
            "counter": (_counter(service, invite), _rows(service, invite)),
            "answers": (_told(answers, "used_up"), Counter(accepted=USES, used_up=people - USES)),
            "who was told so": (good, invited),
        }
    )


def _one_new(race: Race, name: str) -> list[str]:
    return _one(race, name, is_known=False)


def _one_known(race: Race, name: str) -> list[str]:
    return _one(race, name, is_known=True)


def _one(race: Race, name: str, *, is_known: bool) -> list[str]:
    """Let one person come with one code again and again at once."""
    service = race.service
    invite = f"ONE-{race.chance.randrange(10**12):012d}"
    codes = race.simulator.codes(f"regular-{name}-{is_known}", REPEATS + 1)
    _change(service, f"INSERT INTO invite_codes (code, max_uses, created_at) VALUES ('{invite}', 1000, 1)")
    if is_known:
        assert service.login(codes[0]).status_code == 200
    answers = _send(race, codes[1:], invite)
    return violations(
        {
            TWICE: (_rows(service, invite), 1),
            "its counter": (_counter(service, invite), _rows(service, invite)),
            "its answers": (_told(answers, "already_invited"), Counter(accepted=1, already_invited=REPEATS - 1)),
        }
    )


def _send(race: Race, codes: list[str], invite: str) -> list[Answer]:
    address = f"{race.service.url}/api/v1/auth/login"
    return race.send([post(address, {"code": code, "invite_code": invite}) for code in codes], kept=4)


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
