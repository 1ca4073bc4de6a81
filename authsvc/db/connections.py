"""Decides which pooled connections may be reused, and whether to try a server that has stopped answering.

A connection is not tested before each use, which would take a round trip per transaction. Instead, a transaction that
fails on it runs again on a new one, and all older connections are replaced before their next use: after a failover,
all of them lead to the former primary.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

# Firewalls and address translators silently forget connections that are idle for some minutes.
_IDLE_SECONDS = 60.0
# After this time one transaction tries a server that did not answer, while the others get a retry error.
_RETRY_SECONDS = 1.0
_MADE, _IDLE_SINCE = "authsvc_made_at", "authsvc_idle_since"


class Silent(Exception):
    """The server did not answer a moment ago, so it was not tried."""


class _Trying(threading.local):
    is_it: bool = False


class Connections:
    """Manages the connections of one engine. A try at a silent server lasts up to ``try_seconds``."""

    def __init__(self, engine: Engine, try_seconds: float) -> None:
        self._try_seconds = try_seconds
        self._distrusted = 0.0
        self._silent = False
        self._ask_again_at = 0.0
        self._lock = threading.Lock()
        self._trying = _Trying()
        event.listen(engine, "connect", _note_birth)
        event.listen(engine, "checkout", self._refuse_distrusted)
        if engine.dialect.name != "sqlite":
            event.listen(engine, "do_connect", self._refuse_while_silent)
            event.listen(engine, "checkin", _note_idleness)
            event.listen(engine, "checkout", _refuse_idle)

    def distrust(self, made_at: float) -> None:
        """Reuse no existing connection, unless this was already called after a connection of that age was made."""
        with self._lock:
            if made_at > self._distrusted:
                self._distrusted = time.monotonic()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Let the block use the server. If the server is silent, let one block try, and others once that got an answer.

        Raises Silent.
        """
        if not self._silent:
            yield
            return
        with self._lock:
            now = time.monotonic()
            if now < self._ask_again_at:
                raise Silent("not asked, as it did not answer a moment ago")
            self._ask_again_at = now + self._try_seconds + _RETRY_SECONDS
            self._trying.is_it = True
        try:
            yield
        finally:
            self._trying.is_it = False

    def fell_silent(self) -> None:
        """Note that the server did not answer in time."""
        with self._lock:
            if not self._silent or self._trying.is_it:
                self._ask_again_at = time.monotonic() + _RETRY_SECONDS
            self._silent = True

    def answered(self) -> None:
        """Note that the server has answered, with any result."""
        self._silent = False

    def _refuse_while_silent(self, *_: Any) -> None:
        """Refuse callers that waited for a place in the pool until the server fell silent; they must not wait for it
        too.
        """
        if self._silent and not self._trying.is_it:
            raise Silent("not asked, as it did not answer a moment ago")

    def _refuse_distrusted(self, _dbapi: Any, record: Any, _proxy: Any) -> None:
        if record.info.get(_MADE, 0.0) <= self._distrusted:
            raise DisconnectionError("it leads to a server that cannot write, or could not a moment ago")


def made_at(connection: Connection) -> float:
    """When the connection to the database was made, by the monotonic clock."""
    made: float = connection.info[_MADE]
    return made


def _note_birth(_dbapi: Any, record: Any) -> None:
    record.info[_MADE] = time.monotonic()


def _note_idleness(_dbapi: Any, record: Any) -> None:
    record.info[_IDLE_SINCE] = time.monotonic()


def _refuse_idle(_dbapi: Any, record: Any, _proxy: Any) -> None:
    idle_since = record.info.get(_IDLE_SINCE)
    if idle_since is not None and time.monotonic() - idle_since > _IDLE_SECONDS:
        raise DisconnectionError("it was idle for too long")
