"""Merging two users on an operator's word, who sees first what it would do."""

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import code_pictures, identities, invite_codes, sessions, users
from authsvc.services.accounts.bans import Bans
from authsvc.services.accounts.merging import merge
from authsvc.services.audit import AuditLog
from authsvc.services.knownby import KnownBy
from authsvc.services.operator.users import Users
from authsvc.values.operator import REASON, REASON_CHARACTERS, Fate, MergePreview, Refused, UserRefused, UserSummary
from authsvc.values.people import User


class Merges:
    """Previews merges, and merges. Every change has an audit event with the reason."""

    def __init__(self, database: Database, users: Users, bans: Bans, audit: AuditLog, clock: SystemClock) -> None:
        self._database = database
        self._users = users
        self._bans = bans
        self._audit = audit
        self._clock = clock

    def preview(self, loser_id: int, winner_id: int) -> MergePreview:
        """Return what a merge would do now, and change nothing. Raises what ``merge`` would raise."""
        now = self._clock.seconds()
        loser, winner = self._both(loser_id, winner_id)
        for user in (loser, winner):
            _refuse_inactive(user)

        def look(connection: Connection) -> MergePreview:
            return MergePreview(
                loser_id=loser_id,
                winner_id=winner_id,
                identities=tuple(identities.links(connection, loser_id)),
                phone=_fate(loser.phone is not None, winner.phone is None),
                invite=_fate_of_invite(connection, loser_id, winner_id),
                invite_codes=invite_codes.count_codes(connection, loser_id),
                guests=invite_codes.count_guests(connection, loser_id),
                code_pictures=code_pictures.count_of_user(connection, loser_id),
                merged_ids=tuple(found for found, _ in users.same_person(connection, loser_id) if found != loser_id),
                live_sessions=len(sessions.live_of_user(connection, loser_id, now)),
            )

        return self._database.read(look)

    def merge(self, loser_id: int, winner_id: int, reason: str, by: str = "") -> None:
        """Merge two active users: identities, invites, and a phone that the winner lacks are moved; the loser is
        closed.

        ``reason`` goes into the audit event. ``by`` is the operator who does it; empty for the command line. Raises
        Refused unless both are active.
        """
        now, reason = self._clock.seconds(), _checked(reason)
        self._both(loser_id, winner_id)

        def work(connection: Connection) -> None:
            loser, winner = _lock_both(connection, loser_id, winner_id)
            for user in (loser, winner):
                _refuse_inactive(user)
            merge(connection, self._audit, loser, winner, now, reason=reason, operator=by)
            if winner.phone is None and loser.phone is not None:
                users.set_phone(connection, winner.id, loser.phone, now)
                self._audit.record(connection, "phone_bound", winner.id, now, f"of user {loser.id}", operator=by)
            elif loser.phone is not None:
                self._bans.note(connection, winner, KnownBy(phones=(loser.phone,)), now)

        self._database.run(work)

    def _both(self, loser_id: int, winner_id: int) -> tuple[UserSummary, UserSummary]:
        if loser_id == winner_id:
            raise UserRefused("same_user", "both ids are the same user")
        return self._users.get(loser_id), self._users.get(winner_id)


def _lock_both(connection: Connection, loser_id: int, winner_id: int) -> tuple[User, User]:
    """Lock both in the order of ids, so that two operators at once do not deadlock."""
    first, second = (users.lock(connection, user_id) for user_id in sorted((loser_id, winner_id)))
    return (first, second) if first.id == loser_id else (second, first)


def _refuse_inactive(user: User | UserSummary) -> None:
    if user.status != "active":
        raise UserRefused("not_active", f"user {user.id} is {user.status}")


def _checked(reason: str) -> str:
    """Return the reason without blanks at its ends. Raises Refused unless it is one short line."""
    reason = reason.strip()
    if len(reason) > REASON_CHARACTERS or not REASON.match(reason):
        raise Refused(f"say why, in one line of up to {REASON_CHARACTERS} characters")
    return reason


def _fate(has: bool, is_wanted: bool) -> Fate:
    if not has:
        return "none"
    return "moves" if is_wanted else "lost"


def _fate_of_invite(connection: Connection, loser_id: int, winner_id: int) -> Fate:
    """Tell what becomes of how the loser came, by the rules of ``hand_over``."""
    inviter = invite_codes.inviter(connection, loser_id)
    while inviter is not None and inviter != winner_id:
        inviter = invite_codes.inviter(connection, inviter)
    is_wanted = inviter is None and invite_codes.invited_at(connection, winner_id) is None
    return _fate(invite_codes.invited_at(connection, loser_id) is not None, is_wanted)
