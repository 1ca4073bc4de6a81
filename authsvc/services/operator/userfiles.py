"""What operators see of users: found by whatever a person can tell of themselves, with their sign-ins."""

import re

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import sessions, users
from authsvc.services import numbers
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.people.exports import Exports
from authsvc.values.operator import SignIn, UserFile, UserIdentity, UserRefused, UserSummary

SEARCH_CHARACTERS = 64
MOST_FOUND = 100
SIGN_INS = 50
_ID = re.compile(r"[1-9][0-9]{0,17}\Z", re.ASCII)
# Fewer digits would fit too many people.
_LAST_DIGITS = re.compile(r"[0-9]{4,11}\Z", re.ASCII)
_NUMBER = re.compile(r"\+?[0-9 -]{5,24}\Z", re.ASCII)
_OPENID = re.compile(r"[A-Za-z0-9_-]{20,64}\Z", re.ASCII)


class UserFiles:
    """Finds users, and shows them."""

    def __init__(self, database: Database, apps: Apps, exports: Exports, clock: SystemClock) -> None:
        self._database = database
        self._apps = apps
        self._exports = exports
        self._clock = clock

    def search(self, text: str) -> list[UserSummary]:
        """Return up to MOST_FOUND users, each once: those with this id, phone number or openid, then those whose
        number ends with these digits (four or more), then those whose nickname begins with the text.
        """
        wanted = text.strip()[:SEARCH_CHARACTERS]
        if not wanted:
            return []
        found = self._database.read(self._find, wanted)
        return list({user.id: user for user in found}.values())[:MOST_FOUND]

    def show(self, user_id: int) -> UserFile:
        """Return one user; raises UserRefused if there is none."""
        now = self._clock.seconds()

        def read(connection: Connection) -> tuple[UserSummary | None, int]:
            return users.summary(connection, user_id), len(sessions.live_of_user(connection, user_id, now))

        summary, live = self._database.read(read)
        if summary is None:
            raise UserRefused("no_such_user", f"there is no user {user_id}")
        stored, events = self._exports.glance(user_id)
        identities = (
            UserIdentity(row["id"], row["appid"], row["openid"], row["created_at"], bool(row["is_added"]))  # type: ignore[arg-type]  # columns of an export
            for row in stored.rows("identities")
        )
        return UserFile(
            summary=summary,
            identities=tuple(identities),
            consents=tuple((str(row["version"]), int(str(row["given_at"]))) for row in stored.rows("consents")),
            merged_ids=tuple(int(str(row["id"])) for row in stored.rows("users") if row["id"] != user_id),
            live_sessions=live,
            audit_events=events,
        )

    def sign_ins(self, user_id: int) -> list[SignIn]:
        """Return the latest sign-ins of a user, latest first; those that ended a month ago are not stored any more.

        Raises UserRefused if there is no such user.
        """
        now = self._clock.seconds()
        if self._database.read(users.summary, user_id) is None:
            raise UserRefused("no_such_user", f"there is no user {user_id}")
        return self._database.read(sessions.latest_of_user, user_id, now, SIGN_INS)

    def _find(self, connection: Connection, text: str) -> list[UserSummary]:
        found: list[UserSummary] = []
        if _ID.match(text) and (user := users.summary(connection, int(text))) is not None:
            found.append(user)
        if _NUMBER.match(text) and (phone := numbers.typed(text)) is not None:
            found += users.with_phone(connection, phone)
        if _OPENID.match(text):
            found += users.with_openid_in(connection, self._apps.ids(), text)
        if _LAST_DIGITS.match(text):
            found += users.with_last_digits(connection, text)
        return found + users.named(connection, text)
