"""A registration ticket that comes twice: who is known by now is sent to sign in, on both databases and in a race."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from tests.harness import signedin
from tests.harness.crowd import post
from tests.harness.races import Race
from tests.harness.service import Service
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow

AT_ONCE = 8
BOUND = '{"non_field_errors":["该微信已绑定用户"]}'
INVALID = '{"non_field_errors":["openid无效"]}'


TAKEN = '{"non_field_errors":["手机号已存在"]}'
BURST = 60


def registration(ticket: str) -> dict[str, object]:
    return {"openid": ticket, "phone": f"138{random.randrange(10**8):08}", "sex": 1}


def verdicts(race: Race, name: str) -> Counter[str]:
    """Register eight times at once with one ticket; count the answers, by their text where they refuse."""
    ticket = signedin.ticket(race.service, race.simulator, f"tickets-{name}")
    answers = race.send([post(f"{race.service.url}/wx/login", registration(ticket)) for _ in range(AT_ONCE)])
    return Counter("201" if answer.status == 201 else answer.content.decode() for answer in answers)


def test_a_ticket_used_up_sends_its_owner_to_sign_in(simulator: Simulator, each_service: Service) -> None:
    user = f"ticket-{random.randrange(10**12)}"
    ticket = signedin.ticket(each_service, simulator, user)
    answers = [each_service.call("POST", "/wx/login", json=registration(ticket)) for _ in range(3)]
    assert [(answer.status_code, answer.text) for answer in answers[1:]] == [(400, BOUND)] * 2
    known = each_service.call("GET", "/wx/login", params={"code": simulator.code(user)}).json()
    assert known["user_id"] == answers[0].json()["id"]
    # Whose WeChat is nobody's any more has nothing to sign in to.
    each_service.flask("authsvc", "users", "erase", known["user_id"], "--yes")
    again = each_service.call("POST", "/wx/login", json=registration(ticket))
    assert (again.status_code, again.text) == (400, INVALID)


def wrong_verdicts(race: Race, name: str) -> list[str]:
    found = verdicts(race, name)
    return [] if found == {"201": 1, BOUND: AT_ONCE - 1} else [f"{text}: {times}" for text, times in found.items()]


def test_eight_at_once_one_registers_and_seven_hear_that_they_can_sign_in(
    each_service: Service, race_on: Callable[[Service], Race]
) -> None:
    race_on(each_service).hold(wrong_verdicts, 5)


def owned_number(simulator: Simulator, service: Service) -> str:
    """A number that somebody has verified."""
    owner = f"owner-{random.randrange(10**12)}"
    signedin.bearer(service, simulator, owner)
    return str(simulator.call("GET", f"/control/users/{owner}")["phone"])


def probed(race: Race, count: int) -> Counter[str]:
    """Ask at once, with one ticket, about that many numbers that are somebody's; count the answers."""
    simulator, service = race.simulator, race.service
    ticket = signedin.ticket(service, simulator, f"prober-{race.seed}")
    number = owned_number(simulator, service)
    body = {"openid": ticket, "phone": number, "sex": 1}
    answers = race.send([post(f"{service.url}/wx/login", body) for _ in range(count)])
    return Counter(answer.content.decode() for answer in answers)


def test_a_ticket_tells_of_three_numbers_whose_they_are_and_a_wechat_of_nine_a_day(
    simulator: Simulator, each_service: Service, race_on: Callable[[Service], Race]
) -> None:
    race = race_on(each_service)
    found = probed(race, BURST)
    assert found == {TAKEN: 3, INVALID: BURST - 3}
    user, number = f"prober-{random.randrange(10**12)}", owned_number(simulator, each_service)
    told = []
    for _ in range(5):
        body = {"openid": signedin.ticket(each_service, simulator, user), "phone": number, "sex": 1}
        told += [each_service.call("POST", "/wx/login", json=body).text for _ in range(3)]
    assert told == [TAKEN] * 9 + [INVALID] * 6
    told_in_a_day = f"one WeChat in a day: {told.count(TAKEN)}"
    race.note(f"one ticket, {BURST} numbers at once", f"{found[TAKEN]} answers; {told_in_a_day}")


@pytest.mark.parametrize("start_race", ["sqlite"], indirect=True)
def test_the_check_finds_refusals_that_are_counted_afterwards(start_race: Callable[..., Race]) -> None:
    twin = start_race("ticket-counts", "tests.twins.ticket_counts_afterwards:app")
    found = probed(twin, BURST)
    assert found[TAKEN] > 3
    twin.note(f"one ticket, {BURST} numbers at once, twin", f"{found[TAKEN]} answers")


def test_a_number_that_somebody_typed_in_keeps_nobody_out(simulator: Simulator, each_service: Service) -> None:
    """Neither its owner, whether they type it in or verify it, nor anybody else; and the claim goes to the owner."""
    number, ids = f"137{random.randrange(10**8):08}", []
    for name in ("squatter", "owner"):
        ticket = signedin.ticket(each_service, simulator, f"{name}-{number}")
        answer = each_service.call("POST", "/wx/login", json={"openid": ticket, "phone": number, "sex": 1})
        assert (answer.status_code, answer.json()["phone"]) == (201, number)
        ids.append(answer.json()["id"])
    code = simulator.code(f"owner-{number}")
    body = {"code": code, **signedin.tapped(simulator, f"owner-{number}", phone=number)}
    assert each_service.call("POST", "/auth/mp_login", json=body).status_code == 200
    claims = each_service.rows(f"SELECT claimed_phone, phone FROM users WHERE id IN ({ids[0]}, {ids[1]}) ORDER BY id")
    assert claims == [(None, None), (None, number)]


@pytest.mark.parametrize("start_race", ["sqlite"], indirect=True)
def test_the_check_finds_look_then_spend(start_race: Callable[..., Race]) -> None:
    twin = start_race("ticket-twin", "tests.twins.ticket_look_then_spend:app")
    twin.note(f"a ticket {AT_ONCE} times at once, twin", twin.catch(wrong_verdicts, INVALID))
