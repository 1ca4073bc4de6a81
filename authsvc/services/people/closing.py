"""Leaving: an account is closed immediately, can be reopened for a while, and is then erased."""

from dataclasses import replace

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db import personaldata, remnants
from authsvc.db.database import Database
from authsvc.db.queries import merges, sessions, users
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
    """Closes, reopens and erases accounts. ``cooling_off`` in seconds."""

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

        Raises OtherMiniProgram if the user has identities that the session does not manage; AddedWeChat.
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
        """Reopen a closed account if its cooling-off period is not over; return the identity as it is then.

        An added WeChat account cannot reopen it.
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

    def erase(self, user_id: int, reason: str, by: str = "") -> bool:
        """Erase an account immediately, whatever its status; False if there is none, or it was merged into another.

        Keyed marks of a disabled person stay, so that they cannot come back, and of a person whom an invite has
        counted. ``reason`` goes into the audit event, with the operator (``by``), if one did it in the console. On
        SQLite, ``scrub`` removes what its file may still contain.
        """
        return self._erase(user_id, reason, by=by)

    def forget_phone(self, user_id: int, reason: str) -> bool:
        """Remove the user's number, verified or claimed; False if there was none."""
        now = self._clock.seconds()

        def work(connection: Connection) -> bool:
            user = users.lock(connection, user_id)
            merges.forget_phone(connection, user_id)
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
        """Remove every byte of erased people from the files of the database. Raises ServiceBusy."""
        self._database.scrub()

    def _erase(self, user_id: int, reason: str, closed_before: int | None = None, by: str = "") -> bool:
        """Close irrevocably, then delete pictures, then rows. If interrupted, the next ``erase_due`` continues.

        The pictures are deleted before the rows, because only the rows show whose they are.
        """
        now = self._clock.seconds()
        if not self._database.run(users.condemn, user_id, now, closed_before=closed_before):
            return False
        for same_id, address in self._database.read(users.same_person, user_id):
            self._avatars.delete(address)
            self._pictures.delete_of_user(same_id)

        def work(connection: Connection) -> bool:
            # Read again for its lock, because another purge may have finished before us.
            if not users.condemn(connection, user_id, now):
                return False
            self._audit.record(connection, "erase", user_id, now, reason, operator=by)
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
