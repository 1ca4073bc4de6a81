"""Invented people: the default result of ``wx.getUserInfo`` for a simulated user."""

import hashlib
from typing import Any

from authsvc.wxsim.identifiers import number_from

# One has an emoji and one a rare character on purpose: names must survive utf8mb4.
_NICKNAMES = (
    "小雨",
    "阿明🌙",
    "林间清风",
    "陈静",
    "王小波",
    "𠮷祥如意",
    "橘子汽水",
    "一只鹿",
    "Leo刘",
    "周末去爬山",
)
_PLACES = (
    ("Guangdong", "Guangzhou"),
    ("Guangdong", "Shenzhen"),
    ("Zhejiang", "Hangzhou"),
    ("Sichuan", "Chengdu"),
    ("Hubei", "Wuhan"),
    ("Beijing", "Haidian"),
    ("Shanghai", "Pudong New District"),
)

# What versions published since November 2022 get from getUserProfile and getUserInfo (announcement on nickname and
# avatar rules; the avatar is the default picture of the open-data page). The exact fillers are unconfirmed.
PLACEHOLDER: dict[str, Any] = {
    "nickName": "微信用户",
    "gender": 0,
    "language": "zh_CN",
    "city": "",
    "province": "",
    "country": "",
    "avatarUrl": "https://mmbiz.qpic.cn/mmbiz/icTdbqWNOwNRna42FI242Lcia07jQodd2FJGIYQfG0LAJGFxM4FbnQP6yfMxBgJ0F3"
    "YRqJCJ1aPAK2dQagdusBZg/0",
}


def profile_for(user: str) -> dict[str, Any]:
    """Return the user's ``userInfo``, always the same for one name, keys in WeChat's order."""
    seed = number_from("profile", user)
    province, city = _PLACES[seed // 100 % len(_PLACES)]
    picture = hashlib.sha256(f"avatar {user}".encode()).hexdigest()
    return {
        "nickName": _NICKNAMES[seed % len(_NICKNAMES)],
        "gender": 1 + seed // 10_000 % 2,
        "language": "zh_CN",
        "city": city,
        "province": province,
        "country": "China",
        "avatarUrl": f"https://thirdwx.qlogo.cn/mmopen/vi_32/{picture}/132",
    }


def phone_candidate(user: str, attempt: int) -> str:
    """Return a mainland mobile number for the user: 170 and eight digits.

    China reserves no numbers for fiction, and WeChat's own virtual users (12066600001 …) have numbers that front ends
    (``^1[3-9][0-9]{9}$``) and libphonenumber refuse. 170 belongs to resellers; nothing here ever calls these numbers.
    """
    return f"170{number_from('phone', user, str(attempt)) % 10**8:08d}"
