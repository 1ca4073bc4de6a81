"""Merging two users on an operator's word, who sees first what it would do, and may undo it for a while."""

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database, Restart
from authsvc.db.queries import code_pictures, identities, invite_codes, merges, sessions, users
from authsvc.services import numbers
from authsvc.services.accounts.bans import Bans
from authsvc.services.accounts.merging import merge
from authsvc.services.audit import AuditLog
from authsvc.services.invites.rules import came_through
from authsvc.services.knownby import KnownBy
from authsvc.services.operator.users import Users
from authsvc.values.operator import REASON, REASON_CHARACTERS, Fate, MergePreview, Refused, UserRefused, UserSummary
from authsvc.values.people import User


class Merges:
    """Previews merges, merges, and undoes merges. Every change has an audit event with the reason."""

    def __init__(
        self,
        database: Database,
        users: Users,
        bans: Bans,
        audit: AuditLog,
        clock: SystemClock,
        undo_seconds: int = 0,
    ) -> None:
        """For ``undo_seconds``, a merge can be undone."""
        self._database = database
        self._users = users
        self._bans = bans
        self._audit = audit
        self._clock = clock
        self.undo_seconds = undo_seconds

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
            inviters = tuple(invite_codes.inviter(connection, user.id) for user in (loser, winner))
            parts = merges.collect(connection, loser.id, into=winner.id)
            merge(connection, self._audit, loser, winner, now, reason=reason, operator=by)
            if winner.phone is None and loser.phone is not None:
                users.set_phone(connection, winner.id, loser.phone, now)
                self._audit.record(connection, "phone_bound", winner.id, now, f"of user {loser.id}", operator=by)
            elif loser.phone is not None:
                self._bans.note(connection, winner, KnownBy(phones=(loser.phone,)), now)
            if self.undo_seconds:
                done = merges.Merge(
                    user_id=loser.id,
                    into_id=winner.id,
                    merged_at=now,
                    phone=loser.phone,
                    claimed_phone=loser.claimed_phone,
                    gave_phone=winner.phone is None and loser.phone is not None,
                    inviter_id=inviters[0],
                    into_inviter_id=inviters[1],
                    new_inviter_id=invite_codes.inviter(connection, winner.id),
                    parts=parts,
                )
                merges.insert(connection, done)

        self._database.run(work)

    def undo(self, loser_id: int, reason: str, by: str = "") -> int:
        """Split a merged user off again, with what they had; return the other one, whose sessions all end.

        Raises Refused if no merge is kept, its time is over, or something was built on it.
        """
        now, reason = self._clock.seconds(), _checked(reason)
        self._users.get(loser_id)

        def work(connection: Connection) -> int:
            done = merges.find(connection, loser_id)
            if done is None or done.merged_at <= now - self.undo_seconds:
                raise UserRefused("nothing_to_undo", f"there is no merge of user {loser_id} that can still be undone")
            loser, winner = _lock_both(connection, loser_id, done.into_id)
            # Again, because somebody may have undone it meanwhile.
            if merges.find(connection, loser_id) != done:
                raise Restart
            if obstacle := _built_on(connection, done, winner):
                raise UserRefused("built_on", obstacle)
            self._split(connection, done, winner, now)
            # The identities of the two were one person's: whoever is signed in may be either.
            users.end_everything(connection, winner.id, now)
            sessions.end_all(connection, winner.id, "unmerged", now)
            merges.delete(connection, loser_id)
            self._tell(connection, done, loser, reason, by, now)
            return winner.id

        return self._database.run(work)

    def _split(self, connection: Connection, done: merges.Merge, winner: User, now: int) -> None:
        merges.take_apart(connection, done)
        if invite_codes.inviter(connection, winner.id) == done.new_inviter_id != done.into_inviter_id:
            inviter = _still_possible(connection, done.into_inviter_id, winner.id)
            invite_codes.set_inviter(connection, winner.id, inviter)
        inviter = _still_possible(connection, done.inviter_id, done.user_id)
        claimed = _still_claimed(connection, done.claimed_phone)
        if not merges.revive(connection, done, claimed_phone=claimed, inviter_id=inviter, now=now):
            raise UserRefused("built_on", f"user {done.user_id} is no longer merged into user {winner.id}")
        if done.gave_phone:
            users.clear_phone(connection, winner.id, now)
        if done.phone is not None:
            if not users.set_phone(connection, done.user_id, done.phone, now):
                raise Restart
            if not done.gave_phone:
                self._bans.take_back(connection, winner.id, KnownBy(phones=(done.phone,)))

    def _tell(self, connection: Connection, done: merges.Merge, loser: User, reason: str, by: str, now: int) -> None:
        """Write down the change, for both users."""
        winner_id = done.into_id
        self._audit.tell(connection, "person.unmerged", loser.id, now, into_id=winner_id)
        self._audit.tell(connection, "sessions.ended", winner_id, now)
        self._audit.record(connection, "unmerge", winner_id, now, f"split off user {loser.id}: {reason}", operator=by)
        self._audit.record(connection, "unmerge", loser.id, now, f"of user {winner_id}: {reason}", operator=by)
        if done.gave_phone:
            self._audit.record(connection, "phone_unbound", winner_id, now, f"to user {loser.id}", operator=by)
        if done.phone is not None:
            self._audit.record(connection, "phone_bound", loser.id, now, f"of user {winner_id}", operator=by)

    def _both(self, loser_id: int, winner_id: int) -> tuple[UserSummary, UserSummary]:
        if loser_id == winner_id:
            raise UserRefused("same_user", "both ids are the same user")
        return self._users.get(loser_id), self._users.get(winner_id)


def _lock_both(connection: Connection, loser_id: int, winner_id: int) -> tuple[User, User]:
    """Lock both in the order of ids, so that two operators at once do not deadlock."""
    first, second = (users.lock(connection, user_id) for user_id in sorted((loser_id, winner_id)))
    return (first, second) if first.id == loser_id else (second, first)


def _built_on(connection: Connection, done: merges.Merge, winner: User) -> str | None:
    """Return what was built on the merge since, or None. Both users are locked."""
    if winner.status != "active":
        return f"user {winner.id} is {winner.status}"
    theirs = {str(link.id) for link in identities.links(connection, winner.id)}
    if theirs != {*done.parts.get("identity", ()), *done.parts.get("kept", ())}:
        return f"user {winner.id} has linked or unlinked a WeChat, or was merged with another user"
    if done.gave_phone and (done.phone is None or winner.phone != done.phone):
        return f"user {winner.id} has changed the phone number"
    if done.phone is not None and not done.gave_phone and users.has_owner(connection, done.phone):
        return f"the phone number of user {done.user_id} is somebody's again"
    if merges.has_new_roles(connection, done):
        return f"a service has set roles of user {winner.id}"
    return None


def _still_possible(connection: Connection, inviter: int | None, user_id: int) -> int | None:
    """Return the inviter of before, unless they are gone or have come through the user meanwhile."""
    if inviter is None or not merges.is_user(connection, inviter) or came_through(connection, inviter, user_id):
        return None
    return inviter


def _still_claimed(connection: Connection, claimed: str | None) -> str | None:
    """Return the number that the user only typed in, unless somebody has verified it meanwhile."""
    phone = None if claimed is None else numbers.typed(claimed)
    return None if phone is None or users.has_owner(connection, phone) else claimed


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
