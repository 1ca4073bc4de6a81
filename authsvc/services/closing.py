"""Leaving: an account is closed at once, can be opened again for a while, and is erased after that."""

from dataclasses import replace

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db import identities, invites, sessions, users
from authsvc.db.database import Database
from authsvc.db.identities import Identity
from authsvc.errors import AccountDisabled
from authsvc.services.audit import AuditLog
from authsvc.services.avatars import Avatars
from authsvc.services.qrcodes import QrCodes
from authsvc.types import Caller


class AccountClosing:
    """Closes, opens again and erases accounts. ``cooling_off`` in seconds."""

    def __init__(
        self,
        database: Database,
        avatars: Avatars,
        qrcodes: QrCodes,
        audit: AuditLog,
        clock: SystemClock,
        cooling_off: int,
    ) -> None:
        self._database = database
        self._avatars = avatars
        self._qrcodes = qrcodes
        self._audit = audit
        self._clock = clock
        self._cooling_off = cooling_off

    def close(self, caller: Caller) -> int:
        """Close the caller's account and end all its sessions; return when it will be erased (seconds UTC)."""
        now, user_id = self._now(), caller.user.id

        def work(connection: Connection) -> None:
            if not users.close(connection, user_id, now):
                raise AccountDisabled(f"user {user_id} is not active")
            sessions.end_all(connection, user_id, "closed", now)
            self._audit.record(connection, "close", user_id, now)

        self._database.run(work)
        return now + self._cooling_off

    def reopen(self, connection: Connection, known: Identity, now: int) -> Identity:
        """Open a closed account again if its cooling-off period is not over; return the identity as it is then."""
        if not users.reopen(connection, known.user.id, since=now - self._cooling_off, now=now):
            return known
        self._audit.record(connection, "reopen", known.user.id, now)
        return replace(known, user=users.get(connection, known.user.id))

    def erase_due(self) -> int:
        """Erase every account whose cooling-off period is over; return how many."""
        before = self._now() - self._cooling_off
        erased = 0
        while due := self._database.read(lambda connection: users.due_for_erasure(connection, before)):
            for user_id, avatar_url in due:
                self._erase(user_id, avatar_url)
            erased += len(due)
        return erased

    def _erase(self, user_id: int, avatar_url: str | None) -> None:
        """The pictures first: without their rows nobody would know whose they were."""
        self._avatars.delete(avatar_url)
        self._qrcodes.delete_of_user(user_id)
        now = self._now()

        def work(connection: Connection) -> None:
            sessions.delete_of_user(connection, user_id)
            identities.delete_all(connection, user_id)
            invites.forget_user(connection, user_id, now)
            users.delete(connection, user_id)
            self._audit.record(connection, "erase", None, now, f"user {user_id}")

        self._database.run(work)

    def _now(self) -> int:
        return int(self._clock.now())
