"""What an invite code does at a login: rule by rule, on SQLite and on MariaDB or MySQL."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from authsvc.db.database import Database
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
from tests.harness.fair import Fair
from tests.harness.inprocess import AUDIT, BANS, INVITE_MEMORY, Clock

PHONE = PhoneNumber("86", "13800138001")
UNION = "oUNI00000000000000000000000a"
NOT_CODES = ("good", "GOOD ", " GOOD", "GOOD\n", "ＧＯＯＤ", "GOOD\u200b", "GO%4FD", "GOOD\0", "G" * 21, "😀", "\ud800")


@pytest.fixture
def fair(each_database: Database, clock: Clock) -> Fair:
    return Fair(each_database, clock)


# --- who came through whom ------------------------------------------------------------------------------------------


def test_a_new_user_comes_through_the_owner_of_the_code(fair: Fair) -> None:
    mei = fair.log_in("mei")
    lan = fair.log_in("lan", fair.code_of(mei))
    assert (lan.is_new, lan.invite, fair.inviter_of(lan)) == (True, "accepted", mei.user.id)
    assert fair.uses() == [(fair.code_of(mei), 1, 1)]
    assert fair.rows("SELECT user_id, used_at FROM invite_uses") == [(lan.user.id, fair.now)]


def test_a_code_without_owner_counts_and_names_nobody(fair: Fair) -> None:
    fair.seed("FLYER")
    lan = fair.log_in("lan", "FLYER")
    assert (lan.invite, fair.inviter_of(lan), fair.uses()) == ("accepted", None, [("FLYER", 1, 1)])
    assert fair.log_in("lan", "FLYER").invite == "already_invited"


def test_without_a_code_nothing_is_said(fair: Fair) -> None:
    assert fair.log_in("lan").invite is None and fair.log_in("lan").invite is None


def test_first_touch_counts_also_when_the_code_comes_with_a_later_login(fair: Fair) -> None:
    mei, bob = fair.log_in("mei"), fair.log_in("bob")
    fair.log_in("lan")
    lan = fair.log_in("lan", fair.code_of(mei))
    assert (lan.is_new, lan.invite) == (False, "accepted")
    for code in (fair.code_of(mei), fair.code_of(bob)):
        assert fair.log_in("lan", code).invite == "already_invited"
    assert fair.inviter_of(lan) == mei.user.id and fair.uses() == [(fair.code_of(mei), 1, 1)]


def test_ones_own_code_is_refused(fair: Fair) -> None:
    mei = fair.log_in("mei")
    assert fair.log_in("mei", fair.code_of(mei)).invite == "own_code"
    assert fair.inviter_of(mei) is None and fair.uses() == []


def test_nobody_comes_through_somebody_whom_they_brought(fair: Fair) -> None:
    mei = fair.log_in("mei")
    lan = fair.log_in("lan", fair.code_of(mei))
    bob = fair.log_in("bob", fair.code_of(lan))
    assert fair.log_in("mei", fair.code_of(lan)).invite == "loop"
    assert fair.log_in("mei", fair.code_of(bob)).invite == "loop"
    assert fair.inviter_of(mei) is None and [counter for _, counter, _ in fair.uses()] == [1, 1]
    eve = fair.log_in("eve")
    assert fair.log_in("mei", fair.code_of(eve)).invite == "accepted"


# --- codes that are no good -----------------------------------------------------------------------------------------


def spoilt(fair: Fair, fault: str) -> str:
    """A code that is no good for this reason."""
    owner = fair.log_in("owner")
    columns: dict[str, dict[str, int]] = {
        "disabled": {"disabled_at": 1},
        "expired": {"expires_at": fair.now},
        "used_up": {"max_uses": 2, "uses": 2},
        "left": {"owner_id": owner.user.id},
        "unknown": {},
    }
    if fault != "unknown":
        fair.seed("SPOILT", **columns[fault])
    if fault == "left":
        fair.change(f"UPDATE users SET status = 'closed', closed_at = {fair.now} WHERE id = {owner.user.id}")
    return "SPOILT"


REFUSALS = {
    "disabled": InviteDisabled,
    "expired": InviteExpired,
    "used_up": InviteUsedUp,
    "left": InviteDisabled,
    "unknown": InviteUnknown,
}


@pytest.mark.parametrize("fault", REFUSALS)
def test_a_code_that_is_no_good_fails_no_login_and_is_told_why(fair: Fair, fault: str) -> None:
    code = spoilt(fair, fault)
    before = fair.rows("SELECT * FROM invite_codes")
    reason = "disabled" if fault == "left" else fault
    for _ in range(2):
        assert fair.log_in("lan", code).invite == reason
    assert fair.rows("SELECT * FROM invite_codes") == before and fair.rows("SELECT * FROM invite_uses") == []
    assert fair.service().check(code) == reason


def test_limits_are_exact(fair: Fair) -> None:
    fair.seed("THREE", max_uses=3, expires_at=fair.now + 1)
    said = [fair.log_in(f"lan{number}", "THREE").invite for number in range(5)]
    assert said == ["accepted"] * 3 + ["used_up"] * 2 and fair.uses() == [("THREE", 3, 3)]
    fair.change("UPDATE invite_codes SET max_uses = 9")
    assert fair.service().check("THREE") == "valid"
    fair.clock.moment += 1
    assert fair.log_in("mei", "THREE").invite == "expired"


@pytest.mark.parametrize("text", NOT_CODES, ids=ascii)
def test_only_the_very_code_is_the_code(fair: Fair, text: str) -> None:
    fair.seed("GOOD")
    assert fair.log_in("lan", text).invite == "unknown" and fair.service().check(text) == "unknown"
    assert fair.uses() == []


# --- who may register -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", REFUSALS)
def test_where_an_invite_is_needed_a_bad_one_lets_nobody_new_in_and_leaves_no_trace(fair: Fair, fault: str) -> None:
    code, fair.registration = spoilt(fair, fault), "invite_only"
    before = fair.everything()
    for given, kind in ((code, REFUSALS[fault]), (None, InviteRequired)):
        with pytest.raises(InviteRequired) as refusal:
            fair.log_in("lan", given)
        assert type(refusal.value) is kind
    assert fair.everything() == before


def test_where_an_invite_is_needed_a_good_one_and_being_known_let_in(fair: Fair) -> None:
    mei = fair.log_in("mei", phone=PHONE)
    fair.registration = "invite_only"
    assert fair.log_in("lan", fair.code_of(mei)).invite == "accepted"
    assert not fair.log_in("mei").is_new and not fair.log_in("lan", "nonsense").is_new
    # Another WeChat of a person who is known.
    assert fair.log_in("mei2", phone=PHONE).user.id == mei.user.id


def test_where_registration_is_closed_only_known_people_get_in(fair: Fair) -> None:
    mei = fair.log_in("mei", phone=PHONE)
    code = fair.code_of(mei)
    fair.registration = "closed"
    before = fair.everything()
    for given in (None, code, "nonsense"):
        with pytest.raises(RegistrationClosed):
            fair.log_in("lan", given)
    assert fair.everything() == before
    assert fair.log_in("mei2", phone=PHONE).user.id == mei.user.id


def test_a_login_that_fails_afterwards_uses_nothing_up(fair: Fair) -> None:
    code = fair.code_of(fair.log_in("mei"))
    before = fair.everything()

    def fail() -> None:
        raise AuthSvcError

    with pytest.raises(AuthSvcError):
        fair.log_in("lan", code, then=fail)
    assert fair.everything() == before


# --- merging and leaving --------------------------------------------------------------------------------------------


def test_a_bare_user_who_is_merged_brings_their_unused_code_along(fair: Fair) -> None:
    mei, lan = fair.log_in("mei", phone=PHONE), fair.log_in("lan")
    code = fair.code_of(lan)
    assert fair.log_in("lan", phone=PHONE).user.id == mei.user.id
    assert fair.code_of(mei) == code and fair.inviter_of(fair.log_in("bob", code)) == mei.user.id


def test_of_two_own_codes_the_one_of_the_user_who_stays_is_their_own_and_both_are_good(fair: Fair) -> None:
    mei, lan = fair.log_in("mei", phone=PHONE), fair.log_in("lan")
    codes = fair.code_of(mei), fair.code_of(lan)
    fair.log_in("lan", phone=PHONE)
    assert fair.code_of(mei) == codes[0]
    for number, code in enumerate(codes):
        assert fair.inviter_of(fair.log_in(f"bob{number}", code)) == mei.user.id


@pytest.mark.parametrize("invites", ["came with one", "brought somebody"])
def test_whoever_has_invites_is_not_bare_and_stays_who_they_are(fair: Fair, invites: str) -> None:
    mei, lan = fair.log_in("mei", phone=PHONE), fair.log_in("lan")
    if invites == "came with one":
        fair.log_in("lan", fair.code_of(mei))
    else:
        fair.log_in("bob", fair.code_of(lan))
    with pytest.raises(PhoneTaken):
        fair.log_in("lan", phone=PHONE)
    fair.log_in("eve", phone=PhoneNumber("86", "13800138002"), unionid=UNION)
    assert fair.log_in("lan", unionid=UNION).user.id == lan.user.id
    assert fair.rows("SELECT COUNT(*) FROM audit_events WHERE event = 'unionid_conflict'") == [(1,)]


def test_somebody_who_comes_through_a_user_while_they_are_merged_is_not_lost(fair: Fair) -> None:
    mei, lan = fair.log_in("mei", phone=PHONE), fair.log_in("lan")
    code, used = fair.code_of(lan), threading.Event()

    def linger() -> None:
        used.set()
        time.sleep(0.2)

    def bind() -> object:
        used.wait(5)
        return fair.log_in("lan", phone=PHONE)

    with ThreadPoolExecutor(2) as both:
        merging = both.submit(bind)
        bob = both.submit(fair.log_in, "bob", code, then=linger).result(10)
        # Bare when it was looked at, or not bare any more: either way nobody is lost.
        is_merged = merging.exception(10) is None
    assert fair.inviter_of(bob) == (mei if is_merged else lan).user.id


def merge_by_hand(fair: Fair, loser: Admitted, winner: Admitted) -> None:
    """As an operator does, whether the loser is bare or not."""
    fair.database.run(lambda connection: merge(connection, AUDIT, loser.user, winner.user, fair.now))


def test_whoever_came_through_a_merged_user_came_through_the_one_who_stays(fair: Fair) -> None:
    lan, mei = fair.log_in("lan"), fair.log_in("mei")
    guests = [fair.log_in("bob", fair.code_of(lan)), fair.log_in("eve", fair.code_of(mei))]
    merge_by_hand(fair, lan, mei)
    assert [fair.inviter_of(guest) for guest in guests] == [mei.user.id] * 2
    assert fair.service().arrivals(mei.user.id).count == 2
    assert all(counter == rows for _, counter, rows in fair.uses())


def test_how_the_merged_user_came_is_taken_over_unless_the_other_came_with_a_code_too(fair: Fair) -> None:
    host, other, mei, eve = (fair.log_in(name) for name in ("host", "other", "mei", "eve"))
    lan, ann = (fair.log_in(name, fair.code_of(host)) for name in ("lan", "ann"))
    merge_by_hand(fair, lan, mei)
    assert (fair.inviter_of(mei), fair.inviter_of(lan)) == (host.user.id, None)
    assert fair.log_in("mei", fair.code_of(other)).invite == "already_invited"
    fair.log_in("eve", fair.code_of(other))
    merge_by_hand(fair, ann, eve)
    assert (fair.inviter_of(eve), fair.inviter_of(ann)) == (other.user.id, None)
    assert fair.uses() == [(fair.code_of(host), 2, 2), (fair.code_of(other), 1, 1)]


@pytest.mark.parametrize("stays", ["the first", "the last"])
def test_merging_along_a_line_of_inviters_makes_no_ring(fair: Fair, stays: str) -> None:
    ann = fair.log_in("ann")
    ben = fair.log_in("ben", fair.code_of(ann))
    cat = fair.log_in("cat", fair.code_of(ben))
    loser, winner = (cat, ann) if stays == "the first" else (ann, cat)
    merge_by_hand(fair, loser, winner)
    assert (fair.inviter_of(winner), fair.inviter_of(ben)) == (None, winner.user.id)


def closing(fair: Fair) -> AccountClosing:
    """Nobody here has pictures."""
    no_pictures: Any = SimpleNamespace(delete=lambda _: None, delete_of_user=lambda _: None)
    return AccountClosing(fair.database, no_pictures, no_pictures, BANS, INVITE_MEMORY, AUDIT, fair.clock, 86400)


def test_of_somebody_who_is_erased_only_the_numbers_stay(fair: Fair) -> None:
    mei = fair.log_in("mei")
    lan = fair.log_in("lan", fair.code_of(mei))
    bob = fair.log_in("bob", fair.code_of(lan))
    code = fair.code_of(lan)
    fair.change(f"UPDATE users SET status = 'closed', closed_at = {fair.now - 86400} WHERE id = {lan.user.id}")
    assert closing(fair).erase_due() == 1
    assert fair.rows(f"SELECT COUNT(*) FROM users WHERE id = {lan.user.id}") == [(0,)]
    assert fair.rows("SELECT owner_id, is_own, disabled_at FROM invite_codes WHERE uses = 1 ORDER BY id DESC")[0] == (
        None,
        None,
        fair.now,
    )
    assert fair.rows("SELECT user_id FROM invite_uses ORDER BY id") == [(None,), (bob.user.id,)]
    assert fair.uses() == [(fair.code_of(mei), 1, 1), (code, 1, 1)]
    assert fair.inviter_of(bob) is None and fair.log_in("bob", fair.code_of(mei)).invite == "already_invited"
    assert fair.service().arrivals(mei.user.id).count == 1 and fair.service().check(code) == "disabled"


# --- at one moment --------------------------------------------------------------------------------------------------


def at_once(works: list[Callable[[], Admitted]]) -> list[Admitted]:
    start = threading.Barrier(len(works))

    def run(work: Callable[[], Admitted]) -> Admitted:
        start.wait(5)
        return work()

    with ThreadPoolExecutor(len(works)) as crowd:
        return list(crowd.map(run, works))


def test_people_who_use_each_others_codes_at_once_make_no_ring(fair: Fair) -> None:
    for turn in range(5):
        names = [f"{name}{turn}" for name in ("ann", "ben", "cat", "dan")]
        codes = [fair.code_of(fair.log_in(name)) for name in names]
        # Each through the next one: the last edge would close the ring.
        logins = [partial(fair.log_in, name, code) for name, code in zip(names, codes[1:] + codes[:1], strict=True)]
        assert sorted(str(admitted.invite) for admitted in at_once(logins)) == ["accepted"] * 3 + ["loop"]
    assert all(counter == rows == 1 for _, counter, rows in fair.uses()) and len(fair.uses()) == 15


# --- what people see ------------------------------------------------------------------------------------------------


def test_arrivals_are_numbered_in_the_order_of_coming_and_shown_from_the_latest(fair: Fair) -> None:
    mei, eve = fair.log_in("mei"), fair.log_in("eve")
    code = fair.code_of(mei)
    for number in range(1, 56):
        fair.clock.moment += 10
        fair.log_in(f"lan{number:02d}", code)
    service, last = fair.service(), fair.now
    first = service.arrivals(mei.user.id)
    assert first.count == 55 and first.latest[0] == (55, last) and first.latest[-1] == (6, last - 490)
    rest = service.arrivals(mei.user.id, before=6)
    assert [number for number, _ in rest.latest] == [5, 4, 3, 2, 1] and rest.latest[-1] == (1, last - 540)
    assert service.arrivals(mei.user.id, before=1).latest == ()
    assert service.arrivals(mei.user.id, before=10**15).latest[0] == (55, last)
    assert (service.arrivals(eve.user.id).count, service.arrivals(eve.user.id).latest) == (0, ())


@pytest.mark.parametrize("codes", [1, 3, 30])
def test_arrivals_of_any_number_are_listed_from_the_end(fair: Fair, codes: int) -> None:
    """Few codes are read one by one, many together; of thousands of arrivals, the last thousand are shown."""
    mei = fair.log_in("mei")
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

    fair.database.run(fill)
    service, seen, before = fair.service(), [], None
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
