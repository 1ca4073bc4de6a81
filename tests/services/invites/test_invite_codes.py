"""The code that a person hands out: one per person, made on demand or claimed from a pool."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from authsvc.services.invites import spelling
from authsvc.values.invites import InvitePolicy
from tests.harness.house import House

DAY = 86400
NEW, POOL = InvitePolicy(prefix="T-", length=10), InvitePolicy(source="pool")


def test_a_code_is_made_when_it_is_asked_for_and_stays_the_same(house: House) -> None:
    lan, mei = house.user().id, house.user().id
    own = house.invites(NEW).own_code(lan)
    assert own == house.invites(NEW).own_code(lan) != house.invites(NEW).own_code(mei)
    assert (own.owner_id, own.max_uses, own.uses, own.expires_at) == (lan, None, 0, None)
    assert own.code.startswith("T-") and set(own.code[2:]) <= set(spelling.ALPHABET) and len(own.code) == 12


def test_limits_are_those_of_the_settings(house: House) -> None:
    own = house.invites(replace(NEW, max_uses=5, days=7)).own_code(house.user().id)
    assert (own.max_uses, own.expires_at) == (5, int(house.clock.now()) + 7 * DAY)


def test_an_expired_own_code_gives_way_to_a_new_one_and_stays_its_owners(house: House) -> None:
    lan, service = house.user().id, house.invites(replace(NEW, days=7))
    first = service.own_code(lan)
    house.clock.moment += 7 * DAY
    second = service.own_code(lan)
    assert second.code != first.code and service.own_code(lan) == second
    assert house.rows("SELECT code, owner_id, is_own FROM invite_codes ORDER BY id") == [
        (first.code, lan, None),
        (second.code, lan, 1),
    ]


def test_a_disabled_own_code_is_not_replaced(house: House) -> None:
    lan, service = house.user().id, house.invites(NEW)
    own = service.own_code(lan)
    house.change("UPDATE invite_codes SET disabled_at = 1")
    assert service.own_code(lan).code == own.code
    assert service.own_code(lan).fault(2) == "disabled"


def test_a_code_of_the_pool_is_claimed_unless_it_is_used_disabled_or_expired(house: House) -> None:
    now, lan = int(house.clock.now()), house.user().id
    house.seed("used", uses=1)
    house.seed("disabled", disabled_at=1)
    house.seed("expired", expires_at=now)
    house.seed("taken", owner_id=house.user().id)
    house.seed("good", max_uses=3, expires_at=now + 1)
    assert house.invites(NEW).own_code(house.user().id).code != "good"
    own = house.invites(POOL).own_code(lan)
    assert (own.code, own.owner_id, own.max_uses, own.expires_at) == ("good", lan, 3, now + 1)


def test_an_empty_pool_is_said_and_a_code_is_made(house: House, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("WARNING")
    assert len(house.invites(POOL).own_code(house.user().id).code) == 12
    assert "no invite code without an owner is left" in caplog.text


@pytest.mark.parametrize("policy", [NEW, POOL], ids=["new", "pool"])
def test_a_person_who_asks_at_once_gets_one_code_and_two_people_never_the_same(
    house: House, policy: InvitePolicy
) -> None:
    for number in range(4):
        house.seed(f"pool-{number}")
    people = [house.user().id, house.user().id]
    with ThreadPoolExecutor(8) as crowd:
        given = list(crowd.map(lambda person: house.invites(policy).own_code(person), people * 8))
    assert len({own.code for own in given}) == 2 and {own.owner_id for own in given} == set(people)
    assert house.rows("SELECT COUNT(*) FROM invite_codes WHERE owner_id IS NOT NULL") == [(2,)]


def test_a_code_that_somebody_has_already_is_drawn_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.seed("T-TAKEN")
    drawn = iter(["T-TAKEN", "T-FREE"])
    monkeypatch.setattr(spelling, "draw", lambda *_: next(drawn))
    assert house.invites(NEW).own_code(house.user().id).code == "T-FREE"


def test_codes_fit_a_scene_and_hold_nothing_that_looks_like_something_else() -> None:
    codes = [spelling.draw("A_b-", 16) for _ in range(2000)]
    assert len(set(codes)) == 2000
    assert all(spelling.PATTERN.match(code) and len(f"invite_code={code}") <= 32 for code in codes)
    assert {letter for code in codes for letter in code[4:]} == set(spelling.ALPHABET)
    assert not set(spelling.ALPHABET) & set("0OQ1ILl2Z5S8BG") and spelling.ALPHABET.isupper()
