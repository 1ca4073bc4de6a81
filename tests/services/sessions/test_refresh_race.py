"""Two hundred refreshes of one token at one moment: one child, one rotation, no error; on both databases, 20 times."""

from collections.abc import Callable

import pytest

from tests.harness import signedin
from tests.harness.crowd import Answer
from tests.harness.races import Play, Race, violations
from tests.harness.service import Service

pytestmark = pytest.mark.slow

ROUNDS = 20
CALLERS = 200
# The leak scan need not look for all of 24,000 tokens that were made in one way.
KEPT = 4
TWIN = "tests.twins.refresh_read_then_write:app"


def test_two_hundred_refreshes_of_one_token_at_once_give_one_child(
    racing_service: Service, race_on: Callable[[Service], Race]
) -> None:
    _hold(race_on(racing_service), _native_round, "refresh race")


def test_two_hundred_renewals_of_the_only_token_at_once_give_one_child(
    racing_service: Service, race_on: Callable[[Service], Race]
) -> None:
    _hold(race_on(racing_service), _bearer_round, "renewal race")


def test_without_grace_one_caller_wins_and_the_session_ends(start_race: Callable[..., Race]) -> None:
    _hold(start_race("no-grace", REFRESH_GRACE="0"), _graceless_round, "refresh race without grace")


@pytest.mark.parametrize(
    "settings, play", [({}, "_native_round"), ({"REFRESH_GRACE": "0"}, "_graceless_round")], ids=["grace", "no grace"]
)
def test_the_checks_find_read_then_write(settings: dict[str, str], play: str, start_race: Callable[..., Race]) -> None:
    race = start_race("refresh-twin", TWIN, **settings)
    found = race.catch(globals()[play], "rotations", "winners", rounds=ROUNDS)
    race.note("refresh race, read-then-write twin", found)


def _hold(race: Race, play: Play, what: str) -> None:
    race.hold(play, ROUNDS)
    race.note(what, f"{ROUNDS} rounds of {CALLERS} callers in 4 processes against 4 workers: 0 violations")


def _native_round(race: Race, name: str) -> list[str]:
    service = race.service
    signed_in = signedin.native(service, race.simulator, f"refresh-{name}")
    answers = race.send([signedin.refresh_request(service, signed_in.refresh)] * CALLERS, KEPT)
    children = {answer.json()["data"]["refresh_token"] for answer in answers if answer.status == 200}
    found = violations(
        {
            "answers with 200": (_count(answers, 200), CALLERS),
            "children": (len(children), 1),
            "rotations": (_counter(service, signed_in.sid), 1),
            "sessions ended": (_ended(service, signed_in.sid), 0),
        }
    )
    alive = [signedin.refreshed(service, child).status_code for child in children]
    return found or violations({"answers to the child": (alive, [200])})


def _bearer_round(race: Race, name: str) -> list[str]:
    service = race.service
    token = signedin.code_message_data(service, race.simulator, f"refresh-{name}")
    sid = signedin.claims(token)["sid"]
    answers = race.send([signedin.renew_request(service, token)] * CALLERS, KEPT)
    children = [answer.json()["data"]["access_token"] for answer in answers if answer.status == 200]
    found = violations(
        {
            "answers with 200": (len(children), CALLERS),
            "children": ({signedin.claims(child)["jti"] for child in children}, {f"{sid}.1"}),
            "rotations": (_counter(service, sid), 1),
            "sessions ended": (_ended(service, sid), 0),
        }
    )
    alive = service.call("GET", "/api/v1/user/profile", token=children[0]).status_code if children else 0
    return found or violations({"answer to the child": (alive, 200)})


def _graceless_round(race: Race, name: str) -> list[str]:
    service = race.service
    signed_in = signedin.native(service, race.simulator, f"refresh-{name}")
    events = service.count("audit_events", "event = 'refresh_reuse'")
    answers = race.send([signedin.refresh_request(service, signed_in.refresh)] * CALLERS, KEPT)
    children = [answer.json()["data"]["refresh_token"] for answer in answers if answer.status == 200]
    return violations(
        {
            "winners": (len(children), 1),
            "answers with 401": (_count(answers, 401), CALLERS - 1),
            "rotations": (_counter(service, signed_in.sid), 1),
            "sessions ended": (_ended(service, signed_in.sid), 1),
            "events": (service.count("audit_events", "event = 'refresh_reuse'") - events, 1),
            "children that live": ([signedin.refreshed(service, child).status_code for child in children[:1]], [401]),
        }
    )


def _count(answers: list[Answer], status: int) -> int:
    return sum(answer.status == status for answer in answers)


def _counter(service: Service, sid: str) -> int:
    return int(service.rows(f"SELECT counter FROM sessions WHERE id = '{sid}'")[0][0])


def _ended(service: Service, sid: str) -> int:
    return service.count("sessions", f"id = '{sid}' AND revoked_at IS NOT NULL")
