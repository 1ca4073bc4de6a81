"""Merges two users who turn out to be one person."""

from sqlalchemy import Connection

from authsvc.db.queries import ban_marks, code_pictures, identities, invite_codes, person_roles, sessions, users
from authsvc.services.audit import AuditLog
from authsvc.services.invites.rules import hand_over
from authsvc.values.people import User


def is_bare(connection: Connection, user: User) -> bool:
    """True if the user has only one identity, no verified phone and no invites."""
    if user.phone is not None or len(identities.links(connection, user.id)) > 1:
        return False
    return not invite_codes.has_invites(connection, user.id)


def merge(
    connection: Connection,
    audit: AuditLog,
    loser: User,
    winner: User,
    now: int,
    *,
    reason: str = "",
    operator: str = "",
) -> None:
    """Move the identities and invites of the loser to the winner, close the loser, and end its sessions.

    ``reason`` is an operator's. ``operator`` did it, if it was neither the person nor the command line.
    """
    identities.move_all(connection, loser.id, into=winner.id)
    hand_over(connection, loser.id, winner.id)
    code_pictures.move_all(connection, loser.id, into=winner.id)
    person_roles.move_all(connection, loser.id, into=winner.id)
    ban_marks.move_all(connection, loser.id, into=winner.id)
    sessions.end_all(connection, loser.id, "merged", now)
    users.merge(connection, loser.id, into=winner.id, now=now)
    audit.tell(connection, "person.merged", loser.id, now, into_id=winner.id)
    detail = f"merged user {loser.id}: {reason}" if reason else f"merged user {loser.id}"
    audit.record(connection, "merge", winner.id, now, detail, operator=operator)
