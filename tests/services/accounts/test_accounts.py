"""Who is it? The account rules, on SQLite and on MariaDB or MySQL."""

from collections.abc import Callable
from typing import Any

import pytest

from authsvc.errors import AccountDisabled
from authsvc.services.people import profiles
from authsvc.values.people import Profile
from authsvc.values.wechat import MiniProgram
from tests.harness.house import CLUB, SHOP, House
from tests.harness.inprocess import counts

LAN, MEI = "oLAN00000000000000000000000a", "oMEI00000000000000000000000a"
UNION, OTHER_UNION = "oUNI00000000000000000000000a", "oUNI00000000000000000000000b"
NOTHING = Profile()
SHOWN = Profile("Lan", "https://thirdwx.qlogo.cn/lan/132", 2)
GREY = {
    "nickName": "微信用户",
    "gender": 0,
    "avatarUrl": "https://mmbiz.qpic.cn/mmbiz/icTdbqWNOwNRna42FI242Lcia07jQodd2FJGIYQfG0LAJGFxM4FbnQP6yfMxBgJ0F3YRq"
    "JCJ1aPAK2dQagdusBZg/0",
}


def profile_of(house: House, user_id: int) -> Profile:
    ((nickname, avatar_url, gender),) = house.rows(
        f"SELECT nickname, avatar_url, gender FROM users WHERE id = {user_id}"
    )
    return Profile(nickname, avatar_url, gender)


def test_a_stranger_becomes_a_user(house: House) -> None:
    admitted = house.log_in(LAN, profile=SHOWN)
    assert admitted.is_new and admitted.user.status == "active" and admitted.user.profile == SHOWN
    assert counts(house.database) | {"users": 1, "identities": 1, "unionids": 0} == counts(house.database)
    assert house.rows("SELECT appid, openid, unionid, user_id FROM identities") == [
        (SHOP.appid, LAN, None, admitted.user.id)
    ]
    now = int(house.clock.now())
    assert house.rows("SELECT created_at, updated_at, last_login_at FROM users") == [(now, now, now)]


def test_the_same_identity_is_the_same_user(house: House) -> None:
    first = house.log_in(LAN)
    house.clock.moment += 100
    again = house.log_in(LAN)
    assert (again.user.id, again.identity_id, again.is_new) == (first.user.id, first.identity_id, False)
    assert house.rows("SELECT created_at, last_login_at FROM users") == [
        (int(house.clock.now()) - 100, int(house.clock.now()))
    ]


@pytest.mark.parametrize(
    "other", [LAN.lower(), LAN.swapcase(), LAN[:-1] + "b", LAN + "a", LAN[:-1]], ids=["lower", "swap", "b", "+", "-"]
)
def test_an_openid_that_differs_in_anything_is_somebody_else(house: House, other: str) -> None:
    assert house.log_in(LAN).user.id != house.log_in(other).user.id


def test_the_same_openid_in_another_app_is_somebody_else(house: House) -> None:
    assert house.log_in(LAN).user.id != house.log_in(LAN, app=CLUB).user.id


def test_the_same_unionid_in_another_app_is_the_same_user(house: House) -> None:
    shop, club = house.log_in(LAN, unionid=UNION), house.log_in(MEI, app=CLUB, unionid=UNION)
    assert club.user.id == shop.user.id and club.identity_id != shop.identity_id
    assert (shop.is_new, club.is_new) == (True, False)
    assert house.rows("SELECT unionid, user_id FROM unionids") == [(UNION, shop.user.id)]
    assert counts(house.database)["users"] == 1


@pytest.mark.parametrize("other", [OTHER_UNION, UNION.lower(), UNION.swapcase()])
def test_another_unionid_is_somebody_else(house: House, other: str) -> None:
    assert house.log_in(LAN, unionid=UNION).user.id != house.log_in(MEI, app=CLUB, unionid=other).user.id


def test_people_without_a_unionid_are_not_joined(house: House) -> None:
    assert house.log_in(LAN).user.id != house.log_in(MEI, app=CLUB).user.id


def test_a_unionid_that_appears_late_is_attached_and_joins_from_then_on(house: House) -> None:
    early = house.log_in(LAN)
    late = house.log_in(LAN, unionid=UNION)
    assert late.user.id == early.user.id
    assert house.rows("SELECT unionid FROM identities") == [(UNION,)]
    assert house.rows("SELECT unionid, user_id FROM unionids") == [(UNION, early.user.id)]
    assert house.log_in(MEI, app=CLUB, unionid=UNION).user.id == early.user.id


def test_a_unionid_that_is_missing_once_is_not_forgotten(house: House) -> None:
    first = house.log_in(LAN, unionid=UNION)
    house.log_in(LAN)
    assert house.rows("SELECT unionid FROM identities") == [(UNION,)]
    assert house.log_in(MEI, app=CLUB, unionid=UNION).user.id == first.user.id


Way = Callable[[House], object]
WAYS: dict[str, Way] = {
    "by a known identity": lambda house: house.log_in(LAN),
    "by a known identity with its unionid": lambda house: house.log_in(LAN, unionid=UNION, profile=SHOWN),
    "by a known identity with another unionid": lambda house: house.log_in(
        LAN, app=SHOP, unionid=OTHER_UNION, profile=SHOWN
    ),
    "by the unionid in another app": lambda house: house.log_in(MEI, app=CLUB, unionid=UNION, profile=SHOWN),
    "by the unionid in the same app": lambda house: house.log_in(MEI, unionid=UNION, profile=SHOWN),
}


@pytest.mark.parametrize("status", ["disabled", "closed"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_disabled_or_closed_user_is_refused_on_every_way_in_and_nothing_is_written(
    house: House, way: Way, status: str
) -> None:
    house.log_in(LAN, unionid=UNION)
    house.change(f"UPDATE users SET status = '{status}'")
    before = house.everything()
    house.clock.moment += 100
    with pytest.raises(AccountDisabled):
        way(house)
    assert house.everything() == before


def test_a_user_who_is_active_again_gets_in(house: House) -> None:
    first = house.log_in(LAN)
    house.change("UPDATE users SET status = 'disabled'")
    house.change("UPDATE users SET status = 'active'")
    assert house.log_in(LAN).user.id == first.user.id


def test_a_new_profile_replaces_the_old_one(house: House) -> None:
    house.log_in(LAN, profile=SHOWN)
    newer = Profile("Lan Lan", "https://thirdwx.qlogo.cn/lanlan/132", 1)
    again = house.log_in(LAN, profile=newer)
    assert again.user.profile == profile_of(house, again.user.id) == newer


def test_a_login_without_a_profile_keeps_what_is_there(house: House) -> None:
    house.log_in(LAN, profile=SHOWN)
    again = house.log_in(LAN)
    assert again.user.profile == profile_of(house, again.user.id) == SHOWN


@pytest.mark.parametrize(
    "app, openid", [(SHOP, LAN), (CLUB, MEI)], ids=["by the identity", "by the unionid in another app"]
)
def test_wechats_placeholder_never_replaces_a_real_profile(house: House, app: MiniProgram, openid: str) -> None:
    house.log_in(LAN, unionid=UNION, profile=SHOWN)
    again = house.log_in(openid, app=app, unionid=UNION, profile=profiles.from_wechat(GREY))
    assert again.user.profile == profile_of(house, again.user.id) == SHOWN


def test_a_placeholder_alone_is_no_profile(house: House) -> None:
    admitted = house.log_in(LAN, profile=profiles.from_wechat(GREY))
    assert profile_of(house, admitted.user.id) == NOTHING


def test_a_half_new_profile_replaces_half(house: House) -> None:
    house.log_in(LAN, profile=SHOWN)
    half = {**GREY, "nickName": "Lan Lan"}
    again = house.log_in(LAN, profile=profiles.from_wechat(half))
    assert again.user.profile == profile_of(house, again.user.id) == Profile("Lan Lan", SHOWN.avatar_url, SHOWN.gender)


@pytest.mark.parametrize(
    "nickname",
    ["𠮷祥如意", "阿明🌙", "👨\u200d👩\u200d👧", "Ünï", 'O\'Brien \\ "x"', "%s %(x)s :name ?", "x" * 64],
    ids=ascii,
)
def test_a_name_is_kept_character_for_character(house: House, nickname: str) -> None:
    admitted = house.log_in(LAN, profile=profiles.from_wechat({"nickName": nickname}))
    assert profile_of(house, admitted.user.id).nickname == nickname


PROFILE_VALUES: list[tuple[str, Any, Any]] = [
    ("nickName", "Lan", "Lan"),
    ("nickName", "  Lan \n", "  Lan "),
    ("nickName", "La\0n\x1b[31m", "Lan[31m"),
    ("nickName", "\u202eLan\u200b", "Lan\u200b"),
    ("nickName", "\u200d", None),
    ("nickName", "x" * 65, "x" * 64),
    ("nickName", "微信用户", None),
    ("nickName", " 微信用户 ", None),
    ("nickName", "", None),
    ("nickName", " \t", None),
    ("nickName", None, None),
    ("nickName", 5, None),
    ("nickName", ["Lan"], None),
    ("avatarUrl", "https://thirdwx.qlogo.cn/a/132", "https://thirdwx.qlogo.cn/a/132"),
    ("avatarUrl", "http://wx.qlogo.cn/a/0?x=1#y", "https://wx.qlogo.cn/a/0?x=1#y"),
    ("avatarUrl", GREY["avatarUrl"], None),
    ("avatarUrl", "https://thirdwx.qlogo.cn/" + "x" * 500, None),
    ("avatarUrl", "javascript:alert(1)", None),
    ("avatarUrl", "data:image/png;base64,AAAA", None),
    ("avatarUrl", "//wx.qlogo.cn/a", None),
    ("avatarUrl", "https:///a", None),
    ("avatarUrl", "https://[wx.qlogo.cn/a", None),
    ("avatarUrl", "https://wx.qlogo.cn:port/a", None),
    ("avatarUrl", "https://wx.qlogo.cn/鹿", None),
    ("avatarUrl", "https://wx.qlogo.cn/a\nb", None),
    ("avatarUrl", "", None),
    ("avatarUrl", None, None),
    ("avatarUrl", 5, None),
    ("gender", 1, 1),
    ("gender", 2, 2),
    ("gender", 0, None),
    ("gender", 3, None),
    ("gender", "1", None),
    ("gender", True, None),
    ("gender", 1.0, None),
    ("gender", [1], None),
    ("gender", 10**400, None),
]


@pytest.mark.parametrize("member, value, kept", PROFILE_VALUES, ids=lambda value: ascii(value)[:40])
def test_of_a_sealed_profile_only_usable_values_are_kept(member: str, value: Any, kept: Any) -> None:
    profile = profiles.from_wechat({member: value})
    expected = {"nickName": "nickname", "avatarUrl": "avatar_url", "gender": "gender"}[member]
    assert profile == Profile(**{expected: kept})
