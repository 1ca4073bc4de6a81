"""Queries on changes of people, and the sequence that gives them positions.

Ids cannot order changes for readers: a transaction may commit after another one with a higher id, and a reader that had
passed it would never see it. Positions are given after the commit, to what is visible then, by whoever reads.
"""

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.values.changes import ChangeKind, PersonChange

# In one transaction, which holds the sequence meanwhile.
_MOST_AT_ONCE = 500
_INSERT = Statement("INSERT INTO person_changes (kind, user_id, into_id, at) VALUES (:kind, :user_id, :into_id, :now)")
_LAST_SQL = "SELECT last_given FROM change_sequence WHERE id = 1"
_LAST = Statement(_LAST_SQL, mysql=f"{_LAST_SQL} FOR UPDATE")
_NEW = Statement(f"SELECT id FROM person_changes WHERE position IS NULL ORDER BY id LIMIT {_MOST_AT_ONCE}")
_ANY_NEW = Statement("SELECT 1 FROM person_changes WHERE position IS NULL LIMIT 1")
_GIVE = Statement("UPDATE person_changes SET position = :position WHERE id = :id")
_SET_LAST = Statement("UPDATE change_sequence SET last_given = :last WHERE id = 1")
_AFTER = Statement(
    "SELECT position, kind, user_id, into_id, at FROM person_changes WHERE position > :position"
    " ORDER BY position LIMIT :limit"
)
_DELETED_UNTIL = Statement("SELECT deleted_until FROM change_sequence WHERE id = 1")
_OLD = Statement(
    "SELECT MAX(position) FROM (SELECT position FROM person_changes WHERE at < :before AND position IS NOT NULL"
    " ORDER BY position LIMIT 1000) AS old"
)
_NOTE_DELETED = Statement(
    "UPDATE change_sequence SET deleted_until = :position WHERE id = 1 AND deleted_until < :position"
)
_DELETE = Statement("DELETE FROM person_changes WHERE position <= :position AND at < :before")


def insert(connection: Connection, kind: ChangeKind, user_id: int, into_id: int | None, now: int) -> None:
    """Add a change, which has no position yet."""
    _INSERT.run(connection, kind=kind, user_id=user_id, into_id=into_id, now=now)


def has_new(connection: Connection) -> bool:
    """True if changes are waiting for their positions."""
    return _ANY_NEW.run(connection).first() is not None


def give_positions(connection: Connection) -> None:
    """Give a position to up to 500 committed changes that have none, in the order of their ids."""
    last = int(_LAST.run(connection).scalar())
    # After the lock: another process may have given positions while this one waited for it.
    new = _NEW.run(connection).all()
    for position, row in enumerate(new, last + 1):
        _GIVE.run(connection, position=position, id=row.id)
    _SET_LAST.run(connection, last=last + len(new))


def after(connection: Connection, position: int, limit: int) -> list[PersonChange]:
    """Return the changes after that position, oldest first."""
    return [PersonChange(*row) for row in _AFTER.run(connection, position=position, limit=limit)]


def deleted_until(connection: Connection) -> int:
    """Return the highest position of a deleted change, 0 if none was deleted."""
    return int(_DELETED_UNTIL.run(connection).scalar())


def delete_old(connection: Connection, before: int) -> int:
    """Delete some changes older than that time which have a position; return how many, 0 if none is left."""
    give_positions(connection)  # nobody may have read them
    position = _OLD.run(connection, before=before).scalar()
    if position is None:
        return 0
    _NOTE_DELETED.run(connection, position=position)
    return _DELETE.run(connection, position=position, before=before).rowcount
