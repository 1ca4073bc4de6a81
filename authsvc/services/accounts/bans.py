"""Bans that outlive the account: with keyed marks, a disabled person is refused as a new user too.

While a disabled user's row exists, it is sufficient. Marks replace what leaves that row: an identity that is unlinked
or that WeChat takes back, a number that is given up, and everything when the account is erased. Marks also store what
an active user gives up, for as long as carriers reserve a number, so that a later ban includes it.
"""

import secrets

from sqlalchemy import Connection

from authsvc.clock import DAY
from authsvc.db.queries import ban_marks, identities
from authsvc.errors import AccountDisabled
from authsvc.sealing import LastingHash
from authsvc.services.knownby import KnownBy
from authsvc.values.people import User

# In China, a number that was given up is assigned to somebody else after 90 days at the earliest.
_GIVEN_UP_SECONDS = 90 * DAY


class Bans:
    """Refuses banned people. ``seconds`` is how long a ban is kept for a person's former identifications."""

    def __init__(self, hashes: LastingHash, seconds: int) -> None:
        """With 0 ``seconds`` nothing is remembered and nobody is refused."""
        self._hashes = hashes
        self._seconds = seconds

    def refuse(self, connection: Connection, known_by: KnownBy, now: int) -> None:
        """Raise AccountDisabled for a banned person. Makes one lookup, or none if marks are turned off.

        An erasure or unlinking commits the mark in its own transaction, so a login that waited for it sees the mark.
        """
        if self._seconds and ban_marks.keeps_out(connection, known_by.any_marks(self._hashes), now):
            raise AccountDisabled("disabled before, under an account that is gone")

    def note(self, connection: Connection, user: User, given_up: KnownBy, now: int) -> None:
        """Remember what identifies this user no longer. The caller has locked ``user``."""
        if self._seconds:
            seconds = self._seconds if user.status == "disabled" else min(_GIVEN_UP_SECONDS, self._seconds)
            marks = given_up.marks(self._hashes)
            ban_marks.add(connection, marks, user_id=user.id, expires_at=now + seconds)

    def take_back(self, connection: Connection, user_id: int, given_up: KnownBy) -> None:
        """Forget what ``note`` has remembered of a user, because it is somebody else's again."""
        ban_marks.delete_of(connection, given_up.any_marks(self._hashes), user_id=user_id)

    def begin(self, connection: Connection, user_id: int, now: int) -> None:
        """Extend the marks of a user who is being disabled: what they gave up recently is marked for as long as the
        ban.
        """
        ban_marks.keep(connection, user_id, expires_at=now + self._seconds, now=now)

    def outlive(self, connection: Connection, user: User, now: int) -> None:
        """Remember a disabled user whose rows are deleted in this transaction, without revealing who it was."""
        if self._seconds:
            marks = KnownBy.of_user(user, identities.all_of_user(connection, user.id)).marks(self._hashes)
            expires_at, ban = now + self._seconds, secrets.token_hex(16)
            ban_marks.outlive(connection, marks, user_id=user.id, ban=ban, expires_at=expires_at, now=now)

    def lift(self, connection: Connection, known_by: KnownBy) -> int:
        """Delete these marks, and all other marks of an erased person they belong to; return how many."""
        return ban_marks.lift(connection, known_by.any_marks(self._hashes))
