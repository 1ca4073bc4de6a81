"""Two users who turn out to be one person."""

from sqlalchemy import Connection

from authsvc.db import codepictures, identities, sessions, users
from authsvc.services.audit import AuditLog
from authsvc.types import User


def is_bare(connection: Connection, user: User) -> bool:
    """True when nothing but one identity speaks for the user: no verified phone, no other identities."""
    return user.phone is None and len(identities.links(connection, user.id)) <= 1


def merge(connection: Connection, audit: AuditLog, loser: User, winner: User, now: int) -> None:
    """Give the loser's identities to the winner and close the loser; their sessions end."""
    identities.move_all(connection, loser.id, into=winner.id)
    codepictures.move_all(connection, loser.id, into=winner.id)
    sessions.end_all(connection, loser.id, "merged", now)
    users.merge(connection, loser.id, into=winner.id, now=now)
    audit.record(connection, "merge", winner.id, now, f"merged user {loser.id}")
