"""Refreshing as it is often written: read the session, decide, write it back as it was read, one rotation later.

On SQLite every statement is its own transaction here. Two milliseconds pass between reading and writing, as they do
where an ORM or a network lies in between.
"""

import time

from sqlalchemy import Connection

from authsvc.app import create_app
from authsvc.db.queries import sessions
from authsvc.db.statements import Statement
from tests.harness.lockless import let_writers_meet

_SAVE = Statement(
    "UPDATE sessions SET counter = counter + 1, rotated_at = :now, last_used_at = :now,"
    " idle_expires_at = :now + idle_seconds, revoked_at = NULL WHERE id = :id"
)


def _save(connection: Connection, session_id: str, _counter: int, now: int) -> bool:
    time.sleep(0.002)
    _SAVE.run(connection, id=session_id, now=now)
    return True


sessions.rotate = _save
let_writers_meet()
app = create_app()
