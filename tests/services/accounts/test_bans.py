"""What a ban reaches: what was given up before it and after, through merges and erasures; at one moment; how long."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from authsvc.db.queries import ban_marks, identities
from authsvc.errors import AccountDisabled
from authsvc.sealing import LastingHash
from authsvc.services.accounts.accounts import AccountRules
from authsvc.services.accounts.bans import Bans
from authsvc.services.accounts.linking import Linking
from authsvc.services.invites.memory import InviteMemory
from authsvc.services.invites.rules import InviteRules
from authsvc.services.knownby import KnownBy
from authsvc.services.operator.merges import Merges
from authsvc.services.operator.retention import Retention
from authsvc.services.operator.users import Refused, Users
from authsvc.services.people.closing import AccountClosing
from authsvc.values.people import PhoneNumber
from tests.harness.house import SHOP, House
from tests.harness.inprocess import APPS, AUDIT, BANS, INVITE_MEMORY, SECRET, SESSION_KEYS, counts

DAY = 86400
UNION = "oUNI00000000000000000000000a"
ONE, TWO = PhoneNumber("86", "13800138001"), PhoneNumber("86", "13800138002")
NOTHING: Any = SimpleNamespace(delete=lambda _: None, delete_of_user=lambda _: None)


@pytest.fixture
def operator(house: House) -> Users:
    return Users(house.database, APPS, BANS, AUDIT, house.clock)


@pytest.fixture
def closing(house: House) -> AccountClosing:
    return AccountClosing(house.database, NOTHING, NOTHING, BANS, INVITE_MEMORY, AUDIT, house.clock, 15 * DAY)


@pytest.fixture
def linking(house: House) -> Linking:
    return Linking(
        login_codes=NOTHING,
        database=house.database,
        accounts=AccountRules("link", InviteRules("open", INVITE_MEMORY), BANS, AUDIT, SESSION_KEYS),
        bans=BANS,
        invite_memory=INVITE_MEMORY,
        audit=AUDIT,
        clock=house.clock,
    )


def two_in_one(house: House) -> tuple[int, int]:
    """One user with two WeChats, lan and mei; return the user's id, and the id of mei's identity."""
    lan = house.log_in("lan", phone=ONE)
    mei = house.log_in("mei", phone=ONE)
    assert mei.user.id == lan.user.id
    return lan.user.id, mei.identity_id


def refused(house: House, *names: str, **options: Any) -> None:
    """None of these gets in, and nothing of the attempt stays."""
    before = house.everything()
    for name in names:
        with pytest.raises(AccountDisabled):
            house.log_in(name, **options)
    assert house.everything() == before


# --- what was given up ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["unlinked", "disabled"])
def test_an_identity_that_is_given_up_before_or_after_is_banned_with_the_rest(
    house: House, operator: Users, closing: AccountClosing, linking: Linking, first: str
) -> None:
    user_id, link_id = two_in_one(house)
    acts = [lambda: linking.forget_identity(user_id, link_id, "x"), lambda: operator.disable(user_id)]
    for act in acts if first == "unlinked" else reversed(acts):
        act()
    refused(house, "lan", "mei")
    assert closing.erase(user_id, "x")
    refused(house, "lan", "mei")
    refused(house, "bob", phone=ONE)
    assert house.log_in("bob").is_new


def test_a_number_that_was_changed_removed_or_revoked_before_is_banned_too(
    house: House, operator: Users, closing: AccountClosing
) -> None:
    user_id = house.log_in("lan", phone=ONE).user.id
    house.log_in("lan", phone=TWO)
    assert closing.forget_phone(user_id, "by WeChat")
    bob = house.log_in("bob", phone=ONE)
    assert bob.is_new and closing.erase(bob.user.id, "x"), "nobody is banned yet"
    operator.disable(user_id)
    for phone in (ONE, TWO):
        refused(house, "bob", phone=phone)
    mei = house.log_in("mei")
    refused(house, "mei", phone=TWO)
    operator.enable(user_id)
    assert house.log_in("mei", phone=TWO).user.id == mei.user.id


def test_what_an_active_user_has_given_up_is_nobodys_ban_and_is_forgotten_with_them(
    house: House, closing: AccountClosing, linking: Linking
) -> None:
    user_id, link_id = two_in_one(house)
    linking.forget_identity(user_id, link_id, "x")
    assert house.log_in("mei").is_new and counts(house.database)["ban_marks"] == 1
    assert closing.erase(user_id, "x")
    assert counts(house.database)["ban_marks"] == 0 and house.log_in("lan", phone=ONE).is_new


def test_what_was_given_up_long_before_is_not_reached(house: House, operator: Users, linking: Linking) -> None:
    user_id, link_id = two_in_one(house)
    linking.forget_identity(user_id, link_id, "x")
    house.clock.moment += 90 * DAY
    operator.disable(user_id)
    assert house.log_in("mei").is_new


def test_by_unionid_they_come_in_no_other_mini_program_either(
    house: House, operator: Users, closing: AccountClosing
) -> None:
    user_id = house.log_in("lan", unionid=UNION).user.id
    operator.disable(user_id)
    assert closing.erase(user_id, "x")
    refused(house, "lans-other", unionid=UNION)
    owner = house.log_in("mei", phone=ONE).user.id
    refused(house, "lan", phone=ONE)  # by the number of a friend
    assert house.log_in("mei").user.id == owner


def test_a_merge_takes_the_marks_along(
    house: House, operator: Users, closing: AccountClosing, linking: Linking
) -> None:
    user_id, link_id = two_in_one(house)
    linking.forget_identity(user_id, link_id, "x")
    winner = house.log_in("bob", phone=TWO).user.id
    Merges(house.database, operator, BANS, AUDIT, house.clock).merge(user_id, winner, "one person")
    operator.disable(winner)
    with pytest.raises(Refused, match=f"merged into user {winner}"):
        operator.disable(user_id)
    refused(house, "lan", "mei", "bob")
    refused(house, "ann", phone=ONE)  # the number that the merge has left behind
    assert closing.erase(winner, "x")
    refused(house, "lan", "mei", "bob")
    assert operator.lift_ban_of_openid("mei") == 5
    assert [house.log_in(name).is_new for name in ("lan", "mei", "bob")] == [True] * 3


# --- how long, and under which key ----------------------------------------------------------------------------------


def test_a_ban_ends_when_its_time_is_over_and_its_marks_go(
    house: House, operator: Users, closing: AccountClosing
) -> None:
    user_id = house.log_in("lan", phone=ONE).user.id
    operator.disable(user_id)
    house.clock.moment += 1000 * DAY  # it is kept from the end of the account on
    assert closing.erase(user_id, "x")
    house.clock.moment += 365 * DAY - 1
    refused(house, "lan", "bob", phone=ONE)
    retention = Retention(house.database, house.clock, 365 * DAY, DAY, DAY)
    assert retention.purge()["marks of bans"] == 0
    house.clock.moment += 1
    assert house.log_in("lan", phone=ONE).is_new
    assert retention.purge()["marks of bans"] == 2


def test_an_erasure_that_breaks_off_leaves_the_ban(
    house: House, operator: Users, closing: AccountClosing, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = house.log_in("lan").user.id
    operator.disable(user_id)
    with monkeypatch.context() as broken:
        broken.setattr(Bans, "outlive", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            closing.erase(user_id, "x")
    refused(house, "lan")
    assert closing.erase_due() == 1
    refused(house, "lan")


def test_a_ban_outlives_a_change_of_the_first_secret_key(house: House) -> None:
    older, newer = SECRET, bytes(reversed(SECRET))
    before, after, later = (Bans(LastingHash(keys, "bans"), 365 * DAY) for keys in ((older,), (newer, older), (newer,)))
    lan = house.log_in("lan", phone=ONE)
    house.change("UPDATE users SET status = 'disabled'")
    user = house.database.read(lambda c: identities.all_of_user(c, lan.user.id)[0].user)
    house.database.run(lambda c: before.outlive(c, user, house.now))
    house.change("DELETE FROM identities")
    known_by = KnownBy(phones=(ONE,))
    with pytest.raises(AccountDisabled):
        house.database.read(lambda c: after.refuse(c, known_by, house.now))
    house.database.read(lambda c: later.refuse(c, known_by, house.now))
    assert house.database.run(lambda c: after.lift(c, known_by)) == 2


def test_with_a_memory_of_no_days_nothing_is_kept_and_nobody_is_refused(house: House) -> None:
    bans, memory = Bans(LastingHash((SECRET,), "bans"), 0), InviteMemory(LastingHash((SECRET,), "x"), 0)
    closing = AccountClosing(house.database, NOTHING, NOTHING, bans, memory, AUDIT, house.clock, 0)
    lan = house.log_in("lan", code=house.code_of(house.log_in("mei")), phone=ONE)
    house.change(f"UPDATE users SET status = 'disabled' WHERE id = {lan.user.id}")
    assert closing.erase(lan.user.id, "x")
    assert counts(house.database) | {"ban_marks": 0, "invite_marks": 0} == counts(house.database)


def test_a_login_that_adds_no_identity_looks_up_no_mark(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    look = ban_marks.keeps_out
    monkeypatch.setattr(ban_marks, "keeps_out", lambda c, marks, now: asked.append(len(marks)) or look(c, marks, now))
    house.log_in("lan", phone=ONE, unionid=UNION)
    assert asked == [3], "one lookup, of all that somebody new comes with"
    for _ in range(3):
        house.log_in("lan", phone=ONE, unionid=UNION)
    assert asked == [3]


# --- the operator ---------------------------------------------------------------------------------------------------


def test_a_ban_is_lifted_by_id_while_there_is_a_user_and_by_what_they_had_afterwards(
    house: House, operator: Users, closing: AccountClosing
) -> None:
    user_id = house.log_in("lan", phone=ONE).user.id
    operator.disable(user_id)
    for lift in (lambda: operator.lift_ban_of_phone(ONE.national), lambda: operator.lift_ban_of_openid("lan")):
        with pytest.raises(Refused, match=f"enable {user_id}"):
            lift()
    assert closing.erase(user_id, "x")
    with pytest.raises(Refused, match="is not disabled"):
        operator.enable(user_id)
    for nobodys in (lambda: operator.lift_ban_of_phone("13900139000"), lambda: operator.lift_ban_of_openid("x")):
        with pytest.raises(Refused, match="no ban"):
            nobodys()
    assert operator.lift_ban_of_openid("lan") == 2
    assert house.log_in("lan", phone=ONE).is_new
    events = operator.events(user_id=None, openid="lan", event=None, since=0, limit=9)
    came = ["register", "phone_bound"]
    assert [event.event for event in events] == [*came, "disable", "erase", "enable", *came]


# --- invites --------------------------------------------------------------------------------------------------------


def test_an_identity_that_is_unlinked_or_a_number_alone_is_not_counted_again(
    house: House, closing: AccountClosing, linking: Linking
) -> None:
    code = house.code_of(house.log_in("host"))
    lan = house.log_in("lan", code=code, phone=ONE)
    mei = house.log_in("mei", phone=ONE)
    linking.forget_identity(lan.user.id, mei.identity_id, "x")
    assert house.log_in("mei", code=code).invite == "already_invited"
    assert closing.erase(lan.user.id, "x")
    assert house.log_in("lans-new", code=code, phone=ONE).invite == "already_invited"
    assert house.log_in("lan").invite is None
    assert house.log_in("lan", code=code).invite == "already_invited", "also by a later login"
    assert house.uses() == [(code, 1, 1)]


def test_with_invite_only_who_comes_back_with_a_good_code_is_let_in_and_not_counted(
    house: House, closing: AccountClosing
) -> None:
    host, house.registration = house.log_in("host"), "invite_only"
    code = house.code_of(host)
    lan = house.log_in("lan", code=code)
    assert closing.erase(lan.user.id, "x")
    assert house.log_in("lan", code=code).invite == "already_invited"
    assert house.uses() == [(code, 1, 1)]


def test_after_its_time_an_invite_counts_again(house: House, closing: AccountClosing) -> None:
    code = house.code_of(house.log_in("host"))
    lan = house.log_in("lan", code=code)
    house.clock.moment += 100 * DAY
    assert closing.erase(lan.user.id, "x")
    house.clock.moment += 80 * DAY - 1
    assert house.log_in("lan", code=code).invite == "already_invited"
    house.clock.moment += 1
    assert house.log_in("lan", code=code).invite == "accepted"
    assert Retention(house.database, house.clock, 365 * DAY, DAY, DAY).purge()["marks of invites"] == 1


# --- at one moment --------------------------------------------------------------------------------------------------


def test_whoever_signs_in_while_they_are_erased_as_disabled_does_not_come_back(
    house: House, operator: Users, closing: AccountClosing, figures: Callable[[str], None]
) -> None:
    found = _come_beside_erasures(house, operator, closing, turns=40)
    assert found == 0
    figures(f"login beside the erasure of a disabled user, {house.dialect}: 40 pairs, {found} came back")


def test_the_check_finds_marks_that_are_looked_up_before_the_login_itself(
    house: House,
    operator: Users,
    closing: AccountClosing,
    monkeypatch: pytest.MonkeyPatch,
    figures: Callable[[str], None],
) -> None:
    """As it is easily written: whether somebody may enter is asked first, in a transaction of its own."""

    def look(name: str) -> None:
        known_by = KnownBy(((SHOP.appid, name),))
        house.database.read(lambda connection: BANS.refuse(connection, known_by, house.now))
        time.sleep(0.01)

    monkeypatch.setattr(AccountRules, "refuse_banned", lambda *_: None)
    found = _come_beside_erasures(house, operator, closing, turns=40, enough=1, first=look)
    assert found
    figures(f"the broken twin, {house.dialect}: {found} came back")


def _come_beside_erasures(
    house: House,
    operator: Users,
    closing: AccountClosing,
    *,
    turns: int,
    enough: int = 10**9,
    first: Callable[[str], None] = lambda _: None,
) -> int:
    """How many of so many disabled people are somebody new after a login beside their erasure."""
    came = 0
    for turn in range(turns):
        user_id = house.log_in(f"lan{turn}x").user.id
        operator.disable(user_id)
        start = threading.Barrier(2)

        def log_in(turn: int = turn, start: threading.Barrier = start) -> bool:
            start.wait(5)
            time.sleep(turn % 8 / 1000)
            try:
                first(f"lan{turn}x")
                return house.log_in(f"lan{turn}x").is_new
            except AccountDisabled:
                return False

        def erase(user_id: int = user_id, start: threading.Barrier = start) -> bool:
            start.wait(5)
            return closing.erase(user_id, "user_authorization_cancellation")

        with ThreadPoolExecutor(2) as pool:
            login, erasure = pool.submit(log_in), pool.submit(erase)
            came += login.result()
            assert erasure.result()
        if came >= enough:
            break
    return came


def test_the_shop_is_the_one_that_bans_know() -> None:
    assert APPS.ids() == [SHOP.appid]
