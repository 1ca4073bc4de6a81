"""What an invite code does at a login: rule by rule, on SQLite and on MariaDB or MySQL."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from authsvc.errors import (
    AuthSvcError,
    InviteDisabled,
    InviteExpired,
    InviteRequired,
    InviteUnknown,
    InviteUsedUp,
    PhoneTaken,
    RegistrationClosed,
)
from authsvc.services.accounts.accounts import Admitted
from authsvc.services.accounts.merging import merge
from authsvc.services.people.closing import AccountClosing
from authsvc.values.people import PhoneNumber
from tests.harness.house import House
from tests.harness.inprocess import AUDIT, BANS, INVITE_MEMORY

PHONE = PhoneNumber("86", "13800138001")
UNION = "oUNI00000000000000000000000a"
NOT_CODES = ("good", "GOOD ", " GOOD", "GOOD\n", "ＧＯＯＤ", "GOOD\u200b", "GO%4FD", "GOOD\0", "G" * 21, "😀", "\ud800")


# --- who came through whom ------------------------------------------------------------------------------------------


def test_a_new_user_comes_through_the_owner_of_the_code(house: House) -> None:
    mei = house.log_in("mei")
    lan = house.log_in("lan", code=house.code_of(mei))
    assert (lan.is_new, lan.invite, house.inviter_of(lan)) == (True, "accepted", mei.user.id)
    assert house.uses() == [(house.code_of(mei), 1, 1)]
    assert house.rows("SELECT user_id, used_at FROM invite_uses") == [(lan.user.id, house.now)]


def test_a_code_without_owner_counts_and_names_nobody(house: House) -> None:
    house.seed("FLYER")
    lan = house.log_in("lan", code="FLYER")
    assert (lan.invite, house.inviter_of(lan), house.uses()) == ("accepted", None, [("FLYER", 1, 1)])
    assert house.log_in("lan", code="FLYER").invite == "already_invited"


def test_without_a_code_nothing_is_said(house: House) -> None:
    assert house.log_in("lan").invite is None and house.log_in("lan").invite is None


def test_first_touch_counts_also_when_the_code_comes_with_a_later_login(house: House) -> None:
    mei, bob = house.log_in("mei"), house.log_in("bob")
    house.log_in("lan")
    lan = house.log_in("lan", code=house.code_of(mei))
    assert (lan.is_new, lan.invite) == (False, "accepted")
    for code in (house.code_of(mei), house.code_of(bob)):
        assert house.log_in("lan", code=code).invite == "already_invited"
    assert house.inviter_of(lan) == mei.user.id and house.uses() == [(house.code_of(mei), 1, 1)]


def test_ones_own_code_is_refused(house: House) -> None:
    mei = house.log_in("mei")
    assert house.log_in("mei", code=house.code_of(mei)).invite == "own_code"
    assert house.inviter_of(mei) is None and house.uses() == []


def test_nobody_comes_through_somebody_whom_they_brought(house: House) -> None:
    mei = house.log_in("mei")
    lan = house.log_in("lan", code=house.code_of(mei))
    bob = house.log_in("bob", code=house.code_of(lan))
    assert house.log_in("mei", code=house.code_of(lan)).invite == "loop"
    assert house.log_in("mei", code=house.code_of(bob)).invite == "loop"
    assert house.inviter_of(mei) is None and [counter for _, counter, _ in house.uses()] == [1, 1]
    eve = house.log_in("eve")
    assert house.log_in("mei", code=house.code_of(eve)).invite == "accepted"


# --- codes that are no good -----------------------------------------------------------------------------------------


def spoilt(house: House, fault: str) -> str:
    """A code that is no good for this reason."""
    owner = house.log_in("owner")
    columns: dict[str, dict[str, int]] = {
        "disabled": {"disabled_at": 1},
        "expired": {"expires_at": house.now},
        "used_up": {"max_uses": 2, "uses": 2},
        "left": {"owner_id": owner.user.id},
        "unknown": {},
    }
    if fault != "unknown":
        house.seed("SPOILT", **columns[fault])
    if fault == "left":
        house.change(f"UPDATE users SET status = 'closed', closed_at = {house.now} WHERE id = {owner.user.id}")
    return "SPOILT"


REFUSALS = {
    "disabled": InviteDisabled,
    "expired": InviteExpired,
    "used_up": InviteUsedUp,
    "left": InviteDisabled,
    "unknown": InviteUnknown,
}


@pytest.mark.parametrize("fault", REFUSALS)
def test_a_code_that_is_no_good_fails_no_login_and_is_told_why(house: House, fault: str) -> None:
    code = spoilt(house, fault)
    before = house.rows("SELECT * FROM invite_codes")
    reason = "disabled" if fault == "left" else fault
    for _ in range(2):
        assert house.log_in("lan", code=code).invite == reason
    assert house.rows("SELECT * FROM invite_codes") == before and house.rows("SELECT * FROM invite_uses") == []
    assert house.invites().check(code) == reason


def test_limits_are_exact(house: House) -> None:
    house.seed("THREE", max_uses=3, expires_at=house.now + 1)
    said = [house.log_in(f"lan{number}", code="THREE").invite for number in range(5)]
    assert said == ["accepted"] * 3 + ["used_up"] * 2 and house.uses() == [("THREE", 3, 3)]
    house.change("UPDATE invite_codes SET max_uses = 9")
    assert house.invites().check("THREE") == "valid"
    house.clock.moment += 1
    assert house.log_in("mei", code="THREE").invite == "expired"


@pytest.mark.parametrize("text", NOT_CODES, ids=ascii)
def test_only_the_very_code_is_the_code(house: House, text: str) -> None:
    house.seed("GOOD")
    assert house.log_in("lan", code=text).invite == "unknown" and house.invites().check(text) == "unknown"
    assert house.uses() == []


# --- who may register -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", REFUSALS)
def test_where_an_invite_is_needed_a_bad_one_lets_nobody_new_in_and_leaves_no_trace(house: House, fault: str) -> None:
    code, house.registration = spoilt(house, fault), "invite_only"
    before = house.everything()
    for given, kind in ((code, REFUSALS[fault]), (None, InviteRequired)):
        with pytest.raises(InviteRequired) as refusal:
            house.log_in("lan", code=given)
        assert type(refusal.value) is kind
    assert house.everything() == before


def test_where_an_invite_is_needed_a_good_one_and_being_known_let_in(house: House) -> None:
    mei = house.log_in("mei", phone=PHONE)
    house.registration = "invite_only"
    assert house.log_in("lan", code=house.code_of(mei)).invite == "accepted"
    assert not house.log_in("mei").is_new and not house.log_in("lan", code="nonsense").is_new
    # Another WeChat of a person who is known.
    assert house.log_in("mei2", phone=PHONE).user.id == mei.user.id


def test_where_registration_is_closed_only_known_people_get_in(house: House) -> None:
    mei = house.log_in("mei", phone=PHONE)
    code = house.code_of(mei)
    house.registration = "closed"
    before = house.everything()
    for given in (None, code, "nonsense"):
        with pytest.raises(RegistrationClosed):
            house.log_in("lan", code=given)
    assert house.everything() == before
    assert house.log_in("mei2", phone=PHONE).user.id == mei.user.id


def test_a_login_that_fails_afterwards_uses_nothing_up(house: House) -> None:
    code = house.code_of(house.log_in("mei"))
    before = house.everything()

    def fail() -> None:
        raise AuthSvcError

    with pytest.raises(AuthSvcError):
        house.log_in("lan", code=code, then=fail)
    assert house.everything() == before


# --- merging and leaving --------------------------------------------------------------------------------------------


def test_a_bare_user_who_is_merged_brings_their_unused_code_along(house: House) -> None:
    mei, lan = house.log_in("mei", phone=PHONE), house.log_in("lan")
    code = house.code_of(lan)
    assert house.log_in("lan", phone=PHONE).user.id == mei.user.id
    assert house.code_of(mei) == code and house.inviter_of(house.log_in("bob", code=code)) == mei.user.id


def test_of_two_own_codes_the_one_of_the_user_who_stays_is_their_own_and_both_are_good(house: House) -> None:
    mei, lan = house.log_in("mei", phone=PHONE), house.log_in("lan")
    codes = house.code_of(mei), house.code_of(lan)
    house.log_in("lan", phone=PHONE)
    assert house.code_of(mei) == codes[0]
    for number, code in enumerate(codes):
        assert house.inviter_of(house.log_in(f"bob{number}", code=code)) == mei.user.id


@pytest.mark.parametrize("invites", ["came with one", "brought somebody"])
def test_whoever_has_invites_is_not_bare_and_stays_who_they_are(house: House, invites: str) -> None:
    mei, lan = house.log_in("mei", phone=PHONE), house.log_in("lan")
    if invites == "came with one":
        house.log_in("lan", code=house.code_of(mei))
    else:
        house.log_in("bob", code=house.code_of(lan))
    with pytest.raises(PhoneTaken):
        house.log_in("lan", phone=PHONE)
    house.log_in("eve", phone=PhoneNumber("86", "13800138002"), unionid=UNION)
    assert house.log_in("lan", unionid=UNION).user.id == lan.user.id
    assert house.rows("SELECT COUNT(*) FROM audit_events WHERE event = 'unionid_conflict'") == [(1,)]


def test_somebody_who_comes_through_a_user_while_they_are_merged_is_not_lost(house: House) -> None:
    mei, lan = house.log_in("mei", phone=PHONE), house.log_in("lan")
    code, used = house.code_of(lan), threading.Event()

    def linger() -> None:
        used.set()
        time.sleep(0.2)

    def bind() -> object:
        used.wait(5)
        return house.log_in("lan", phone=PHONE)

    with ThreadPoolExecutor(2) as both:
        merging = both.submit(bind)
        bob = both.submit(house.log_in, "bob", code=code, then=linger).result(10)
        # Bare when it was looked at, or not bare any more: either way nobody is lost.
        is_merged = merging.exception(10) is None
    assert house.inviter_of(bob) == (mei if is_merged else lan).user.id


def merge_by_hand(house: House, loser: Admitted, winner: Admitted) -> None:
    """As an operator does, whether the loser is bare or not."""
    house.database.run(lambda connection: merge(connection, AUDIT, loser.user, winner.user, house.now))


def test_whoever_came_through_a_merged_user_came_through_the_one_who_stays(house: House) -> None:
    lan, mei = house.log_in("lan"), house.log_in("mei")
    guests = [house.log_in("bob", code=house.code_of(lan)), house.log_in("eve", code=house.code_of(mei))]
    merge_by_hand(house, lan, mei)
    assert [house.inviter_of(guest) for guest in guests] == [mei.user.id] * 2
    assert house.invites().arrivals(mei.user.id).count == 2
    assert all(counter == rows for _, counter, rows in house.uses())


def test_how_the_merged_user_came_is_taken_over_unless_the_other_came_with_a_code_too(house: House) -> None:
    host, other, mei, eve = (house.log_in(name) for name in ("host", "other", "mei", "eve"))
    lan, ann = (house.log_in(name, code=house.code_of(host)) for name in ("lan", "ann"))
    merge_by_hand(house, lan, mei)
    assert (house.inviter_of(mei), house.inviter_of(lan)) == (host.user.id, None)
    assert house.log_in("mei", code=house.code_of(other)).invite == "already_invited"
    house.log_in("eve", code=house.code_of(other))
    merge_by_hand(house, ann, eve)
    assert (house.inviter_of(eve), house.inviter_of(ann)) == (other.user.id, None)
    assert house.uses() == [(house.code_of(host), 2, 2), (house.code_of(other), 1, 1)]


@pytest.mark.parametrize("stays", ["the first", "the last"])
def test_merging_along_a_line_of_inviters_makes_no_ring(house: House, stays: str) -> None:
    ann = house.log_in("ann")
    ben = house.log_in("ben", code=house.code_of(ann))
    cat = house.log_in("cat", code=house.code_of(ben))
    loser, winner = (cat, ann) if stays == "the first" else (ann, cat)
    merge_by_hand(house, loser, winner)
    assert (house.inviter_of(winner), house.inviter_of(ben)) == (None, winner.user.id)


def closing(house: House) -> AccountClosing:
    """Nobody here has pictures."""
    no_pictures: Any = SimpleNamespace(delete=lambda _: None, delete_of_user=lambda _: None)
    return AccountClosing(house.database, no_pictures, no_pictures, BANS, INVITE_MEMORY, AUDIT, house.clock, 86400)


def test_of_somebody_who_is_erased_only_the_numbers_stay(house: House) -> None:
    mei = house.log_in("mei")
    lan = house.log_in("lan", code=house.code_of(mei))
    bob = house.log_in("bob", code=house.code_of(lan))
    code = house.code_of(lan)
    house.change(f"UPDATE users SET status = 'closed', closed_at = {house.now - 86400} WHERE id = {lan.user.id}")
    assert closing(house).erase_due() == 1
    assert house.rows(f"SELECT COUNT(*) FROM users WHERE id = {lan.user.id}") == [(0,)]
    assert house.rows("SELECT owner_id, is_own, disabled_at FROM invite_codes WHERE uses = 1 ORDER BY id DESC")[0] == (
        None,
        None,
        house.now,
    )
    assert house.rows("SELECT user_id FROM invite_uses ORDER BY id") == [(None,), (bob.user.id,)]
    assert house.uses() == [(house.code_of(mei), 1, 1), (code, 1, 1)]
    assert house.inviter_of(bob) is None and house.log_in("bob", code=house.code_of(mei)).invite == "already_invited"
    assert house.invites().arrivals(mei.user.id).count == 1 and house.invites().check(code) == "disabled"


# --- at one moment --------------------------------------------------------------------------------------------------


def at_once(works: list[Callable[[], Admitted]]) -> list[Admitted]:
    start = threading.Barrier(len(works))

    def run(work: Callable[[], Admitted]) -> Admitted:
        start.wait(5)
        return work()

    with ThreadPoolExecutor(len(works)) as crowd:
        return list(crowd.map(run, works))


def test_people_who_use_each_others_codes_at_once_make_no_ring(house: House) -> None:
    for turn in range(5):
        names = [f"{name}{turn}" for name in ("ann", "ben", "cat", "dan")]
        codes = [house.code_of(house.log_in(name)) for name in names]
        # Each through the next one: the last edge would close the ring.
        logins = [
            partial(house.log_in, name, code=code) for name, code in zip(names, codes[1:] + codes[:1], strict=True)
        ]
        assert sorted(str(admitted.invite) for admitted in at_once(logins)) == ["accepted"] * 3 + ["loop"]
    assert all(counter == rows == 1 for _, counter, rows in house.uses()) and len(house.uses()) == 15


# --- what people see ------------------------------------------------------------------------------------------------


def test_arrivals_are_numbered_in_the_order_of_coming_and_shown_from_the_latest(house: House) -> None:
    mei, eve = house.log_in("mei"), house.log_in("eve")
    code = house.code_of(mei)
    for number in range(1, 56):
        house.clock.moment += 10
        house.log_in(f"lan{number:02d}", code=code)
    service, last = house.invites(), house.now
    first = service.arrivals(mei.user.id)
    assert first.count == 55 and first.latest[0] == (55, last) and first.latest[-1] == (6, last - 490)
    rest = service.arrivals(mei.user.id, before=6)
    assert [number for number, _ in rest.latest] == [5, 4, 3, 2, 1] and rest.latest[-1] == (1, last - 540)
    assert service.arrivals(mei.user.id, before=1).latest == ()
    assert service.arrivals(mei.user.id, before=10**15).latest[0] == (55, last)
    assert (service.arrivals(eve.user.id).count, service.arrivals(eve.user.id).latest) == (0, ())


@pytest.mark.parametrize("codes", [1, 3, 30])
def test_arrivals_of_any_number_are_listed_from_the_end(house: House, codes: int) -> None:
    """Few codes are read one by one, many together; of thousands of arrivals, the last thousand are shown."""
    mei = house.log_in("mei")
    many = 1100

    def fill(connection: Any) -> None:
        for code in range(codes):
            uses = many // codes + (many % codes if code == 0 else 0)
            connection.exec_driver_sql(
                "INSERT INTO invite_codes (id, code, owner_id, uses, created_at)"
                f" VALUES ({900 + code}, 'c{code}', {mei.user.id}, {uses}, 5)"
            )
        rows = ", ".join(f"({900 + (n % codes if n < many // codes * codes else 0)}, {n})" for n in range(many))
        connection.exec_driver_sql(f"INSERT INTO invite_uses (invite_code_id, used_at) VALUES {rows}")

    house.database.run(fill)
    service, seen, before = house.invites(), [], None
    while True:
        page = service.arrivals(mei.user.id, before)
        assert page.count == many
        seen += page.latest
        if not page.has_more:
            break
        before = page.latest[-1][0]
    assert seen == [(n + 1, n) for n in range(many - 1, many - 1001, -1)]
    assert service.arrivals(mei.user.id, before=101).latest == service.arrivals(mei.user.id, before=7).latest == ()
    assert service.arrivals(mei.user.id, before=102).latest == ((101, 100),)
