"""Which pooled connections may be used again, and whether a server that fell silent is asked at all.

A connection is not asked whether it still lives before each use: that is a round trip per transaction. Instead what
fails on one is run again on a fresh one, and its elders are replaced when their turn comes: after a failover all of
them lead to the server that was the primary.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DisconnectionError

# Firewalls and address translators forget connections that are idle for some minutes, and tell nobody.
_IDLE_SECONDS = 60.0
# When a server that did not answer is asked again, by one transaction, while others are told to come back.
_RETRY_SECONDS = 1.0
_MADE, _IDLE_SINCE = "authsvc_made_at", "authsvc_idle_since"


class Silent(Exception):
    """The server did not answer a moment ago, so it was not asked."""


class _Trying(threading.local):
    is_it: bool = False


class Connections:
    """Looks after the connections of one engine. A try at a silent server lasts up to ``try_seconds``."""

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
        """Use no connection again that is there now, unless that has been said since one was made then."""
        with self._lock:
            if made_at > self._distrusted:
                self._distrusted = time.monotonic()

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Let the block use the server, unless it is silent: then one block may, and others once that has an answer.

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
        """Note that the server has answered, whatever it was."""
        self._silent = False

    def _refuse_while_silent(self, *_: Any) -> None:
        """Those who waited for a place in the pool until the server fell silent do not wait for the server as well."""
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
