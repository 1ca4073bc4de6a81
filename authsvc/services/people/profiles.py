"""Profiles: their rules, WeChat's values, and people's own changes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db import remnants
from authsvc.db.database import Database
from authsvc.db.queries import users
from authsvc.errors import InvalidRequest, NotFound
from authsvc.services.accounts.accounts import refuse_inactive
from authsvc.services.audit import AuditLog
from authsvc.services.people import nicknames
from authsvc.services.people.avatars import Avatars
from authsvc.values.people import Profile, User
from authsvc.values.sessions import Caller

MAX_AVATAR_URL = 512
# Since late 2022 WeChat gives every mini program one of these grey pictures instead of the real one (WeChat notice
# 小程序用户头像昵称获取规则调整公告); it must not overwrite what the person has filled in.
_PLACEHOLDER_AVATARS = (
    "icTdbqWNOwNRna42FI242Lcia07jQodd2FJGIYQfG0LAJGFxM4FbnQP6yfMxBgJ0F3YRqJCJ1aPAK2dQagdusBZg",
    "POgEwh4mIHO4nibH0KlMECNjjGxQUq24ZEaGT4poC6icRiccVGKSyXwibcPq4BWmiaIGuG1icwxaQX6grC9VemZoJ8rg",
)


class Profiles:
    """Stores nicknames, pictures and genders."""

    def __init__(self, database: Database, avatars: Avatars, audit: AuditLog, clock: SystemClock) -> None:
        self._database = database
        self._avatars = avatars
        self._audit = audit
        self._clock = clock

    def set_profile(self, caller: Caller, profile: Profile) -> User:
        """Store the profile (checked by the caller); ``None`` leaves a field unchanged.

        Raises InvalidRequest for the address of an uploaded picture that is not the caller's own, because it would be
        deleted when the caller's picture changes.
        """
        address = profile.avatar_url
        if self._avatars.holds(address) and address != caller.user.profile.avatar_url:
            raise InvalidRequest("address of another picture", fields={"avatar_url": ["malformed"]})
        return self._store(caller, profile)

    def set_avatar(self, caller: Caller, upload: bytes) -> User:
        """Store an uploaded picture, redrawn, as the caller's.

        Raises PictureRejected, BodyTooLarge, PicturesBusy or PicturesUnavailable.
        """
        address = self._avatars.keep(upload)
        try:
            return self._store(caller, Profile(avatar_url=address))
        except BaseException:
            self._avatars.discard(address)
            raise

    def _store(self, caller: Caller, profile: Profile) -> User:
        """Change the profile, and delete the uploaded picture that it no longer shows."""
        now = self._clock.seconds()

        def work(connection: Connection) -> tuple[Profile, User]:
            # Two simultaneous changes would each restore what the other has just replaced.
            stored = users.lock(connection, caller.user.id)
            # If the account is being erased, nobody would delete this picture later.
            refuse_inactive(stored)
            changed = profile.over(stored.profile)
            users.set_profile(connection, stored.id, changed, now)
            if changed != stored.profile:
                self._audit.tell(connection, "profile.changed", stored.id, now)
            return stored.profile, replace(stored, profile=changed)

        former, user = self._database.run(work)
        if user.profile.avatar_url != former.avatar_url:
            self._avatars.discard(former.avatar_url)
        return user

    def forget_profile(self, user_id: int, *, nickname: bool, avatar: bool) -> None:
        """Delete a user's nickname or picture."""
        now = self._clock.seconds()

        def work(connection: Connection) -> Profile:
            stored = users.lock(connection, user_id).profile
            kept = replace(
                stored,
                nickname=None if nickname else stored.nickname,
                avatar_url=None if avatar else stored.avatar_url,
            )
            users.set_profile(connection, user_id, kept, now)
            if kept != stored:
                self._audit.tell(connection, "profile.changed", user_id, now)
            remnants.note(connection)
            return stored

        former = self._database.run(work)
        if avatar:
            self._avatars.discard(former.avatar_url)

    def picture(self, name: str) -> bytes:
        """Return a stored picture; raises NotFound."""
        content = self._avatars.read(name)
        if content is None:
            raise NotFound("no such picture")
        return content


def from_wechat(payload: Mapping[str, Any] | None) -> Profile:
    """Return the real values of a decrypted profile; placeholders and unusable values count as missing."""
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
    except ValueError:  # an unclosed bracket, a port that is not a number
        return None
    return parts._replace(scheme="https").geturl() if usable else None


def https_url(value: object) -> str | None:
    """Return a picture address from a client, if it is usable and already https."""
    return avatar_url(value) if isinstance(value, str) and value.startswith("https://") else None


def gender(value: object) -> int | None:
    """Return 1 (male) or 2 (female), or None; WeChat's 0 means unknown."""
    return value if type(value) is int and value in (1, 2) else None
