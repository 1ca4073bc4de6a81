"""First login as it is often written: look whether the person is there; if not, insert. Nothing holds that together.

On SQLite every statement is its own transaction here; the unique key over (appid, openid) is dropped by the test.
Two milliseconds pass between looking and inserting, as they do where an ORM or a network lies in between; without them
the bug is there all the same, but may need more rounds to show (measured: 9 on SQLite).
"""

import time

from sqlalchemy import Connection

from authsvc.app import create_app
from authsvc.db.queries import identities
from authsvc.db.queries.identities import Identity
from tests.harness.lockless import let_writers_meet


def _find_any(connection: Connection, appid: str, openid: str) -> Identity | None:
    row = identities._FIND.run(connection, appid=appid, openid=openid).first()
    if row is None:
        time.sleep(0.002)
        return None
    return identities._identity(tuple(row))


identities.find = _find_any
let_writers_meet()
app = create_app()
