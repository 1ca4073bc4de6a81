"""What an invite code does at a login, and who may register.

First touch counts: the first good code that a user brings, with the login that makes them or with a later one, says
for good how they came. All of it runs inside the login's transaction, with the user's row locked, so a login that is
refused uses nothing up; a lost race raises Restart.
"""

from collections.abc import Mapping

from sqlalchemy import Connection

from authsvc.db import invites
from authsvc.db.database import Restart
from authsvc.errors import (
    InviteDisabled,
    InviteExpired,
    InviteRequired,
    InviteUnknown,
    InviteUsedUp,
    RegistrationClosed,
)
from authsvc.services import invitecodes
from authsvc.types import InviteStatus, Registration, User

_REFUSALS: Mapping[InviteStatus | None, type[InviteRequired]] = {
    None: InviteRequired,
    "unknown": InviteUnknown,
    "disabled": InviteDisabled,
    "expired": InviteExpired,
    "used_up": InviteUsedUp,
}


class InviteRules:
    """Applies invite codes under a ``registration`` mode."""

    def __init__(self, registration: Registration) -> None:
        self._registration = registration

    def refuse_newcomers(self) -> None:
        """Raise RegistrationClosed when nobody may register, whatever they bring."""
        if self._registration == "closed":
            raise RegistrationClosed

    def welcome(self, connection: Connection, newcomer: User, code: str | None, now: int) -> InviteStatus | None:
        """Apply the code that a user made just now came with, if any, and say what became of it.

        Raises InviteRequired or one of its kinds where only a good code lets people register.
        """
        status = self._apply(connection, newcomer, code, now, is_new=True)
        if self._registration == "invite_only" and status != "accepted":
            raise _REFUSALS[status]
        return status

    def apply(self, connection: Connection, user: User, code: str | None, now: int) -> InviteStatus | None:
        """Apply the code that a known user came with, if any, and say what became of it."""
        return self._apply(connection, user, code, now, is_new=False)

    def _apply(
        self, connection: Connection, user: User, code: str | None, now: int, *, is_new: bool
    ) -> InviteStatus | None:
        if code is None:
            return None
        found = invites.find(connection, code) if invitecodes.PATTERN.match(code) else None
        if found is None:
            return "unknown"
        if found.owner_id == user.id:
            return "own_code"
        if not is_new and invites.invited_at(connection, user.id) is not None:
            return "already_invited"
        if fault := found.fault(now):
            return fault
        if not is_new and _came_through(connection, found.owner_id, user.id):
            return "loop"
        if not invites.use(connection, found, user.id, now):
            raise Restart
        return "accepted"


def hand_over(connection: Connection, loser_id: int, winner_id: int) -> None:
    """Give the codes of a user who is merged into another to that one, and everybody who came through them.

    How the winner came stays, but for through the loser; a winner who came with no code takes over how the loser came,
    but for through the winner. Both are locked by the caller.
    """
    # First, as it waits for whoever comes with one of these codes at this moment.
    invites.move_codes(connection, loser_id, into=winner_id)
    if _came_through(connection, winner_id, loser_id):
        invites.set_inviter(connection, winner_id, None)
    inviter_id = invites.lock_inviter(connection, loser_id)
    if invites.invited_at(connection, winner_id) is None and not _came_through(connection, inviter_id, winner_id):
        invites.move_use(connection, loser_id, into=winner_id)
        invites.set_inviter(connection, winner_id, inviter_id)
    invites.forget_guest(connection, loser_id)
    invites.set_inviter(connection, loser_id, None)
    invites.move_guests(connection, loser_id, into=winner_id)


def _came_through(connection: Connection, person: int | None, user_id: int) -> bool:
    """True when ``person`` came through the user, directly or over others.

    Everybody on the way is locked: two people who use each other's codes at one moment would see no loop otherwise.
    """
    while person is not None and person != user_id:
        person = invites.lock_inviter(connection, person)
    return person is not None
