"""The effect of an invite code at a login, and who may register.

The first valid code that a user brings counts, at the login that creates the user or at a later one. Everything runs
inside the login's transaction, with the user's row locked, so a refused login uses up no code; a lost race raises
Restart.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from authsvc.db.database import Restart
from authsvc.db.queries import identities, invite_codes
from authsvc.errors import (
    InviteDisabled,
    InviteExpired,
    InviteRequired,
    InviteUnknown,
    InviteUsedUp,
    RegistrationClosed,
)
from authsvc.services.invites import spelling
from authsvc.services.invites.memory import InviteMemory
from authsvc.services.knownby import KnownBy
from authsvc.values.invites import InviteCode, InviteStatus, Registration
from authsvc.values.people import User

_REFUSALS: Mapping[InviteStatus | None, type[InviteRequired]] = {
    None: InviteRequired,
    "unknown": InviteUnknown,
    "disabled": InviteDisabled,
    "expired": InviteExpired,
    "used_up": InviteUsedUp,
}


class InviteRules:
    """Applies invite codes under a ``registration`` mode."""

    def __init__(self, registration: Registration, memory: InviteMemory) -> None:
        self._registration = registration
        self._memory = memory

    def refuse_newcomers(self) -> None:
        """Raise RegistrationClosed if nobody may register, with any code."""
        if self._registration == "closed":
            raise RegistrationClosed

    def refuse_uninvited(self, connection: Connection, code: str | None, now: int) -> None:
        """Raise InviteRequired or one of its kinds if registering takes a valid code, and this is not one."""
        if self._registration == "invite_only":
            status = None if code is None else _fault(_find(connection, code), now)
            if code is None or status is not None:
                raise _REFUSALS[status]

    def welcome(
        self, connection: Connection, newcomer: User, known_by: KnownBy, code: str | None, now: int
    ) -> InviteStatus | None:
        """Apply the code of a new user, if any, and return the result.

        A person who left and is back within the remembered time may register with a valid code, which does not count
        them again. Raises InviteRequired or one of its kinds if registering takes a valid code.
        """
        status = self._apply(connection, newcomer, known_by, code, now, is_new=True)
        if self._registration == "invite_only" and status not in ("accepted", "already_invited"):
            raise _REFUSALS[status]
        return status

    def apply(
        self, connection: Connection, user: User, known_by: KnownBy, code: str | None, now: int
    ) -> InviteStatus | None:
        """Apply the code of a known user, if any, and return the result."""
        return self._apply(connection, user, known_by, code, now, is_new=False)

    def _apply(
        self, connection: Connection, user: User, known_by: KnownBy, code: str | None, now: int, *, is_new: bool
    ) -> InviteStatus | None:
        if code is None:
            return None
        found = _find(connection, code)
        if found is None:
            return "unknown"
        if obstacle := self._obstacle(connection, user, known_by, found, now, is_new=is_new):
            return obstacle
        if not invite_codes.use(connection, found, user.id, now):
            raise Restart
        return "accepted"

    def _obstacle(
        self, connection: Connection, user: User, known_by: KnownBy, found: InviteCode, now: int, *, is_new: bool
    ) -> InviteStatus | None:
        """Return why this code does not count for the user, or None."""
        if found.owner_id == user.id:
            return "own_code"
        if not is_new and invite_codes.invited_at(connection, user.id) is not None:
            return "already_invited"
        if fault := found.fault(now):
            return fault
        if self._has_counted(connection, user, known_by, now):
            return "already_invited"
        return "loop" if not is_new and came_through(connection, found.owner_id, user.id) else None

    def _has_counted(self, connection: Connection, user: User, known_by: KnownBy, now: int) -> bool:
        """True for a person whom an invite has counted before, by this login's identification or the user's others."""
        if self._memory.has_counted(connection, known_by, now):
            return True
        theirs = KnownBy.of_user(user, identities.all_of_user(connection, user.id))
        return self._memory.has_counted(connection, theirs, now)


def _find(connection: Connection, code: str) -> InviteCode | None:
    return invite_codes.find(connection, code) if spelling.PATTERN.match(code) else None


def _fault(found: InviteCode | None, now: int) -> InviteStatus | None:
    return "unknown" if found is None else found.fault(now)


def hand_over(connection: Connection, loser_id: int, winner_id: int) -> None:
    """Move the codes of a merged user to the winner, and everybody who came through them.

    The winner's inviter stays, unless it is the loser. A winner who came with no code takes over the loser's inviter,
    unless that is the winner. The caller has locked both.
    """
    # First, because it waits for people who are just coming with one of these codes.
    invite_codes.move_codes(connection, loser_id, into=winner_id)
    if came_through(connection, winner_id, loser_id):
        invite_codes.set_inviter(connection, winner_id, None)
    inviter_id = invite_codes.lock_inviter(connection, loser_id)
    if invite_codes.invited_at(connection, winner_id) is None and not came_through(connection, inviter_id, winner_id):
        invite_codes.move_use(connection, loser_id, into=winner_id)
        invite_codes.set_inviter(connection, winner_id, inviter_id)
    invite_codes.forget_guest(connection, loser_id)
    invite_codes.set_inviter(connection, loser_id, None)
    invite_codes.move_guests(connection, loser_id, into=winner_id)


def came_through(connection: Connection, person: int | None, user_id: int) -> bool:
    """True if ``person`` came through the user, directly or through others.

    Everybody in the chain is locked; otherwise two people who use each other's codes at once would see no loop.
    """
    while person is not None and person != user_id:
        person = invite_codes.lock_inviter(connection, person)
    return person is not None
