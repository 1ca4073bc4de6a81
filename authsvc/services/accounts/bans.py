"""A ban that outlives the account: by keyed marks, whoever was disabled does not come back as somebody new.

While a disabled user's row is there, it refuses by itself. Marks take over what leaves that row: an identity that is
unlinked or that WeChat takes back, a number that is given up, everything when the account is erased. What an active
user gives up is remembered too, for as long as carriers keep a number back: a ban that comes later reaches it.
"""

import secrets

from sqlalchemy import Connection

from authsvc.clock import DAY
from authsvc.db.queries import ban_marks, identities
from authsvc.errors import AccountDisabled
from authsvc.sealing import LastingHash
from authsvc.services.knownby import KnownBy
from authsvc.values.people import User

# In China a number that was given up goes to somebody else after 90 days at the earliest.
_GIVEN_UP_SECONDS = 90 * DAY


class Bans:
    """Refuses, and remembers whom. ``seconds`` is how long a ban is kept for what a person is not known by any more."""

    def __init__(self, hashes: LastingHash, seconds: int) -> None:
        """With 0 ``seconds`` nothing is remembered and nobody is refused."""
        self._hashes = hashes
        self._seconds = seconds

    def refuse(self, connection: Connection, known_by: KnownBy, now: int) -> None:
        """Raise AccountDisabled for somebody who was disabled here. One lookup; nothing at all where nothing is kept.

        Whoever erases, unlinks or gives up commits the mark with it: a login that waited for them sees it.
        """
        if self._seconds and ban_marks.keeps_out(connection, known_by.any_marks(self._hashes), now):
            raise AccountDisabled("disabled before, under an account that is gone")

    def note(self, connection: Connection, user: User, given_up: KnownBy, now: int) -> None:
        """Remember what this user is not known by from now on. ``user`` is locked by the caller."""
        if self._seconds:
            seconds = self._seconds if user.status == "disabled" else min(_GIVEN_UP_SECONDS, self._seconds)
            marks = given_up.marks(self._hashes)
            ban_marks.add(connection, marks, user_id=user.id, expires_at=now + seconds)

    def begin(self, connection: Connection, user_id: int, now: int) -> None:
        """A user is disabled at this moment: what they have given up lately stays marked as long as the ban."""
        ban_marks.keep(connection, user_id, expires_at=now + self._seconds, now=now)

    def outlive(self, connection: Connection, user: User, now: int) -> None:
        """Remember a disabled user whose rows go in this transaction, without saying who it was."""
        if self._seconds:
            marks = KnownBy.of_user(user, identities.all_of_user(connection, user.id)).marks(self._hashes)
            expires_at, ban = now + self._seconds, secrets.token_hex(16)
            ban_marks.outlive(connection, marks, user_id=user.id, ban=ban, expires_at=expires_at, now=now)

    def lift(self, connection: Connection, known_by: KnownBy) -> int:
        """Forget these marks, and with those of somebody erased all that was theirs; return how many went."""
        return ban_marks.lift(connection, known_by.any_marks(self._hashes))
