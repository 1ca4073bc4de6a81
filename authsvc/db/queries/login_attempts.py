"""Queries on logins with an Idempotency-Key."""

from dataclasses import dataclass

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement
from authsvc.values.invites import InviteStatus


@dataclass(frozen=True, slots=True)
class LoginAttempt:
    """An earlier login and its result; all fields are None while it is running."""

    identity_id: int | None
    session_id: str | None
    invite: InviteStatus | None


_DROP_OLD = Statement("DELETE FROM login_attempts WHERE started_at < :since")
_CLAIM = Statement("INSERT INTO login_attempts (login_hash, started_at) VALUES (:login_hash, :now)")
_FIND = Statement("SELECT identity_id, session_id, invite FROM login_attempts WHERE login_hash = :login_hash")
_FINISH = Statement(
    "UPDATE login_attempts SET identity_id = :identity_id, session_id = :session_id, invite = :invite"
    " WHERE login_hash = :login_hash"
)
_DELETE_OLD = Deletion("login_attempts", "started_at < :before")
_RELEASE = Statement("DELETE FROM login_attempts WHERE login_hash = :login_hash AND session_id IS NULL")


def claim(connection: Connection, login_hash: str, *, now: int, since: int) -> bool:
    """Claim this login for the caller; False if another request has claimed it since ``since``."""
    _DROP_OLD.run(connection, since=since)
    return _CLAIM.run_unless_taken(connection, login_hash=login_hash, now=now) is not None


def find(connection: Connection, login_hash: str) -> LoginAttempt | None:
    """Return what is known of this login."""
    row = _FIND.run(connection, login_hash=login_hash).first()
    return None if row is None else LoginAttempt(*row)


def finish(connection: Connection, login_hash: str, attempt: LoginAttempt) -> None:
    """Store the result of the login."""
    _FINISH.run(
        connection,
        login_hash=login_hash,
        identity_id=attempt.identity_id,
        session_id=attempt.session_id,
        invite=attempt.invite,
    )


def release(connection: Connection, login_hash: str) -> None:
    """Release a failed login, so that a repeat is carried out and gets its own answer."""
    _RELEASE.run(connection, login_hash=login_hash)


def delete_started(connection: Connection, before: int) -> int:
    """Delete some logins that began before that time; return how many, 0 if none is left."""
    return _DELETE_OLD.run(connection, before)
