"""The code that a person hands out: one per person, made on demand or claimed from a pool."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from authsvc.db.database import Database
from authsvc.services.invites import spelling
from authsvc.values.invites import InvitePolicy
from tests.harness.fair import Fair
from tests.harness.inprocess import Clock

DAY = 86400
NEW, POOL = InvitePolicy(prefix="T-", length=10), InvitePolicy(source="pool")


@pytest.fixture
def fair(each_database: Database, clock: Clock) -> Fair:
    return Fair(each_database, clock)


def test_a_code_is_made_when_it_is_asked_for_and_stays_the_same(fair: Fair) -> None:
    lan, mei = fair.person(), fair.person()
    own = fair.service(NEW).own_code(lan)
    assert own == fair.service(NEW).own_code(lan) != fair.service(NEW).own_code(mei)
    assert (own.owner_id, own.max_uses, own.uses, own.expires_at) == (lan, None, 0, None)
    assert own.code.startswith("T-") and set(own.code[2:]) <= set(spelling.ALPHABET) and len(own.code) == 12


def test_limits_are_those_of_the_settings(fair: Fair) -> None:
    own = fair.service(replace(NEW, max_uses=5, days=7)).own_code(fair.person())
    assert (own.max_uses, own.expires_at) == (5, int(fair.clock.now()) + 7 * DAY)


def test_an_expired_own_code_gives_way_to_a_new_one_and_stays_its_owners(fair: Fair) -> None:
    lan, service = fair.person(), fair.service(replace(NEW, days=7))
    first = service.own_code(lan)
    fair.clock.moment += 7 * DAY
    second = service.own_code(lan)
    assert second.code != first.code and service.own_code(lan) == second
    assert fair.rows("SELECT code, owner_id, is_own FROM invite_codes ORDER BY id") == [
        (first.code, lan, None),
        (second.code, lan, 1),
    ]


def test_a_disabled_own_code_is_not_replaced(fair: Fair) -> None:
    lan, service = fair.person(), fair.service(NEW)
    own = service.own_code(lan)
    fair.change("UPDATE invite_codes SET disabled_at = 1")
    assert service.own_code(lan).code == own.code
    assert service.own_code(lan).fault(2) == "disabled"


def test_a_code_of_the_pool_is_claimed_unless_it_is_used_disabled_or_expired(fair: Fair) -> None:
    now, lan = int(fair.clock.now()), fair.person()
    fair.seed("used", uses=1)
    fair.seed("disabled", disabled_at=1)
    fair.seed("expired", expires_at=now)
    fair.seed("taken", owner_id=fair.person())
    fair.seed("good", max_uses=3, expires_at=now + 1)
    assert fair.service(NEW).own_code(fair.person()).code != "good"
    own = fair.service(POOL).own_code(lan)
    assert (own.code, own.owner_id, own.max_uses, own.expires_at) == ("good", lan, 3, now + 1)


def test_an_empty_pool_is_said_and_a_code_is_made(fair: Fair, caplog: pytest.LogCaptureFixture) -> None:
    assert len(fair.service(POOL).own_code(fair.person()).code) == 12
    assert "no invite code without an owner is left" in caplog.text


@pytest.mark.parametrize("policy", [NEW, POOL], ids=["new", "pool"])
def test_a_person_who_asks_at_once_gets_one_code_and_two_people_never_the_same(
    fair: Fair, policy: InvitePolicy
) -> None:
    for number in range(4):
        fair.seed(f"pool-{number}")
    people = [fair.person(), fair.person()]
    with ThreadPoolExecutor(8) as crowd:
        given = list(crowd.map(lambda person: fair.service(policy).own_code(person), people * 8))
    assert len({own.code for own in given}) == 2 and {own.owner_id for own in given} == set(people)
    assert fair.rows("SELECT COUNT(*) FROM invite_codes WHERE owner_id IS NOT NULL") == [(2,)]


def test_a_code_that_somebody_has_already_is_drawn_again(fair: Fair, monkeypatch: pytest.MonkeyPatch) -> None:
    fair.seed("T-TAKEN")
    drawn = iter(["T-TAKEN", "T-FREE"])
    monkeypatch.setattr(spelling, "draw", lambda *_: next(drawn))
    assert fair.service(NEW).own_code(fair.person()).code == "T-FREE"


def test_codes_fit_a_scene_and_hold_nothing_that_looks_like_something_else() -> None:
    codes = [spelling.draw("A_b-", 16) for _ in range(2000)]
    assert len(set(codes)) == 2000
    assert all(spelling.PATTERN.match(code) and len(f"invite_code={code}") <= 32 for code in codes)
    assert {letter for code in codes for letter in code[4:]} == set(spelling.ALPHABET)
    assert not set(spelling.ALPHABET) & set("0OQ1ILl2Z5S8BG") and spelling.ALPHABET.isupper()
