"""What is kept for a while only: rows that served their purpose go."""

from collections.abc import Callable

from sqlalchemy import Connection

from authsvc.clock import SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import (
    audit_events,
    ban_marks,
    code_pictures,
    decrypt_failures,
    invite_marks,
    login_attempts,
    not_before_marks,
    push_receipts,
    scan_sign_ins,
    sessions,
    spent_tickets,
)
from authsvc.services.people.pushes import RECEIPT_SECONDS

# Longer than any LOGIN_RETRY_WINDOW.
_ATTEMPT_SECONDS = 3600
# The longest-lived token of a contract lives 30 days: until then its session can tell that it was ended, and why.
_SESSION_SECONDS = 31 * 86400
# WeChat has replaced the session_key long before; counting anew would give a thief five more tries.
_FAILURE_SECONDS = 31 * 86400

_Delete = Callable[[Connection, int], int]


class Retention:
    """Deletes what has been kept long enough."""

    def __init__(self, database: Database, clock: SystemClock, audit_seconds: int) -> None:
        """``audit_seconds`` is how long audit events are kept."""
        self._database = database
        self._clock = clock
        self._audit_seconds = audit_seconds

    def purge(self) -> dict[str, int]:
        """Delete what is old of every kind that does not stay; return how many rows of each kind."""
        now = self._clock.seconds()
        return {
            "login attempts": self._delete(login_attempts.delete_started, now - _ATTEMPT_SECONDS),
            "used tickets": self._delete(spent_tickets.delete_expired, now),
            "ended sessions": self._delete(sessions.delete_ended, now - _SESSION_SECONDS),
            "marks of users": self._delete(not_before_marks.delete_old_marks, now - _SESSION_SECONDS),
            "marks of bans": self._delete(ban_marks.delete_expired, now),
            "marks of invites": self._delete(invite_marks.delete_expired, now),
            "decrypt failures": self._delete(decrypt_failures.delete_last_failed, now - _FAILURE_SECONDS),
            "scan sign-ins": self._delete(scan_sign_ins.delete_expired, now - scan_sign_ins.RUN_OUT_SECONDS),
            "failures of codes": self._delete(code_pictures.delete_failures, now - code_pictures.FAILURE_SECONDS),
            "receipts of pushes": self._delete(push_receipts.delete_received, now - RECEIPT_SECONDS),
            "audit events": self._delete(audit_events.delete_stored, now - self._audit_seconds),
        }

    def _delete(self, delete: _Delete, before: int) -> int:
        """Delete in transactions of their own, so that logins get in between."""
        deleted = 0
        while count := self._database.run(delete, before):
            deleted += count
        return deleted
