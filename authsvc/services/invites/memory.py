"""Ensures that an invite counts a person once, even if they leave and come back, with keyed marks."""

from sqlalchemy import Connection

from authsvc.db.queries import identities, invite_codes, invite_marks
from authsvc.sealing import LastingHash
from authsvc.services.knownby import KnownBy
from authsvc.values.people import User


class InviteMemory:
    """Remembers who came with an invite, for ``seconds`` after they came; 0 remembers nobody."""

    def __init__(self, hashes: LastingHash, seconds: int) -> None:
        self._hashes = hashes
        self._seconds = seconds

    def has_counted(self, connection: Connection, known_by: KnownBy, now: int) -> bool:
        """True if an invite has counted this person within that time, under a user that is no longer theirs."""
        return bool(self._seconds) and invite_marks.has_any(connection, known_by.any_marks(self._hashes), now)

    def note(self, connection: Connection, user_id: int, given_up: KnownBy, now: int) -> None:
        """Remember what identifies this user no longer, if an invite has counted them."""
        came_at = invite_codes.invited_at(connection, user_id) if self._seconds else None
        if came_at is not None and came_at + self._seconds > now:
            invite_marks.add(connection, given_up.marks(self._hashes), expires_at=came_at + self._seconds)

    def outlive(self, connection: Connection, user: User, now: int) -> None:
        """Remember a user whose rows are deleted in this transaction, if an invite has counted them."""
        known_by = KnownBy.of_user(user, identities.all_of_user(connection, user.id))
        self.note(connection, user.id, known_by, now)
