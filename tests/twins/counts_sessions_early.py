"""A cap on sessions as it is often written: look which live when the user is looked up, decide, end those later.

On SQLite every statement is its own transaction here, and on MySQL the look takes no lock. A second
passes in between, so that all workers have looked before the first of them decides.
"""

import time
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection

from authsvc.app import create_app
from authsvc.db.queries import identities, sessions
from authsvc.db.queries.identities import Identity
from authsvc.db.queries.sessions import Standing
from authsvc.db.statements import Statement
from tests.harness.lockless import let_writers_meet

_UNLOCKED = Statement(identities._FIND_SQL)
_seen: ContextVar[list[str]] = ContextVar("seen")


def _find(connection: Connection, appid: str, openid: str) -> Identity | None:
    known = identities._one(_UNLOCKED.run(connection, appid=appid, openid=openid).one_or_none())
    if known is not None:
        live = sessions.live_of_user(connection, known.user.id, int(time.time()))
        _seen.set([session.id for session in live])
        time.sleep(1)
    return known


def _standing(*_: Any, **__: Any) -> Standing:
    return Standing(live=len(_seen.get()), opened_lately=0, latest=0, devices=("",))


def _end_oldest(connection: Connection, user_id: int, _: int, __: str, *, keep: int, reason: str, now: int) -> None:
    for session_id in _seen.get()[keep:]:
        sessions.end(connection, session_id, user_id, reason, now)


identities.find = _find
sessions.insert_if_ordinary = lambda *_, **__: False
sessions.standing = _standing
sessions.end_oldest = _end_oldest
let_writers_meet()
app = create_app()
