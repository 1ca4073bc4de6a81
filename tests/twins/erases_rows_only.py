"""Erasing as it is often written: the rows are deleted, and what the database file still holds is nobody's business."""

from typing import Any

from authsvc.app import create_app
from authsvc.db import engine, remnants

_set_up = engine._set_up_sqlite


def _set_up_forgetful(dbapi: Any, record: Any) -> None:
    _set_up(dbapi, record)
    dbapi.cursor().execute("PRAGMA secure_delete=OFF")


def _leave(_engine: Any) -> None:
    pass


engine._set_up_sqlite = _set_up_forgetful
remnants.rewrite = remnants.empty_log = _leave
app = create_app()
