"""What a person's profile may hold, and what of WeChat's values is worth keeping."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from authsvc.services.people import nicknames
from authsvc.values.people import Profile

MAX_AVATAR_URL = 512
# Since late 2022 WeChat gives every mini program one of these grey pictures instead of the real one (WeChat notice
# 小程序用户头像昵称获取规则调整公告); it may not overwrite what the person has filled in.
_PLACEHOLDER_AVATARS = (
    "icTdbqWNOwNRna42FI242Lcia07jQodd2FJGIYQfG0LAJGFxM4FbnQP6yfMxBgJ0F3YRqJCJ1aPAK2dQagdusBZg",
    "POgEwh4mIHO4nibH0KlMECNjjGxQUq24ZEaGT4poC6icRiccVGKSyXwibcPq4BWmiaIGuG1icwxaQX6grC9VemZoJ8rg",
)


def from_wechat(payload: Mapping[str, Any] | None) -> Profile:
    """Return what a decrypted profile really says: placeholders and unusable values count as nothing."""
    if payload is None:
        return Profile()
    return Profile(
        nicknames.usable(payload.get("nickName")), avatar_url(payload.get("avatarUrl")), gender(payload.get("gender"))
    )


def avatar_url(value: object) -> str | None:
    """Return a usable picture address, or None. WeChat's http:// addresses answer on https as well."""
    if not isinstance(value, str) or len(value) > MAX_AVATAR_URL or not value.isascii():
        return None
    if any(placeholder in value for placeholder in _PLACEHOLDER_AVATARS):
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0 and value.isprintable()
    except ValueError:  # an unclosed bracket, a port that is no number
        return None
    return parts._replace(scheme="https").geturl() if usable else None


def https_url(value: object) -> str | None:
    """Return a picture address that a client claims, if it is usable and https to begin with."""
    return avatar_url(value) if isinstance(value, str) and value.startswith("https://") else None


def gender(value: object) -> int | None:
    """Return 1 (male) or 2 (female); WeChat's 0 means unknown and says nothing."""
    return value if type(value) is int and value in (1, 2) else None
