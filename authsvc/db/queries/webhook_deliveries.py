"""Queries on deliveries: changes on their way to a webhook, each until it was taken."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement
from authsvc.values.changes import Delivery, PersonChange, WebhookBacklog

_COLUMNS = (
    "SELECT d.id, d.webhook, d.position, d.kind, d.user_id, d.into_id, d.at, d.attempts, d.due_at, d.dead_at,"
    " d.last_error FROM webhook_deliveries d"
)
_INSERT = Statement(
    "INSERT INTO webhook_deliveries"
    " (webhook, position, kind, user_id, into_id, at, attempts, due_at, claimed_until, last_error)"
    " VALUES (:webhook, :position, :kind, :user_id, :into_id, :at, 0, :now, 0, '')"
)
# A person's changes go one after the other: the next one is not due before the former one was taken, or is dead.
_DUE = Statement(
    f"{_COLUMNS} WHERE d.webhook = :webhook AND d.dead_at IS NULL AND d.due_at <= :now AND d.claimed_until <= :now"
    " AND NOT EXISTS (SELECT 1 FROM webhook_deliveries e WHERE e.webhook = d.webhook AND e.user_id = d.user_id"
    " AND e.id < d.id AND e.dead_at IS NULL) ORDER BY d.due_at, d.id LIMIT :limit"
)
_CLAIM = Statement(
    "UPDATE webhook_deliveries SET claimed_until = :until WHERE id = :id AND dead_at IS NULL AND due_at <= :now"
    " AND claimed_until <= :now"
)
_DONE = Statement("DELETE FROM webhook_deliveries WHERE id = :id")
_FAILED = Statement(
    "UPDATE webhook_deliveries SET attempts = attempts + 1, due_at = :due_at, dead_at = :dead_at, claimed_until = 0,"
    " last_error = :error WHERE id = :id"
)
_DEAD = Statement(f"{_COLUMNS} WHERE d.webhook = :webhook AND d.dead_at IS NOT NULL ORDER BY d.id LIMIT :limit")
_REPLAY = Statement(
    "UPDATE webhook_deliveries SET dead_at = NULL, attempts = 0, due_at = :now, claimed_until = 0"
    " WHERE webhook = :webhook AND dead_at IS NOT NULL AND (:id IS NULL OR id = :id)"
)
_BACKLOG = Statement(
    "SELECT SUM(CASE WHEN dead_at IS NULL THEN 1 ELSE 0 END) AS waiting,"
    " SUM(CASE WHEN dead_at IS NULL THEN 0 ELSE 1 END) AS dead, MIN(CASE WHEN dead_at IS NULL THEN at END) AS oldest_at"
    " FROM webhook_deliveries WHERE webhook = :webhook"
)
_DELETE_ALL = Statement("DELETE FROM webhook_deliveries WHERE webhook = :webhook")
_DELETE_DEAD = Deletion("webhook_deliveries", "dead_at < :before")


def insert(connection: Connection, webhook: str, changes: Iterable[PersonChange], now: int) -> None:
    """Add a delivery for each of these changes, due at once."""
    for change in changes:
        _INSERT.run(
            connection,
            webhook=webhook,
            position=change.position,
            kind=change.kind,
            user_id=change.user_id,
            into_id=change.into_id,
            at=change.at,
            now=now,
        )


def due(connection: Connection, webhook: str, now: int, limit: int) -> list[Delivery]:
    """Return deliveries that may be sent now: of each person the oldest one, if its time has come and nobody has it."""
    return [_delivery(row) for row in _DUE.run(connection, webhook=webhook, now=now, limit=limit)]


def claim(connection: Connection, delivery_id: int, now: int, until: int) -> bool:
    """Take a delivery until that time; False if another process has it, or it was taken meanwhile."""
    return _CLAIM.run(connection, id=delivery_id, now=now, until=until).rowcount == 1


def done(connection: Connection, delivery_id: int) -> None:
    """Remove a delivery that was taken."""
    _DONE.run(connection, id=delivery_id)


def failed(connection: Connection, delivery_id: int, *, due_at: int, dead_at: int | None, error: str) -> None:
    """Note a failed attempt, and when the next one is due, or that there is none (``dead_at``)."""
    _FAILED.run(connection, id=delivery_id, due_at=due_at, dead_at=dead_at, error=error)


def dead(connection: Connection, webhook: str, limit: int) -> list[Delivery]:
    """Return the deliveries that were given up, oldest first."""
    return [_delivery(row) for row in _DEAD.run(connection, webhook=webhook, limit=limit)]


def replay(connection: Connection, webhook: str, delivery_id: int | None, now: int) -> int:
    """Make one dead delivery, or all, due again; return how many."""
    return _REPLAY.run(connection, webhook=webhook, id=delivery_id, now=now).rowcount


def backlog(connection: Connection, webhook: str) -> WebhookBacklog:
    """Return how many deliveries wait and are dead."""
    row = _BACKLOG.run(connection, webhook=webhook).one()
    return WebhookBacklog(int(row.waiting or 0), int(row.dead or 0), row.oldest_at)


def delete_all(connection: Connection, webhook: str) -> None:
    """Remove every delivery of a webhook."""
    _DELETE_ALL.run(connection, webhook=webhook)


def delete_dead(connection: Connection, before: int) -> int:
    """Delete some deliveries that were given up before that time; return how many, 0 if none is left."""
    return _DELETE_DEAD.run(connection, before)


def _delivery(row: Any) -> Delivery:
    change = PersonChange(row.position, row.kind, row.user_id, row.into_id, row.at)
    return Delivery(row.id, row.webhook, change, row.attempts, row.due_at, row.dead_at, row.last_error)
