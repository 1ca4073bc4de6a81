"""Leaving: an account is closed at once, can be opened again for a while, and is erased after that."""

from dataclasses import replace

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db import personaldata, remnants
from authsvc.db.database import Database
from authsvc.db.queries import sessions, users
from authsvc.db.queries.identities import Identity
from authsvc.errors import AccountDisabled
from authsvc.services.accounts.bans import Bans
from authsvc.services.accounts.reach import refuse_partial
from authsvc.services.audit import AuditLog
from authsvc.services.invites.memory import InviteMemory
from authsvc.services.knownby import KnownBy
from authsvc.services.people.avatars import Avatars
from authsvc.services.qrcodes.codepictures import CodePictures
from authsvc.values.operator import of_app
from authsvc.values.sessions import Caller


class AccountClosing:
    """Closes, opens again and erases accounts. ``cooling_off`` in seconds."""

    def __init__(
        self,
        database: Database,
        avatars: Avatars,
        pictures: CodePictures,
        bans: Bans,
        invite_memory: InviteMemory,
        audit: AuditLog,
        clock: SystemClock,
        cooling_off: int,
    ) -> None:
        self._database = database
        self._avatars = avatars
        self._pictures = pictures
        self._bans = bans
        self._invite_memory = invite_memory
        self._audit = audit
        self._clock = clock
        self._cooling_off = cooling_off

    def close(self, caller: Caller) -> int:
        """Close the caller's account and end all its sessions; return when it will be erased (seconds UTC).

        Raises OtherMiniProgram where the person is in others, whose people the session does not manage; AddedWeChat.
        """
        now, user_id = self._clock.seconds(), caller.user.id

        def work(connection: Connection) -> None:
            refuse_partial(connection, caller)
            if not users.close(connection, user_id, now):
                raise AccountDisabled(f"user {user_id} is not active")
            sessions.end_all(connection, user_id, "closed", now)
            self._audit.record(connection, "close", user_id, now, of_app(caller.session.appid))

        self._database.run(work)
        return now + self._cooling_off

    def reopen(self, connection: Connection, known: Identity, now: int) -> Identity:
        """Open a closed account again if its cooling-off period is not over; return the identity as it is then.

        Who was added to the account does not bring it back.
        """
        if known.is_added or not users.reopen(connection, known.user.id, since=now - self._cooling_off, now=now):
            return known
        self._audit.record(connection, "reopen", known.user.id, now, of_app(known.appid))
        return replace(known, user=users.get(connection, known.user.id))

    def erase_due(self) -> int:
        """Erase every account whose cooling-off period is over; return how many."""
        before = self._clock.seconds() - self._cooling_off
        erased = 0
        while due := self._database.read(users.due_for_erasure, before):
            erased += sum(self._erase(user_id, "cooling-off over", closed_before=before) for user_id in due)
        return erased

    def erase(self, user_id: int, reason: str) -> bool:
        """Erase an account at once, whatever its status; False when there is none, or it was merged into another.

        Keyed marks stay of somebody disabled, so that they do not come back, and of whom an invite has counted.
        ``reason`` goes into the audit event. On SQLite, ``scrub`` takes care of what its file may still hold.
        """
        return self._erase(user_id, reason)

    def forget_phone(self, user_id: int, reason: str) -> bool:
        """Remove the user's number, verified or claimed; False when there was none."""
        now = self._clock.seconds()

        def work(connection: Connection) -> bool:
            user = users.lock(connection, user_id)
            if not users.forget_phone(connection, user_id, now):
                return False
            if user.phone is not None:
                self._bans.note(connection, user, KnownBy(phones=(user.phone,)), now)
            remnants.note(connection)
            self._audit.record(connection, "phone_forgotten", user_id, now, reason)
            return True

        forgotten = self._database.run(work)
        self._database.empty_log()
        return forgotten

    def scrub(self) -> None:
        """Leave no byte of anybody erased so far in the files of the database. Raises ServiceBusy."""
        self._database.scrub()

    def _erase(self, user_id: int, reason: str, closed_before: int | None = None) -> bool:
        """Close for good, then pictures, then rows: broken off anywhere, the next ``erase_due`` goes on with it.

        The pictures go before the rows: without these nobody would know whose they were.
        """
        now = self._clock.seconds()
        if not self._database.run(users.condemn, user_id, now, closed_before=closed_before):
            return False
        for same_id, address in self._database.read(users.same_person, user_id):
            self._avatars.delete(address)
            self._pictures.delete_of_user(same_id)

        def work(connection: Connection) -> bool:
            # Once more, for its lock: another purge may have come to the end before us.
            if not users.condemn(connection, user_id, now):
                return False
            self._audit.record(connection, "erase", user_id, now, reason)
            user = users.get(connection, user_id)
            self._invite_memory.outlive(connection, user, now)
            if user.status == "disabled":
                self._bans.outlive(connection, user, now)
            for same_id, _ in users.same_person(connection, user_id):
                personaldata.erase(connection, same_id, now)
            remnants.note(connection)
            return True

        erased = self._database.run(work)
        self._database.empty_log()
        return erased
