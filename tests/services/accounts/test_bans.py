"""What a ban reaches: what was given up before it and after, through merges and erasures; at one moment; how long."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from authsvc.db.database import Database
from authsvc.db.queries import ban_marks, identities
from authsvc.errors import AccountDisabled
from authsvc.sealing import LastingHash
from authsvc.services.accounts.accounts import AccountRules
from authsvc.services.accounts.bans import Bans
from authsvc.services.accounts.linking import Linking
from authsvc.services.invites.memory import InviteMemory
from authsvc.services.invites.rules import InviteRules
from authsvc.services.knownby import KnownBy
from authsvc.services.operator.retention import Retention
from authsvc.services.operator.users import Refused, Users
from authsvc.services.people.closing import AccountClosing
from authsvc.values.people import PhoneNumber
from tests.harness.fair import SHOP, Fair
from tests.harness.inprocess import APPS, AUDIT, BANS, INVITE_MEMORY, SECRET, SESSION_KEYS, Clock, counts

DAY = 86400
UNION = "oUNI00000000000000000000000a"
ONE, TWO = PhoneNumber("86", "13800138001"), PhoneNumber("86", "13800138002")
NOTHING: Any = SimpleNamespace(delete=lambda _: None, delete_of_user=lambda _: None)


@pytest.fixture
def fair(each_database: Database, clock: Clock) -> Fair:
    return Fair(each_database, clock)


@pytest.fixture
def operator(fair: Fair) -> Users:
    return Users(fair.database, APPS, BANS, AUDIT, fair.clock)


@pytest.fixture
def closing(fair: Fair) -> AccountClosing:
    return AccountClosing(fair.database, NOTHING, NOTHING, BANS, INVITE_MEMORY, AUDIT, fair.clock, 15 * DAY)


@pytest.fixture
def linking(fair: Fair) -> Linking:
    return Linking(
        login_codes=NOTHING,
        database=fair.database,
        accounts=AccountRules("link", InviteRules("open", INVITE_MEMORY), BANS, AUDIT, SESSION_KEYS),
        bans=BANS,
        invite_memory=INVITE_MEMORY,
        audit=AUDIT,
        clock=fair.clock,
    )


def two_in_one(fair: Fair) -> tuple[int, int]:
    """One user with two WeChats, lan and mei; return the user's id, and the id of mei's identity."""
    lan = fair.log_in("lan", phone=ONE)
    mei = fair.log_in("mei", phone=ONE)
    assert mei.user.id == lan.user.id
    return lan.user.id, mei.identity_id


def refused(fair: Fair, *names: str, **options: Any) -> None:
    """None of these gets in, and nothing of the attempt stays."""
    before = fair.everything()
    for name in names:
        with pytest.raises(AccountDisabled):
            fair.log_in(name, **options)
    assert fair.everything() == before


# --- what was given up ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["unlinked", "disabled"])
def test_an_identity_that_is_given_up_before_or_after_is_banned_with_the_rest(
    fair: Fair, operator: Users, closing: AccountClosing, linking: Linking, first: str
) -> None:
    user_id, link_id = two_in_one(fair)
    acts = [lambda: linking.forget_identity(user_id, link_id, "x"), lambda: operator.disable(user_id)]
    for act in acts if first == "unlinked" else reversed(acts):
        act()
    refused(fair, "lan", "mei")
    assert closing.erase(user_id, "x")
    refused(fair, "lan", "mei")
    refused(fair, "bob", phone=ONE)
    assert fair.log_in("bob").is_new


def test_a_number_that_was_changed_removed_or_revoked_before_is_banned_too(
    fair: Fair, operator: Users, closing: AccountClosing
) -> None:
    user_id = fair.log_in("lan", phone=ONE).user.id
    fair.log_in("lan", phone=TWO)
    assert closing.forget_phone(user_id, "by WeChat")
    bob = fair.log_in("bob", phone=ONE)
    assert bob.is_new and closing.erase(bob.user.id, "x"), "nobody is banned yet"
    operator.disable(user_id)
    for phone in (ONE, TWO):
        refused(fair, "bob", phone=phone)
    mei = fair.log_in("mei")
    refused(fair, "mei", phone=TWO)
    operator.enable(user_id)
    assert fair.log_in("mei", phone=TWO).user.id == mei.user.id


def test_what_an_active_user_has_given_up_is_nobodys_ban_and_is_forgotten_with_them(
    fair: Fair, closing: AccountClosing, linking: Linking
) -> None:
    user_id, link_id = two_in_one(fair)
    linking.forget_identity(user_id, link_id, "x")
    assert fair.log_in("mei").is_new and counts(fair.database)["ban_marks"] == 1
    assert closing.erase(user_id, "x")
    assert counts(fair.database)["ban_marks"] == 0 and fair.log_in("lan", phone=ONE).is_new


def test_what_was_given_up_long_before_is_not_reached(fair: Fair, operator: Users, linking: Linking) -> None:
    user_id, link_id = two_in_one(fair)
    linking.forget_identity(user_id, link_id, "x")
    fair.clock.moment += 90 * DAY
    operator.disable(user_id)
    assert fair.log_in("mei").is_new


def test_by_unionid_they_come_in_no_other_mini_program_either(
    fair: Fair, operator: Users, closing: AccountClosing
) -> None:
    user_id = fair.log_in("lan", unionid=UNION).user.id
    operator.disable(user_id)
    assert closing.erase(user_id, "x")
    refused(fair, "lans-other", unionid=UNION)
    owner = fair.log_in("mei", phone=ONE).user.id
    refused(fair, "lan", phone=ONE)  # by the number of a friend
    assert fair.log_in("mei").user.id == owner


def test_a_merge_takes_the_marks_along(fair: Fair, operator: Users, closing: AccountClosing, linking: Linking) -> None:
    user_id, link_id = two_in_one(fair)
    linking.forget_identity(user_id, link_id, "x")
    winner = fair.log_in("bob", phone=TWO).user.id
    operator.merge(user_id, winner)
    operator.disable(winner)
    with pytest.raises(Refused, match=f"merged into user {winner}"):
        operator.disable(user_id)
    refused(fair, "lan", "mei", "bob")
    refused(fair, "ann", phone=ONE)  # the number that the merge has left behind
    assert closing.erase(winner, "x")
    refused(fair, "lan", "mei", "bob")
    assert operator.lift_ban_of_openid("omei000000000000000000000000") == 5
    assert [fair.log_in(name).is_new for name in ("lan", "mei", "bob")] == [True] * 3


# --- how long, and under which key ----------------------------------------------------------------------------------


def test_a_ban_ends_when_its_time_is_over_and_its_marks_go(
    fair: Fair, operator: Users, closing: AccountClosing
) -> None:
    user_id = fair.log_in("lan", phone=ONE).user.id
    operator.disable(user_id)
    fair.clock.moment += 1000 * DAY  # it is kept from the end of the account on
    assert closing.erase(user_id, "x")
    fair.clock.moment += 365 * DAY - 1
    refused(fair, "lan", "bob", phone=ONE)
    retention = Retention(fair.database, fair.clock, 365 * DAY)
    assert retention.purge()["marks of bans"] == 0
    fair.clock.moment += 1
    assert fair.log_in("lan", phone=ONE).is_new
    assert retention.purge()["marks of bans"] == 2


def test_an_erasure_that_breaks_off_leaves_the_ban(
    fair: Fair, operator: Users, closing: AccountClosing, monkeypatch: pytest.MonkeyPatch
) -> None:
    user_id = fair.log_in("lan").user.id
    operator.disable(user_id)
    with monkeypatch.context() as broken:
        broken.setattr(Bans, "outlive", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            closing.erase(user_id, "x")
    refused(fair, "lan")
    assert closing.erase_due() == 1
    refused(fair, "lan")


def test_a_ban_outlives_a_change_of_the_first_secret_key(fair: Fair) -> None:
    older, newer = SECRET, bytes(reversed(SECRET))
    before, after, later = (Bans(LastingHash(keys, "bans"), 365 * DAY) for keys in ((older,), (newer, older), (newer,)))
    lan = fair.log_in("lan", phone=ONE)
    fair.change("UPDATE users SET status = 'disabled'")
    user = fair.database.read(lambda c: identities.all_of_user(c, lan.user.id)[0].user)
    fair.database.run(lambda c: before.outlive(c, user, fair.now))
    fair.change("DELETE FROM identities")
    known_by = KnownBy(phones=(ONE,))
    with pytest.raises(AccountDisabled):
        fair.database.read(lambda c: after.refuse(c, known_by, fair.now))
    fair.database.read(lambda c: later.refuse(c, known_by, fair.now))
    assert fair.database.run(lambda c: after.lift(c, known_by)) == 2


def test_with_a_memory_of_no_days_nothing_is_kept_and_nobody_is_refused(fair: Fair) -> None:
    bans, memory = Bans(LastingHash((SECRET,), "bans"), 0), InviteMemory(LastingHash((SECRET,), "x"), 0)
    closing = AccountClosing(fair.database, NOTHING, NOTHING, bans, memory, AUDIT, fair.clock, 0)
    lan = fair.log_in("lan", fair.code_of(fair.log_in("mei")), phone=ONE)
    fair.change(f"UPDATE users SET status = 'disabled' WHERE id = {lan.user.id}")
    assert closing.erase(lan.user.id, "x")
    assert counts(fair.database) | {"ban_marks": 0, "invite_marks": 0} == counts(fair.database)


def test_a_login_that_adds_no_identity_looks_up_no_mark(fair: Fair, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    look = ban_marks.keeps_out
    monkeypatch.setattr(ban_marks, "keeps_out", lambda c, marks, now: asked.append(len(marks)) or look(c, marks, now))
    fair.log_in("lan", phone=ONE, unionid=UNION)
    assert asked == [3], "one lookup, of all that somebody new comes with"
    for _ in range(3):
        fair.log_in("lan", phone=ONE, unionid=UNION)
    assert asked == [3]


# --- the operator ---------------------------------------------------------------------------------------------------


def test_a_ban_is_lifted_by_id_while_there_is_a_user_and_by_what_they_had_afterwards(
    fair: Fair, operator: Users, closing: AccountClosing
) -> None:
    user_id = fair.log_in("lan", phone=ONE).user.id
    operator.disable(user_id)
    for lift in (lambda: operator.lift_ban_of_phone(ONE.national), lambda: operator.lift_ban_of_openid(openid("lan"))):
        with pytest.raises(Refused, match=f"enable {user_id}"):
            lift()
    assert closing.erase(user_id, "x")
    with pytest.raises(Refused, match="is not disabled"):
        operator.enable(user_id)
    for nobodys in (lambda: operator.lift_ban_of_phone("13900139000"), lambda: operator.lift_ban_of_openid("x")):
        with pytest.raises(Refused, match="no ban"):
            nobodys()
    assert operator.lift_ban_of_openid(openid("lan")) == 2
    assert fair.log_in("lan", phone=ONE).is_new
    events = operator.events(user_id=None, openid=openid("lan"), event=None, since=0, limit=9)
    came = ["register", "phone_bound"]
    assert [event.event for event in events] == [*came, "disable", "erase", "enable", *came]


def openid(name: str) -> str:
    return f"o{name:0<27}"


# --- invites --------------------------------------------------------------------------------------------------------


def test_an_identity_that_is_unlinked_or_a_number_alone_is_not_counted_again(
    fair: Fair, closing: AccountClosing, linking: Linking
) -> None:
    code = fair.code_of(fair.log_in("host"))
    lan = fair.log_in("lan", code, phone=ONE)
    mei = fair.log_in("mei", phone=ONE)
    linking.forget_identity(lan.user.id, mei.identity_id, "x")
    assert fair.log_in("mei", code).invite == "already_invited"
    assert closing.erase(lan.user.id, "x")
    assert fair.log_in("lans-new", code, phone=ONE).invite == "already_invited"
    assert fair.log_in("lan").invite is None
    assert fair.log_in("lan", code).invite == "already_invited", "also by a later login"
    assert fair.uses() == [(code, 1, 1)]


def test_with_invite_only_who_comes_back_with_a_good_code_is_let_in_and_not_counted(
    fair: Fair, closing: AccountClosing
) -> None:
    host, fair.registration = fair.log_in("host"), "invite_only"
    code = fair.code_of(host)
    lan = fair.log_in("lan", code)
    assert closing.erase(lan.user.id, "x")
    assert fair.log_in("lan", code).invite == "already_invited"
    assert fair.uses() == [(code, 1, 1)]


def test_after_its_time_an_invite_counts_again(fair: Fair, closing: AccountClosing) -> None:
    code = fair.code_of(fair.log_in("host"))
    lan = fair.log_in("lan", code)
    fair.clock.moment += 100 * DAY
    assert closing.erase(lan.user.id, "x")
    fair.clock.moment += 80 * DAY - 1
    assert fair.log_in("lan", code).invite == "already_invited"
    fair.clock.moment += 1
    assert fair.log_in("lan", code).invite == "accepted"
    assert Retention(fair.database, fair.clock, 365 * DAY).purge()["marks of invites"] == 1


# --- at one moment --------------------------------------------------------------------------------------------------


def test_whoever_signs_in_while_they_are_erased_as_disabled_does_not_come_back(
    fair: Fair, operator: Users, closing: AccountClosing, figures: Callable[[str], None]
) -> None:
    found = _come_beside_erasures(fair, operator, closing, turns=40)
    assert found == 0
    figures(f"login beside the erasure of a disabled user, {_name(fair)}: 40 pairs, {found} came back")


def test_the_check_finds_marks_that_are_looked_up_before_the_login_itself(
    fair: Fair,
    operator: Users,
    closing: AccountClosing,
    monkeypatch: pytest.MonkeyPatch,
    figures: Callable[[str], None],
) -> None:
    """As it is easily written: whether somebody may enter is asked first, in a transaction of its own."""

    def look(name: str) -> None:
        known_by = KnownBy(((SHOP.appid, openid(name)),))
        fair.database.read(lambda connection: BANS.refuse(connection, known_by, fair.now))
        time.sleep(0.01)

    monkeypatch.setattr(AccountRules, "refuse_banned", lambda *_: None)
    found = _come_beside_erasures(fair, operator, closing, turns=40, enough=1, first=look)
    assert found
    figures(f"the broken twin, {_name(fair)}: {found} came back")


def _come_beside_erasures(
    fair: Fair,
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
        user_id = fair.log_in(f"lan{turn}x").user.id
        operator.disable(user_id)
        start = threading.Barrier(2)

        def log_in(turn: int = turn, start: threading.Barrier = start) -> bool:
            start.wait(5)
            time.sleep(turn % 8 / 1000)
            try:
                first(f"lan{turn}x")
                return fair.log_in(f"lan{turn}x").is_new
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


def _name(fair: Fair) -> str:
    return str(fair.database._engine.dialect.name)


def test_the_shop_is_the_one_that_bans_know() -> None:
    assert APPS.ids() == [SHOP.appid]
