"""Queries on audit events."""

from sqlalchemy import Connection

from authsvc.clock import DAY
from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement
from authsvc.values.operator import AuditEvent, of_app

# The limit per user, kind and day: nobody can fill the table, and a flood of one kind hides no other.
MOST_A_DAY = 100
_VALUES = (
    "INSERT INTO audit_events (at, event, user_id, subject, detail, request_id, operator)"
    " SELECT :now, :event, :user_id, :subject, :detail, :request_id, :operator"
)
_WITHIN = (
    " WHERE :user_id IS NULL OR (SELECT COUNT(*) FROM audit_events"
    f" WHERE user_id = :user_id AND at > :now - {DAY} AND event = :event) < {MOST_A_DAY}"
)
_INSERT = Statement(_VALUES + _WITHIN, mysql=f"{_VALUES} FROM DUAL{_WITHIN}")
_COLUMNS = "SELECT id, at, event, user_id, subject, detail, request_id, operator FROM audit_events"
_FIND = Statement(
    f"{_COLUMNS} WHERE at >= :since"
    " AND (:user_id IS NULL OR user_id = :user_id) AND (:subject IS NULL OR subject = :subject)"
    " AND (:event IS NULL OR event = :event) AND (:operator IS NULL OR operator = :operator)"
    " ORDER BY id DESC LIMIT :limit"
)
# "app " and an AppID.
_APP_CHARS = 22
# Events whose detail is "app wx…, Mozilla/5.0 …": the User-Agent comes last.
WITH_DEVICE = ("new_device", "scan_sign_in", "session_ended")
# Events that people see only in the mini program where they happened; the detail begins with "app wx…".
_OF_ONE_APP = (*WITH_DEVICE, "register", "link", "unlink", "second_identity", "logout_others", "refresh_reuse")
# Events of the account as a whole, which people see in all of their mini programs.
_OF_THE_ACCOUNT = (
    "phone_bound",
    "phone_unbound",
    "phone_forgotten",
    "logout_global",
    "merge",
    "unmerge",
    "close",
    "reopen",
    "enable",
)
_OF_PERSON = Statement(
    f"{_COLUMNS} WHERE user_id = :user_id AND at >= :since AND (:before IS NULL OR id < :before)"
    f" AND (event IN {_OF_THE_ACCOUNT}"
    f" OR (event IN {_OF_ONE_APP} AND SUBSTR(detail, 1, {_APP_CHARS}) = :app))"
    " ORDER BY id DESC LIMIT :limit"
)
# After an erasure, the event of a new device stays, but not the device.
_FORGET_DEVICES = Statement(
    f"UPDATE audit_events SET detail = SUBSTR(detail, 1, {_APP_CHARS})"
    f" WHERE user_id = :user_id AND event IN {WITH_DEVICE}"
)
_COUNT = Statement("SELECT COUNT(*) FROM audit_events WHERE user_id = :user_id")
_DELETE_OLD = Deletion("audit_events", "at < :before")


def insert(
    connection: Connection,
    event: str,
    user_id: int | None,
    *,
    subject: str,
    detail: str,
    request_id: str,
    operator: str,
    now: int,
) -> bool:
    """Store one event; False if its user already has MOST_A_DAY of that kind.

    ``subject`` is a keyed hash, ``detail`` holds no openid, phone or token.
    """
    values = {"event": event, "user_id": user_id, "subject": subject, "detail": detail, "request_id": request_id}
    return _INSERT.run(connection, now=now, operator=operator, **values).rowcount == 1


def find(
    connection: Connection,
    *,
    user_id: int | None = None,
    subject: str | None = None,
    event: str | None = None,
    operator: str | None = None,
    since: int = 0,
    limit: int,
) -> list[AuditEvent]:
    """Return the newest matching events, oldest first; ``None`` matches any."""
    values = {"user_id": user_id, "subject": subject, "event": event, "operator": operator}
    found = _FIND.run(connection, **values, since=since, limit=limit)
    return [AuditEvent(*row) for row in reversed(found.all())]


def count(connection: Connection, user_id: int) -> int:
    """Return how many events are about this user."""
    return int(_COUNT.run(connection, user_id=user_id).scalar())


def of_person(
    connection: Connection, user_id: int, appid: str, *, since: int, before: int | None, limit: int
) -> list[AuditEvent]:
    """Return a person's events for this app, newest first; with ``before``, those with a lower id."""
    found = _OF_PERSON.run(connection, user_id=user_id, app=of_app(appid), since=since, before=before, limit=limit)
    return [AuditEvent(*row) for row in found]


def shows_in(event: str, detail: str, appid: str) -> bool:
    """Tell whether a person may see an event in this app; events of another mini program only are not shown."""
    return event not in _OF_ONE_APP or detail[:_APP_CHARS] == of_app(appid)


def forget_devices(connection: Connection, user_id: int) -> None:
    """Remove the User-Agents of devices from the events of a user."""
    _FORGET_DEVICES.run(connection, user_id=user_id)


def delete_stored(connection: Connection, before: int) -> int:
    """Delete some events from before that time; return how many, 0 if none is left."""
    return _DELETE_OLD.run(connection, before)
