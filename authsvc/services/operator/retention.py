"""Deletes rows whose retention period is over."""

from collections.abc import Callable

from sqlalchemy import Connection

from authsvc.clock import DAY, HOUR, SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import (
    audit_events,
    ban_marks,
    code_pictures,
    decrypt_failures,
    invite_marks,
    login_attempts,
    merges,
    not_before_marks,
    operator_sessions,
    person_changes,
    push_receipts,
    scan_sign_ins,
    sessions,
    spent_tickets,
    webhook_deliveries,
    wechat_errors,
)
from authsvc.services.operator.operators import SESSION_SECONDS
from authsvc.services.operator.wechaterrors import KEPT_SECONDS
from authsvc.services.people.pushes import RECEIPT_SECONDS

_Delete = Callable[[Connection, int], int]

# The longest token lifetime of a contract is 30 days; until then its session can show that it was ended, and why.
# Time to find out why a webhook took nothing, and to send it again.
_DEAD_SECONDS = 30 * DAY
_SESSION_SECONDS = 31 * DAY
# Name, a function that deletes some rows older than a time, and how many seconds they are kept after their beginning or
# end, or 0 if the row itself has its expiry.
_KINDS: tuple[tuple[str, _Delete, int], ...] = (
    ("login attempts", login_attempts.delete_started, HOUR),  # longer than any LOGIN_RETRY_WINDOW
    ("used tickets", spent_tickets.delete_expired, 0),
    ("ended sessions", sessions.delete_ended, _SESSION_SECONDS),
    ("marks of users", not_before_marks.delete_old_marks, _SESSION_SECONDS),
    ("marks of bans", ban_marks.delete_expired, 0),
    ("marks of invites", invite_marks.delete_expired, 0),
    # WeChat has replaced the session_key long before. An earlier deletion would give a thief five more tries.
    ("decrypt failures", decrypt_failures.delete_last_failed, 31 * DAY),
    ("scan sign-ins", scan_sign_ins.delete_expired, scan_sign_ins.RUN_OUT_SECONDS),
    ("failures of codes", code_pictures.delete_failures, code_pictures.FAILURE_SECONDS),
    ("errors of WeChat", wechat_errors.delete_old, KEPT_SECONDS),
    ("sessions of operators", operator_sessions.delete_begun, SESSION_SECONDS),
    ("receipts of pushes", push_receipts.delete_received, RECEIPT_SECONDS),
)


class Retention:
    """Deletes rows whose time is over."""

    def __init__(
        self, database: Database, clock: SystemClock, audit_seconds: int, change_seconds: int, merge_seconds: int
    ) -> None:
        """How long audit events, changes of people, and what undoes a merge are kept."""
        self._database = database
        self._clock = clock
        self._kinds = (
            *_KINDS,
            ("changes of people", person_changes.delete_old, change_seconds),
            ("merges to undo", merges.delete_old, merge_seconds),
            ("dead messages", webhook_deliveries.delete_dead, _DEAD_SECONDS),
            ("audit events", audit_events.delete_stored, audit_seconds),
        )

    def purge(self) -> dict[str, int]:
        """Delete the old rows of every kind; return how many rows of each kind."""
        now = self._clock.seconds()
        return {name: self._delete(delete, now - seconds) for name, delete, seconds in self._kinds}

    def _delete(self, delete: _Delete, before: int) -> int:
        """Delete in separate transactions, so that logins run in between."""
        deleted = 0
        while count := self._database.run(delete, before):
            deleted += count
        return deleted
