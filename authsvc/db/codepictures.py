"""Queries on pictures of mini-program codes: which there are, who makes one, whose they are.

A row is claimed until a moment (seconds UTC), which tells its claims apart: whoever changes the row names the claim
that they know of, and does nothing when there is another.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from authsvc.db.statements import Statement

BATCH = 500


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A row: ``ending`` is None until the picture is made, ``user_id`` where it is nobody's."""

    stem: str
    ending: str | None
    user_id: int | None
    claimed_until: int
    asked_at: int

    @property
    def name(self) -> str | None:
        """The file name, of a picture that is made."""
        return f"{self.stem}.{self.ending}" if self.ending else None


_SELECT = "SELECT stem, ending, user_id, claimed_until, asked_at FROM code_pictures"
_FIND = Statement(f"{_SELECT} WHERE stem = :stem")
_INSERT = Statement(
    "INSERT INTO code_pictures (stem, user_id, claimed_until, asked_at) VALUES (:stem, :user_id, :until, :now)"
)
_TAKE_OVER = Statement(
    "UPDATE code_pictures SET ending = NULL, claimed_until = :until WHERE stem = :stem AND claimed_until = :known"
)
_FINISH = Statement(
    "UPDATE code_pictures SET ending = :ending WHERE stem = :stem AND claimed_until = :until AND ending IS NULL"
)
_DELETE = Statement("DELETE FROM code_pictures WHERE stem = :stem AND claimed_until = :until AND ending IS NULL")
_TOUCH = Statement("UPDATE code_pictures SET asked_at = :now, user_id = COALESCE(user_id, :user_id) WHERE stem = :stem")
_COUNT = Statement("SELECT COUNT(*) FROM code_pictures")
_COUNT_OF_USER = Statement("SELECT COUNT(*) FROM code_pictures WHERE user_id = :user_id")
_OF_USER = Statement(f"{_SELECT} WHERE user_id = :user_id")
_MOVE = Statement("UPDATE code_pictures SET user_id = :into WHERE user_id = :user_id")
_NOT_ASKED = Statement(f"{_SELECT} WHERE asked_at < :before ORDER BY asked_at LIMIT {BATCH}")
_OLDEST = Statement(f"{_SELECT} ORDER BY asked_at LIMIT :count")


def find(connection: Connection, stem: str) -> StoredPicture | None:
    """Return what is known of a picture."""
    row = _FIND.run(connection, stem=stem).first()
    return StoredPicture(*row) if row else None


def claim(connection: Connection, stem: str, user_id: int | None, *, until: int, now: int) -> bool:
    """Begin a picture that nobody has begun; False when somebody has."""
    return _INSERT.run_unless_taken(connection, stem=stem, user_id=user_id, until=until, now=now) is not None


def take_over(connection: Connection, known: StoredPicture, *, until: int) -> bool:
    """Claim a row that is as it is known; the picture no longer counts. False when somebody was faster."""
    return _TAKE_OVER.run(connection, stem=known.stem, known=known.claimed_until, until=until).rowcount == 1


def finish(connection: Connection, stem: str, ending: str, *, until: int) -> bool:
    """Say that the picture is there; False when the claim was lost."""
    return _FINISH.run(connection, stem=stem, ending=ending, until=until).rowcount == 1


def delete(connection: Connection, stem: str, *, until: int) -> None:
    """Give up a claim and the row with it."""
    _DELETE.run(connection, stem=stem, until=until)


def touch(connection: Connection, stem: str, user_id: int | None, now: int) -> None:
    """Note that a picture was asked for, and by whom if it is nobody's yet."""
    _TOUCH.run(connection, stem=stem, user_id=user_id, now=now)


def count(connection: Connection) -> int:
    """Return how many pictures there are."""
    return int(_COUNT.run(connection).scalar())


def count_of_user(connection: Connection, user_id: int) -> int:
    """Return how many of them are this user's."""
    return int(_COUNT_OF_USER.run(connection, user_id=user_id).scalar())


def of_user(connection: Connection, user_id: int) -> list[StoredPicture]:
    """Return the pictures of a user."""
    return [StoredPicture(*row) for row in _OF_USER.run(connection, user_id=user_id)]


def move_all(connection: Connection, user_id: int, into: int) -> None:
    """Give the pictures of one user to another."""
    _MOVE.run(connection, user_id=user_id, into=into)


def not_asked_since(connection: Connection, before: int) -> list[StoredPicture]:
    """Return up to 500 pictures that nobody has asked for since then, the oldest first."""
    return [StoredPicture(*row) for row in _NOT_ASKED.run(connection, before=before)]


def oldest(connection: Connection, count: int) -> list[StoredPicture]:
    """Return so many of the pictures that were not asked for longest."""
    return [StoredPicture(*row) for row in _OLDEST.run(connection, count=count)]
