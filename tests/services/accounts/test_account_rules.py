"""The account rules about phones and merging, row by row and for each policy, on SQLite and on MariaDB or MySQL."""

import threading
import time
from collections.abc import Callable

import pytest

from authsvc.errors import AccountClosed, AccountDisabled, PhoneTaken
from authsvc.services.accounts.accounts import Admitted
from authsvc.services.operator.conflicts import Conflicts
from authsvc.values.people import PhoneNumber, PhonePolicy
from tests.harness.house import CLUB, SHOP, House

LAN, LANS_OTHER, MEI, MEIS_OTHER = (f"o{name:0<27}" for name in ("LAN", "LAN2", "MEI", "MEI2"))
UNION = "oUNI00000000000000000000000a"
ONE, TWO, THREE = (PhoneNumber("86", f"1380013800{digit}") for digit in "123")
POLICIES: tuple[PhonePolicy, ...] = ("link", "reject")


@pytest.fixture(params=POLICIES)
def any_house(request: pytest.FixtureRequest, house: House) -> House:
    """For what holds under each policy."""
    house.policy = request.param
    return house


# --- an identity that nobody has yet ------------------------------------------------------------------------------


def test_a_stranger_with_a_free_number_is_a_new_user_who_has_it(any_house: House) -> None:
    lan = any_house.log_in(LAN, ONE)
    assert lan.is_new and lan.user.phone == ONE and any_house.phone_of(lan.user) == ONE.national
    assert any_house.events("phone_bound") == [(lan.user.id, f"app {SHOP.appid}")]


def test_a_stranger_with_the_number_of_a_user_is_that_user(house: House) -> None:
    lan = house.log_in(LAN, ONE)
    again = house.log_in(LANS_OTHER, ONE, app=CLUB)
    assert (again.user.id, again.is_new) == (lan.user.id, False)
    assert house.rows("SELECT appid, openid, user_id FROM identities ORDER BY id") == [
        (SHOP.appid, LAN, lan.user.id),
        (CLUB.appid, LANS_OTHER, lan.user.id),
    ]
    assert house.events("second_identity") == []


def test_a_second_wechat_of_one_number_in_one_app_is_the_same_user_and_leaves_a_trace(house: House) -> None:
    lan = house.log_in(LAN, ONE)
    assert house.log_in(LANS_OTHER, ONE).user.id == lan.user.id
    assert house.events("second_identity") == [(lan.user.id, f"app {SHOP.appid}")]


def test_with_reject_the_number_of_a_user_is_taken(house: House) -> None:
    house.policy = "reject"
    house.log_in(LAN, ONE)
    house.refuses(PhoneTaken, lambda: house.log_in(LANS_OTHER, ONE, app=CLUB))
    house.refuses(PhoneTaken, lambda: house.log_in(LANS_OTHER, ONE))


def test_the_same_digits_in_another_country_are_another_number(any_house: House) -> None:
    lan = any_house.log_in(LAN, PhoneNumber("86", "13800138001"))
    mei = any_house.log_in(MEI, PhoneNumber("852", "13800138001"))
    assert lan.user.id != mei.user.id


def test_a_unionid_is_asked_before_a_number(any_house: House) -> None:
    lan = any_house.log_in(LAN, unionid=UNION)
    again = any_house.log_in(LANS_OTHER, ONE, app=CLUB, unionid=UNION)
    assert again.user.id == lan.user.id and any_house.phone_of(lan.user) == ONE.national


def test_a_bare_owner_of_the_unionid_is_merged_into_the_owner_of_the_number(house: House) -> None:
    lan, mei = house.log_in(LAN, unionid=UNION), house.log_in(MEI, ONE)
    again = house.log_in(LANS_OTHER, ONE, app=CLUB, unionid=UNION)
    assert again.user.id == mei.user.id
    assert house.rows("SELECT DISTINCT user_id FROM identities") == [(mei.user.id,)]
    assert house.rows("SELECT user_id FROM unionids") == [(mei.user.id,)]
    assert house.read(lan.user).status == "closed"
    assert house.log_in(LAN, unionid=UNION).user.id == mei.user.id


@pytest.mark.parametrize("own", [TWO, None], ids=["not bare", "reject"])
def test_an_owner_of_the_unionid_who_cannot_give_way_does_not_get_the_number(
    house: House, own: PhoneNumber | None
) -> None:
    house.log_in(LAN, own, unionid=UNION)
    house.log_in(MEI, ONE)
    house.policy = "link" if own else "reject"
    house.refuses(PhoneTaken, lambda: house.log_in(LANS_OTHER, ONE, app=CLUB, unionid=UNION))


# --- a verified number on a known identity ------------------------------------------------------------------------


def test_a_free_number_becomes_the_users(any_house: House) -> None:
    lan = any_house.log_in(LAN)
    assert any_house.log_in(LAN, ONE).user.phone == ONE
    assert any_house.phone_of(lan.user) == ONE.national


def test_a_free_number_replaces_an_older_one_which_is_free_again(any_house: House) -> None:
    lan = any_house.log_in(LAN, ONE)
    any_house.log_in(LAN, TWO)
    assert any_house.phone_of(lan.user) == TWO.national
    mei = any_house.log_in(MEI, ONE)
    assert mei.is_new and any_house.phone_of(mei.user) == ONE.national
    assert any_house.events("phone_bound") == [
        (user.id, f"app {SHOP.appid}") for user in (lan.user, lan.user, mei.user)
    ]


def test_the_same_number_changes_nothing(any_house: House) -> None:
    any_house.log_in(LAN, ONE)
    before = any_house.everything()
    any_house.log_in(LAN, ONE)
    assert any_house.everything() == before


def test_a_bare_user_with_the_number_of_another_is_merged_into_them(house: House) -> None:
    mei, lan = house.log_in(MEI, ONE), house.log_in(LAN, unionid=UNION)
    lans_session, meis_session = house.open(lan.user), house.open(mei.user)
    house.claim(lan.user, THREE)

    merged = house.log_in(LAN, ONE, unionid=UNION)
    assert (merged.user.id, merged.identity_id, merged.is_new) == (mei.user.id, lan.identity_id, False)
    assert house.rows("SELECT DISTINCT user_id FROM identities") == [(mei.user.id,)]
    assert house.rows("SELECT unionid, user_id FROM unionids") == [(UNION, mei.user.id)]
    assert (house.lives(lans_session), house.lives(meis_session)) == (False, True)
    gone = f"SELECT status, merged_into_id, claimed_phone, token_version FROM users WHERE id = {lan.user.id}"
    assert house.rows(gone) == [("closed", mei.user.id, None, lan.user.token_version + 1)]
    assert house.rows(f"SELECT revoke_reason FROM sessions WHERE id = '{lans_session.id}'") == [("merged",)]
    assert house.events("merge") == [(mei.user.id, f"merged user {lan.user.id}")]
    # From now on they are one.
    assert house.log_in(LAN).user.id == house.log_in(MEI).user.id == mei.user.id
    assert house.log_in(LANS_OTHER, app=CLUB, unionid=UNION).user.id == mei.user.id


def test_with_reject_a_bare_user_is_not_merged(house: House) -> None:
    house.policy = "reject"
    house.log_in(MEI, ONE)
    house.log_in(LAN)
    house.refuses(PhoneTaken, lambda: house.log_in(LAN, ONE))


def test_a_user_with_another_number_does_not_get_a_taken_one(any_house: House) -> None:
    any_house.log_in(MEI, ONE)
    any_house.log_in(LAN, TWO)
    any_house.refuses(PhoneTaken, lambda: any_house.log_in(LAN, ONE))


def test_a_user_with_two_identities_does_not_get_a_taken_number(any_house: House) -> None:
    any_house.log_in(MEI, ONE)
    any_house.log_in(LAN, unionid=UNION)
    any_house.log_in(LANS_OTHER, app=CLUB, unionid=UNION)
    any_house.refuses(PhoneTaken, lambda: any_house.log_in(LAN, ONE, unionid=UNION))


# --- a unionid that comes late ------------------------------------------------------------------------------------


def test_of_two_bare_users_with_one_unionid_the_older_one_stays(any_house: House) -> None:
    lan, owner = any_house.log_in(LAN), any_house.log_in(MEI, app=CLUB, unionid=UNION)
    session = any_house.open(owner.user)
    assert any_house.log_in(LAN, unionid=UNION).user.id == lan.user.id < owner.user.id
    assert any_house.log_in(MEI, app=CLUB, unionid=UNION).user.id == lan.user.id
    assert not any_house.lives(session)


def test_of_two_bare_users_the_owner_of_the_unionid_stays_when_older(any_house: House) -> None:
    owner, lan = any_house.log_in(MEI, app=CLUB, unionid=UNION), any_house.log_in(LAN)
    assert any_house.log_in(LAN, unionid=UNION).user.id == owner.user.id < lan.user.id
    assert any_house.events("merge") == [(owner.user.id, f"merged user {lan.user.id}")]


@pytest.mark.parametrize("older", ["bare", "known by phone"])
def test_a_bare_user_gives_way_to_one_with_a_phone_whichever_is_older(any_house: House, older: str) -> None:
    phones = (None, ONE) if older == "bare" else (ONE, None)
    lan, owner = any_house.log_in(LAN, phones[0]), any_house.log_in(MEI, phones[1], app=CLUB, unionid=UNION)
    stays = owner if older == "bare" else lan
    assert any_house.log_in(LAN, unionid=UNION).user.id == stays.user.id
    assert any_house.log_in(MEI, app=CLUB, unionid=UNION).user.id == stays.user.id
    assert any_house.phone_of(stays.user) == ONE.national


def test_two_users_who_cannot_give_way_stay_and_are_listed(any_house: House) -> None:
    lan, owner = any_house.log_in(LAN, ONE), any_house.log_in(MEI, TWO, app=CLUB, unionid=UNION)
    for _ in range(2):
        assert any_house.log_in(LAN, unionid=UNION).user.id == lan.user.id
        assert any_house.log_in(MEI, app=CLUB, unionid=UNION).user.id == owner.user.id
    (pair,) = Conflicts(any_house.database).list_all()
    assert (pair.user_id, pair.other_user_id, pair.appid) == (lan.user.id, owner.user.id, SHOP.appid)
    assert any_house.events("unionid_conflict") == [(lan.user.id, f"with user {owner.user.id}")]
    assert any_house.events("merge") == []


@pytest.mark.parametrize("status", ["disabled", "closed"])
def test_a_disabled_owner_of_the_unionid_is_neither_merged_nor_signed_in(any_house: House, status: str) -> None:
    lan, owner = any_house.log_in(LAN), any_house.log_in(MEI, app=CLUB, unionid=UNION)
    any_house.change(f"UPDATE users SET status = '{status}' WHERE id = {owner.user.id}")
    assert any_house.log_in(LAN, unionid=UNION).user.id == lan.user.id
    assert any_house.events("merge") == []
    assert any_house.read(owner.user).status == status
    assert [pair.other_user_id for pair in Conflicts(any_house.database).list_all()] == [owner.user.id]


# --- disabled and closed users ------------------------------------------------------------------------------------


WAYS: dict[str, Callable[[House], object]] = {
    "a known identity and its number": lambda house: house.log_in(LAN, ONE, unionid=UNION),
    "a known identity and a free number": lambda house: house.log_in(LAN, TWO, unionid=UNION),
    "a known identity and a taken number": lambda house: house.log_in(LAN, THREE, unionid=UNION),
    "an unknown identity and the number": lambda house: house.log_in(LANS_OTHER, ONE),
    "an unknown identity in another app and the number": lambda house: house.log_in(LANS_OTHER, ONE, app=CLUB),
    "the unionid and a free number": lambda house: house.log_in(LANS_OTHER, TWO, app=CLUB, unionid=UNION),
    "the unionid and a taken number": lambda house: house.log_in(LANS_OTHER, THREE, app=CLUB, unionid=UNION),
    "a bare user's identity and the number": lambda house: house.log_in(MEIS_OTHER, ONE),
}


@pytest.mark.parametrize("status, error", [("disabled", AccountDisabled), ("closed", AccountClosed)])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_disabled_or_closed_user_is_refused_on_every_way_with_a_number_and_nothing_is_written(
    house: House, way: Callable[[House], object], status: str, error: type[Exception]
) -> None:
    lan = house.log_in(LAN, ONE, unionid=UNION)
    house.log_in(MEI, THREE)
    house.log_in(MEIS_OTHER)
    house.change(f"UPDATE users SET status = '{status}' WHERE id = {lan.user.id}")
    house.refuses(error, lambda: way(house))


# --- a number that was only typed in ------------------------------------------------------------------------------


def test_a_claimed_number_identifies_nobody_and_gives_way_to_whoever_verifies_it(any_house: House) -> None:
    lan = any_house.log_in(LAN)
    any_house.claim(lan.user, ONE)
    mei = any_house.log_in(MEI, ONE)
    assert mei.is_new and mei.user.id != lan.user.id
    assert any_house.read(lan.user).claimed_phone is None
    assert any_house.phone_of(mei.user) == ONE.national


def test_verifying_the_claimed_number_makes_it_the_users(any_house: House) -> None:
    lan = any_house.log_in(LAN)
    any_house.claim(lan.user, ONE)
    again = any_house.log_in(LAN, ONE)
    assert (again.user.id, again.user.claimed_phone) == (lan.user.id, None)
    assert (any_house.phone_of(lan.user), any_house.read(lan.user).claimed_phone) == (ONE.national, None)


def test_a_claim_does_not_make_a_user_more_than_bare(house: House) -> None:
    mei, lan = house.log_in(MEI, ONE), house.log_in(LAN)
    house.claim(lan.user, TWO)
    assert house.log_in(LAN, ONE).user.id == mei.user.id


def test_two_users_may_claim_one_number_until_one_of_them_verifies_it(any_house: House) -> None:
    lan, mei = any_house.log_in(LAN), any_house.log_in(MEI)
    for user in (lan.user, mei.user):
        any_house.claim(user, ONE)
    assert [any_house.read(user).claimed_phone for user in (lan.user, mei.user)] == [ONE.e164] * 2
    assert any_house.log_in(MEI, ONE).user.phone == ONE
    assert [any_house.read(user).claimed_phone for user in (lan.user, mei.user)] == [None, None]


# --- two logins of one person at once -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "beside",
    [
        lambda house: house.log_in(LAN, TWO, unionid=UNION),
        lambda house: house.log_in(LANS_OTHER, app=CLUB, unionid=UNION),
        lambda house: house.log_in(LANS_OTHER, TWO, app=CLUB, unionid=UNION),
    ],
    ids=["with another number", "in another app", "in another app with another number"],
)
def test_a_login_beside_a_merge_ends_with_the_user_that_stays(
    house: House, beside: Callable[[House], Admitted]
) -> None:
    mei = house.log_in(MEI, ONE)
    lan = house.log_in(LAN, unionid=UNION)
    began, done = threading.Event(), []

    def second() -> None:
        began.wait(5)
        done.append(beside(house))

    thread = threading.Thread(target=second)
    thread.start()

    def linger() -> None:
        """The merge is done, and not committed before the other login has looked."""
        began.set()
        time.sleep(0.3)

    house.log_in(LAN, ONE, unionid=UNION, then=linger)
    thread.join(10)
    assert [admitted.user.id for admitted in done] == [mei.user.id]
    assert house.rows(f"SELECT phone FROM users WHERE id = {lan.user.id}") == [(None,)]
    assert house.rows("SELECT DISTINCT user_id FROM identities") == [(mei.user.id,)]
    assert house.rows("SELECT DISTINCT user_id FROM unionids") == [(mei.user.id,)]
