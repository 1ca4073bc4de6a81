"""What an invite code does at a login, and who may register.

First touch counts: the first good code that a user brings, with the login that makes them or with a later one, says
for good how they came. All of it runs inside the login's transaction, with the user's row locked, so a login that is
refused uses nothing up; a lost race raises Restart.
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
        """Raise RegistrationClosed when nobody may register, whatever they bring."""
        if self._registration == "closed":
            raise RegistrationClosed

    def refuse_uninvited(self, connection: Connection, code: str | None, now: int) -> None:
        """Raise InviteRequired or one of its kinds where it takes a good code to register, and this is none."""
        if self._registration == "invite_only":
            status = None if code is None else _fault(_find(connection, code), now)
            if code is None or status is not None:
                raise _REFUSALS[status]

    def welcome(
        self, connection: Connection, newcomer: User, known_by: KnownBy, code: str | None, now: int
    ) -> InviteStatus | None:
        """Apply the code that a user made just now came with, if any, and say what became of it.

        Whoever has left and is back within the time that is remembered is let in by a good code, which does not count
        them again. Raises InviteRequired or one of its kinds where only a good code lets people register.
        """
        status = self._apply(connection, newcomer, known_by, code, now, is_new=True)
        if self._registration == "invite_only" and status not in ("accepted", "already_invited"):
            raise _REFUSALS[status]
        return status

    def apply(
        self, connection: Connection, user: User, known_by: KnownBy, code: str | None, now: int
    ) -> InviteStatus | None:
        """Apply the code that a known user came with, if any, and say what became of it."""
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
        """Return why this user does not count as one who came with this code, if there is a reason."""
        if found.owner_id == user.id:
            return "own_code"
        if not is_new and invite_codes.invited_at(connection, user.id) is not None:
            return "already_invited"
        if fault := found.fault(now):
            return fault
        if self._has_counted(connection, user, known_by, now):
            return "already_invited"
        return "loop" if not is_new and _came_through(connection, found.owner_id, user.id) else None

    def _has_counted(self, connection: Connection, user: User, known_by: KnownBy, now: int) -> bool:
        """True for somebody whom an invite has counted before, by what they come with now or by what else they have."""
        if self._memory.has_counted(connection, known_by, now):
            return True
        theirs = KnownBy.of_user(user, identities.all_of_user(connection, user.id))
        return self._memory.has_counted(connection, theirs, now)


def _find(connection: Connection, code: str) -> InviteCode | None:
    return invite_codes.find(connection, code) if spelling.PATTERN.match(code) else None


def _fault(found: InviteCode | None, now: int) -> InviteStatus | None:
    return "unknown" if found is None else found.fault(now)


def hand_over(connection: Connection, loser_id: int, winner_id: int) -> None:
    """Give the codes of a user who is merged into another to that one, and everybody who came through them.

    How the winner came stays, but for through the loser; a winner who came with no code takes over how the loser came,
    but for through the winner. Both are locked by the caller.
    """
    # First, as it waits for whoever comes with one of these codes at this moment.
    invite_codes.move_codes(connection, loser_id, into=winner_id)
    if _came_through(connection, winner_id, loser_id):
        invite_codes.set_inviter(connection, winner_id, None)
    inviter_id = invite_codes.lock_inviter(connection, loser_id)
    if invite_codes.invited_at(connection, winner_id) is None and not _came_through(connection, inviter_id, winner_id):
        invite_codes.move_use(connection, loser_id, into=winner_id)
        invite_codes.set_inviter(connection, winner_id, inviter_id)
    invite_codes.forget_guest(connection, loser_id)
    invite_codes.set_inviter(connection, loser_id, None)
    invite_codes.move_guests(connection, loser_id, into=winner_id)


def _came_through(connection: Connection, person: int | None, user_id: int) -> bool:
    """True when ``person`` came through the user, directly or over others.

    Everybody on the way is locked: two people who use each other's codes at one moment would see no loop otherwise.
    """
    while person is not None and person != user_id:
        person = invite_codes.lock_inviter(connection, person)
    return person is not None
