"""Queries on pictures of mini-program codes: which ones exist, who is making one, and who owns them.

A row is claimed with a random number of its holder, until a time (seconds UTC). Every change of the row names the
expected claim, and does nothing if there is another.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement

BATCH = 500
# Longer than any request waits for a picture.
FAILURE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Owner:
    """The owner of a new picture: a user, a service (the name of its credential), or nobody."""

    user_id: int | None = None
    service: str | None = None


NOBODY = Owner()


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A row: ``ending`` is None until the picture is made; ``user_id`` is None if it has no owner."""

    stem: str
    ending: str | None
    user_id: int | None
    claimed_until: int
    asked_at: int
    claim: int

    @property
    def name(self) -> str | None:
        """The file name of a finished picture."""
        return f"{self.stem}.{self.ending}" if self.ending else None


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt ended: the name of an error in errors.py, and WeChat's errcode if there was one."""

    error: str
    errcode: int | None = None


_SELECT = "SELECT stem, ending, user_id, claimed_until, asked_at, claim FROM code_pictures"
_FIND = Statement(f"{_SELECT} WHERE stem = :stem")
_INSERT = Statement(
    "INSERT INTO code_pictures (stem, user_id, service, claim, claimed_until, asked_at)"
    " VALUES (:stem, :user_id, :service, :claim, :until, :now)"
)
# Compares the time as well, because during an upgrade there are workers without claim numbers.
_TAKE_OVER = Statement(
    "UPDATE code_pictures SET ending = NULL, claimed_until = :until, claim = :claim"
    " WHERE stem = :stem AND claim = :known AND claimed_until = :known_until"
)
_FINISH = Statement(
    "UPDATE code_pictures SET ending = :ending WHERE stem = :stem AND claim = :claim AND ending IS NULL"
)
_DELETE = Statement("DELETE FROM code_pictures WHERE stem = :stem AND claim = :claim AND ending IS NULL")
_NOTE_FAILURE = Statement(
    "INSERT INTO code_failures (claim, error, errcode, failed_at) VALUES (:claim, :error, :errcode, :now)"
)
_FIND_FAILURE = Statement("SELECT error, errcode FROM code_failures WHERE claim = :claim")
_DELETE_FAILURES = Deletion("code_failures", "failed_at < :before")
_TOUCH = Statement("UPDATE code_pictures SET asked_at = :now, user_id = COALESCE(user_id, :user_id) WHERE stem = :stem")
_COUNT = Statement("SELECT COUNT(*) FROM code_pictures")
_COUNT_OF_USER = Statement("SELECT COUNT(*) FROM code_pictures WHERE user_id = :user_id")
_COUNT_OF_SERVICE = Statement("SELECT COUNT(*) FROM code_pictures WHERE service = :service")
_OF_USER = Statement(f"{_SELECT} WHERE user_id = :user_id")
_MOVE = Statement("UPDATE code_pictures SET user_id = :into WHERE user_id = :user_id")
_NOT_ASKED = Statement(f"{_SELECT} WHERE asked_at < :before ORDER BY asked_at LIMIT {BATCH}")
_OLDEST = Statement(f"{_SELECT} ORDER BY asked_at LIMIT :count")


def find(connection: Connection, stem: str) -> StoredPicture | None:
    """Return what is known of a picture."""
    row = _FIND.run(connection, stem=stem).first()
    return StoredPicture(*row) if row else None


def begin(connection: Connection, stem: str, owner: Owner, claim: int, *, until: int, now: int) -> bool:
    """Claim a picture that nobody has begun; False if somebody has."""
    values = {"user_id": owner.user_id, "service": owner.service, "claim": claim, "until": until, "now": now}
    return _INSERT.run_unless_taken(connection, stem=stem, **values) is not None


def take_over(connection: Connection, known: StoredPicture, claim: int, *, until: int) -> bool:
    """Claim a row that has not changed; its picture no longer counts. False if somebody was faster."""
    values = {"stem": known.stem, "known": known.claim, "known_until": known.claimed_until}
    return _TAKE_OVER.run(connection, claim=claim, until=until, **values).rowcount == 1


def finish(connection: Connection, stem: str, ending: str, claim: int) -> bool:
    """Note that the picture is finished; False if the claim was lost."""
    return _FINISH.run(connection, stem=stem, ending=ending, claim=claim).rowcount == 1


def delete(connection: Connection, stem: str, claim: int) -> bool:
    """Give up a claim together with the row; False if it was lost."""
    return _DELETE.run(connection, stem=stem, claim=claim).rowcount == 1


def fail(connection: Connection, stem: str, claim: int, failure: Failure, now: int) -> None:
    """Give up a claim, and store the reason for those who wait."""
    if delete(connection, stem, claim):
        _NOTE_FAILURE.run(connection, claim=claim, error=failure.error, errcode=failure.errcode, now=now)


def failure_of(connection: Connection, claim: int) -> Failure | None:
    """Return how the attempt with this claim failed; None if it has not failed, or long ago."""
    row = _FIND_FAILURE.run(connection, claim=claim).first()
    return Failure(*row) if row else None


def delete_failures(connection: Connection, before: int) -> int:
    """Delete some failures from before that time (seconds UTC); return how many, 0 if none is left."""
    return _DELETE_FAILURES.run(connection, before)


def touch(connection: Connection, stem: str, user_id: int | None, now: int) -> None:
    """Note that a picture was requested, and by whom if it has no owner yet."""
    _TOUCH.run(connection, stem=stem, user_id=user_id, now=now)


def count(connection: Connection) -> int:
    """Return how many pictures there are."""
    return int(_COUNT.run(connection).scalar())


def count_of_user(connection: Connection, user_id: int) -> int:
    """Return how many pictures this user has."""
    return int(_COUNT_OF_USER.run(connection, user_id=user_id).scalar())


def count_of_service(connection: Connection, service: str) -> int:
    """Return how many pictures this service has."""
    return int(_COUNT_OF_SERVICE.run(connection, service=service).scalar())


def of_user(connection: Connection, user_id: int) -> list[StoredPicture]:
    """Return the pictures of a user."""
    return [StoredPicture(*row) for row in _OF_USER.run(connection, user_id=user_id)]


def move_all(connection: Connection, user_id: int, into: int) -> None:
    """Give the pictures of one user to another."""
    _MOVE.run(connection, user_id=user_id, into=into)


def not_asked_since(connection: Connection, before: int) -> list[StoredPicture]:
    """Return up to 500 pictures that nobody has requested since that time, oldest first."""
    return [StoredPicture(*row) for row in _NOT_ASKED.run(connection, before=before)]


def oldest(connection: Connection, count: int) -> list[StoredPicture]:
    """Return ``count`` pictures, those with the oldest requests first."""
    return [StoredPicture(*row) for row in _OLDEST.run(connection, count=count)]
