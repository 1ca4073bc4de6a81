"""A registration ticket that comes twice: who is known by now is sent to sign in, on both databases and in a race."""

import random
from collections import Counter
from collections.abc import Callable

import pytest

from tests.harness import signedin
from tests.harness.crowd import Crowd, post
from tests.harness.service import Service
from tests.harness.simulator import Simulator

AT_ONCE = 8
BOUND = '{"non_field_errors":["该微信已绑定用户"]}'
INVALID = '{"non_field_errors":["openid无效"]}'


TAKEN = '{"non_field_errors":["手机号已存在"]}'
BURST = 60


def registration(ticket: str) -> dict[str, object]:
    return {"openid": ticket, "phone": f"138{random.randrange(10**8):08}", "sex": 1}


def verdicts(simulator: Simulator, service: Service, crowd: Crowd, user: str) -> Counter[str]:
    """Register eight times at once with one ticket; count the answers, by their text where they refuse."""
    ticket = signedin.ticket(service, simulator, user)
    answers = crowd.send([post(f"{service.url}/wx/login", registration(ticket)) for _ in range(AT_ONCE)])
    service.keep_all(answers)
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


def test_eight_at_once_one_registers_and_seven_hear_that_they_can_sign_in(
    simulator: Simulator, each_service: Service, crowd: Crowd
) -> None:
    seed = random.randrange(10**12)
    for number in range(5):
        found = verdicts(simulator, each_service, crowd, f"tickets-{seed}-{number}")
        assert found == {"201": 1, BOUND: AT_ONCE - 1}, f"seed {seed}, round {number}"


def owned_number(simulator: Simulator, service: Service) -> str:
    """A number that somebody has verified."""
    owner = f"owner-{random.randrange(10**12)}"
    signedin.bearer(service, simulator, owner)
    return str(simulator.call("GET", f"/control/users/{owner}")["phone"])


def probed(simulator: Simulator, service: Service, crowd: Crowd, count: int) -> Counter[str]:
    """Ask at once, with one ticket, about that many numbers that are somebody's; count the answers."""
    ticket = signedin.ticket(service, simulator, f"prober-{random.randrange(10**12)}")
    number = owned_number(simulator, service)
    body = {"openid": ticket, "phone": number, "sex": 1}
    answers = crowd.send([post(f"{service.url}/wx/login", body) for _ in range(count)])
    service.keep_all(answers)
    return Counter(answer.content.decode() for answer in answers)


def test_a_ticket_tells_of_three_numbers_whose_they_are_and_a_wechat_of_nine_a_day(
    simulator: Simulator, each_service: Service, crowd: Crowd, figures: Callable[[str], None]
) -> None:
    found = probed(simulator, each_service, crowd, BURST)
    assert found == {TAKEN: 3, INVALID: BURST - 3}
    user, number = f"prober-{random.randrange(10**12)}", owned_number(simulator, each_service)
    told = []
    for _ in range(5):
        body = {"openid": signedin.ticket(each_service, simulator, user), "phone": number, "sex": 1}
        told += [each_service.call("POST", "/wx/login", json=body).text for _ in range(3)]
    assert told == [TAKEN] * 9 + [INVALID] * 6
    figures(f"one ticket, {BURST} numbers at once: {found[TAKEN]} answers; one WeChat in a day: {told.count(TAKEN)}")


def test_the_check_finds_refusals_that_are_counted_afterwards(
    simulator: Simulator, start_briefly: Callable[..., Service], crowd: Crowd, figures: Callable[[str], None]
) -> None:
    twin = signedin.four_workers(start_briefly, "ticket-counts", "sqlite", "tests.twins.ticket_counts_afterwards:app")
    found = probed(simulator, twin, crowd, BURST)
    assert found[TAKEN] > 3
    figures(f"one ticket, {BURST} numbers at once, twin: {found[TAKEN]} answers")


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


def test_the_check_finds_look_then_spend(
    simulator: Simulator, start_briefly: Callable[..., Service], crowd: Crowd, figures: Callable[[str], None]
) -> None:
    twin = signedin.four_workers(start_briefly, "ticket-twin", "sqlite", "tests.twins.ticket_look_then_spend:app")
    seed = random.randrange(10**12)
    for number in range(20):
        found = verdicts(simulator, twin, crowd, f"twin-{seed}-{number}")
        if found[INVALID]:
            break
    else:
        pytest.fail(f"seed {seed}: twenty rounds of a broken twin, and every answer was right")
    figures(f"a ticket {AT_ONCE} times at once, twin, round {number}: {found[INVALID]} told that it is not valid")
