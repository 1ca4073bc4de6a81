"""Queries on webhooks: where other services want to be told of changes."""

from typing import Any

from sqlalchemy import Connection

from authsvc.db.statements import Statement
from authsvc.values.changes import Webhook

_COLUMNS = (
    "SELECT name, url, kinds, scopes, secret, previous_secret, rotated_at, position, paused_at, created_at"
    " FROM webhooks"
)
_FIND = Statement(f"{_COLUMNS} WHERE name = :name")
_LIST = Statement(f"{_COLUMNS} ORDER BY name")
_INSERT = Statement(
    "INSERT INTO webhooks (name, url, kinds, scopes, secret, rotated_at, position, created_at)"
    " SELECT :name, :url, :kinds, :scopes, :secret, :now, last_given, :now FROM change_sequence WHERE id = 1"
)
_DELETE = Statement("DELETE FROM webhooks WHERE name = :name")
_PAUSE = Statement("UPDATE webhooks SET paused_at = :now WHERE name = :name AND paused_at IS NULL")
_RESUME = Statement("UPDATE webhooks SET paused_at = NULL WHERE name = :name AND paused_at IS NOT NULL")
_ROTATE = Statement(
    "UPDATE webhooks SET previous_secret = secret, secret = :secret, rotated_at = :now WHERE name = :name"
)
_MOVE = Statement("UPDATE webhooks SET position = :position WHERE name = :name AND position = :former")


def find(connection: Connection, name: str) -> Webhook | None:
    """Return the webhook with this name, if there is one."""
    row = _FIND.run(connection, name=name).one_or_none()
    return None if row is None else _webhook(row)


def list_all(connection: Connection) -> list[Webhook]:
    """Return every webhook by name."""
    return [_webhook(row) for row in _LIST.run(connection)]


def insert(connection: Connection, webhook: Webhook) -> bool:
    """Add a webhook, which begins with the changes after now; False if the name is taken."""
    added = _INSERT.run_unless_taken(
        connection,
        name=webhook.name,
        url=webhook.url,
        kinds=" ".join(webhook.kinds),
        scopes=" ".join(webhook.scopes),
        secret=webhook.secret,
        now=webhook.created_at,
    )
    return added is not None


def delete(connection: Connection, name: str) -> bool:
    """Remove a webhook; False if there was none."""
    return _DELETE.run(connection, name=name).rowcount == 1


def pause(connection: Connection, name: str, now: int) -> bool:
    """Stop deliveries; False if there is no such webhook, or it is paused already."""
    return _PAUSE.run(connection, name=name, now=now).rowcount == 1


def resume(connection: Connection, name: str) -> bool:
    """Go on with deliveries; False if there is no such webhook, or it is not paused."""
    return _RESUME.run(connection, name=name).rowcount == 1


def rotate(connection: Connection, name: str, secret: str, now: int) -> bool:
    """Store a new secret (sealed) and keep the former one; False if there is no such webhook."""
    return _ROTATE.run(connection, name=name, secret=secret, now=now).rowcount == 1


def move(connection: Connection, webhook: Webhook, position: int) -> bool:
    """Note that deliveries were made up to this position; False if another process has done it."""
    return _MOVE.run(connection, name=webhook.name, position=position, former=webhook.position).rowcount == 1


def _webhook(row: Any) -> Webhook:
    return Webhook(
        name=row.name,
        url=row.url,
        kinds=tuple(row.kinds.split()),
        scopes=tuple(row.scopes.split()),
        secret=row.secret,
        previous_secret=row.previous_secret,
        rotated_at=row.rotated_at,
        position=row.position,
        paused_at=row.paused_at,
        created_at=row.created_at,
    )
