"""Queries on pictures of mini-program codes: which there are, who makes one, whose they are.

A row is claimed by a number that its holder has drawn, until a moment (seconds UTC): whoever changes the row names the
claim that they know of, and does nothing when there is another.
"""

from dataclasses import dataclass

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement

BATCH = 500
# Longer than anybody waits for a picture.
FAILURE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom a new picture counts for: a user, a service (the name of its credential), or nobody."""

    user_id: int | None = None
    service: str | None = None


NOBODY = Owner()


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A row: ``ending`` is None until the picture is made, ``user_id`` where it is nobody's."""

    stem: str
    ending: str | None
    user_id: int | None
    claimed_until: int
    asked_at: int
    claim: int

    @property
    def name(self) -> str | None:
        """The file name, of a picture that is made."""
        return f"{self.stem}.{self.ending}" if self.ending else None


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt ended: the name of an error in errors.py, and WeChat's number if it gave one."""

    error: str
    errcode: int | None = None


_SELECT = "SELECT stem, ending, user_id, claimed_until, asked_at, claim FROM code_pictures"
_FIND = Statement(f"{_SELECT} WHERE stem = :stem")
_INSERT = Statement(
    "INSERT INTO code_pictures (stem, user_id, service, claim, claimed_until, asked_at)"
    " VALUES (:stem, :user_id, :service, :claim, :until, :now)"
)
# The moment as well: during an upgrade there are workers that draw no numbers.
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
    """Claim a picture that nobody has begun; False when somebody has."""
    values = {"user_id": owner.user_id, "service": owner.service, "claim": claim, "until": until, "now": now}
    return _INSERT.run_unless_taken(connection, stem=stem, **values) is not None


def take_over(connection: Connection, known: StoredPicture, claim: int, *, until: int) -> bool:
    """Claim a row that is as it is known; the picture no longer counts. False when somebody was faster."""
    values = {"stem": known.stem, "known": known.claim, "known_until": known.claimed_until}
    return _TAKE_OVER.run(connection, claim=claim, until=until, **values).rowcount == 1


def finish(connection: Connection, stem: str, ending: str, claim: int) -> bool:
    """Say that the picture is there; False when the claim was lost."""
    return _FINISH.run(connection, stem=stem, ending=ending, claim=claim).rowcount == 1


def delete(connection: Connection, stem: str, claim: int) -> bool:
    """Give up a claim and the row with it; False when it was lost."""
    return _DELETE.run(connection, stem=stem, claim=claim).rowcount == 1


def fail(connection: Connection, stem: str, claim: int, failure: Failure, now: int) -> None:
    """Give up a claim, and leave word of why for those who wait for it."""
    if delete(connection, stem, claim):
        _NOTE_FAILURE.run(connection, claim=claim, error=failure.error, errcode=failure.errcode, now=now)


def failure_of(connection: Connection, claim: int) -> Failure | None:
    """Return how the attempt under this claim failed; None while it has not, and when it is long ago."""
    row = _FIND_FAILURE.run(connection, claim=claim).first()
    return Failure(*row) if row else None


def delete_failures(connection: Connection, before: int) -> int:
    """Delete some failures from before then (seconds UTC); return how many, 0 when none is left."""
    return _DELETE_FAILURES.run(connection, before)


def touch(connection: Connection, stem: str, user_id: int | None, now: int) -> None:
    """Note that a picture was asked for, and by whom if it is nobody's yet."""
    _TOUCH.run(connection, stem=stem, user_id=user_id, now=now)


def count(connection: Connection) -> int:
    """Return how many pictures there are."""
    return int(_COUNT.run(connection).scalar())


def count_of_user(connection: Connection, user_id: int) -> int:
    """Return how many of them are this user's."""
    return int(_COUNT_OF_USER.run(connection, user_id=user_id).scalar())


def count_of_service(connection: Connection, service: str) -> int:
    """Return how many of them this service has had made."""
    return int(_COUNT_OF_SERVICE.run(connection, service=service).scalar())


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
