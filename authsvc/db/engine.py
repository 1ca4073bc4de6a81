"""Sets up the engine for SQLite and for MySQL/MariaDB, and each new connection."""

import logging
import random
import socket
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import Dialect, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from authsvc.connections import CutOff, NotConnected, connect
from authsvc.db.statements import Statement
from authsvc.networks import is_this_machine

logger = logging.getLogger(__name__)

# https://www.sqlite.org/wal.html#walresetbug
_WAL_RESET_MENDED = (3, 51, 3)

# How long a request may wait for the database in total before it gets a retry error.
WAIT_SECONDS = 4.5
# How long MySQL may take for one statement, and for connecting; whole seconds, as mysqlclient requires.
ANSWER_SECONDS = 4
# How long MySQL waits for a row or table lock. Then the transaction runs again, as long as the request may wait.
_LOCK_SECONDS = 2
# The limit for one statement of a command (``flask authsvc purge``).
_COMMAND_SECONDS = 600
# The limit for one statement of a migration over a large table.
LONG_SECONDS = 3600
_LONG_LOCK_SECONDS = 50
# Execution option that marks a connection as one that will write.
WRITES = "authsvc_writes"
_BEGIN = Statement("BEGIN")
_BEGIN_WRITING = Statement("BEGIN IMMEDIATE")
_SOCKET_OPTIONS = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1), (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1))
# TLS contexts by their parameters: reading the authorities for each connection takes up to 20 ms of CPU.
_contexts: dict[str, ssl.SSLContext] = {}
_CANNOT_CONNECT = 2003  # CR_CONN_HOST_ERROR


class _Hurry:
    """The time limits of a process: people wait for requests, but not for commands."""

    statement_seconds = ANSWER_SECONDS


@contextmanager
def taking_time() -> Iterator[None]:
    """Let statements of an app that is created inside take minutes, because it runs a command."""
    before, _Hurry.statement_seconds = _Hurry.statement_seconds, _COMMAND_SECONDS
    try:
        yield
    finally:
        _Hurry.statement_seconds = before


def options(database_url: str, pool_size: int, *, statement_seconds: int | None = None) -> dict[str, Any]:
    """Return the keyword arguments for ``create_engine``."""
    # The block of every transaction commits it or rolls it back, so a second ROLLBACK when the connection returns to
    # the pool would be a wasted round trip.
    common: dict[str, Any] = {"hide_parameters": True, "pool_timeout": WAIT_SECONDS, "pool_reset_on_return": None}
    if database_url.startswith("sqlite"):
        # SQLite's own waiting would stop every greenlet of a gevent worker, so Python does all the waiting. /healthz
        # p99, measured under a held write lock: 3 ms; with a busy timeout of 20 ms, 40 ms.
        connect = {"timeout": 0, "check_same_thread": False}
        return {**common, "connect_args": connect, "pool_size": pool_size, "max_overflow": 0}
    return {
        **common,
        "connect_args": _mysql_connect_args(database_url, statement_seconds or _Hurry.statement_seconds),
        "isolation_level": "READ COMMITTED",
        "pool_size": pool_size,
        "max_overflow": 0,
        "pool_recycle": 1800,
    }


def _mysql_connect_args(database_url: str, statement_seconds: int) -> dict[str, Any]:
    """Limit all waits; and use no TLS on this machine, where PyMySQL would spend 20 ms of CPU per connection on it."""
    url = make_url(database_url)
    times = {"connect_timeout": ANSWER_SECONDS, "read_timeout": statement_seconds, "write_timeout": statement_seconds}
    # An operator's limits for requests do not apply to commands and migrations.
    said = set(url.query) if statement_seconds == ANSWER_SECONDS else set()
    args: dict[str, Any] = {name: time for name, time in times.items() if name not in said} | {"charset": "utf8mb4"}
    asks_for_tls = any(name.startswith("ssl") for name in url.query)
    if url.drivername == "mysql+pymysql" and is_this_machine(url.host) and not asks_for_tls:
        args["ssl_disabled"] = True
    return args


def create(database_url: str, pool_size: int, *, statement_seconds: int | None = None) -> Engine:
    """Return the engine of a process that serves requests or runs a command.

    ``statement_seconds`` replaces the process's limit for one statement.
    """
    return create_engine(database_url, **options(database_url, pool_size, statement_seconds=statement_seconds))


def server_of(database_url: str) -> str:
    """Return the server and its database as ``host:port/name``, without the user and the password."""
    url = make_url(database_url)
    return f"{url.host or 'localhost'}:{url.port or 3306}/{url.database or ''}"


def leaves_this_machine(database_url: str) -> bool:
    """True if connections to a server go over a network."""
    url = make_url(database_url)
    return not is_this_machine(url.host) and not url.query.get("unix_socket")


def for_long_work(engine: Engine) -> Engine:
    """Return an engine for the same database. All its transactions write, and its statements may take an hour."""
    url = engine.url.render_as_string(hide_password=False)
    unlike = ("pool_size", "max_overflow", "pool_timeout", "pool_recycle")
    as_always = options(url, 1, statement_seconds=LONG_SECONDS)
    kept = {name: value for name, value in as_always.items() if name not in unlike}
    patient = create_engine(url, poolclass=NullPool, execution_options={WRITES: True}, **kept)
    listen(patient, lock_seconds=_LONG_LOCK_SECONDS)
    return patient


def warn_of_old_sqlite(database_url: str) -> None:
    """Log a warning if this SQLite can lose a commit when several processes write (its WAL-reset bug)."""
    if database_url.startswith("sqlite") and (mended := mended_sqlite()):
        logger.warning(
            "SQLite %s can, very rarely, lose a commit when several processes write (WAL-reset bug); it is fixed in %s",
            sqlite3.sqlite_version,
            mended,
        )


def mended_sqlite() -> str | None:
    """Return the SQLite version without the WAL-reset bug, or None if this one is recent enough."""
    is_mended = sqlite3.sqlite_version_info >= _WAL_RESET_MENDED
    return None if is_mended else ".".join(map(str, _WAL_RESET_MENDED))


def listen(engine: Engine, *, lock_seconds: int = _LOCK_SECONDS) -> None:
    """Hook connection set-up and, for SQLite, the beginning of transactions."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        if engine.dialect.driver == "pymysql":
            event.listen(engine, "do_connect", _connect_pymysql)
        event.listen(engine, "connect", partial(_set_up_mysql, lock_seconds))


def _set_up_sqlite(dbapi: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    # The driver must not open transactions by itself: it does so too late, and silently lost updates (measured).
    dbapi.isolation_level = None
    cursor = dbapi.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "secure_delete=ON"):
        patiently(partial(cursor.execute, f"PRAGMA {pragma}"), sqlite3.OperationalError)
    cursor.close()


def _connect_pymysql(
    dialect: Dialect, _record: ConnectionPoolEntry, args: Sequence[Any], options: dict[str, Any]
) -> Any:
    """Connect within the driver's connect_timeout, which by itself does not cover name, greeting, TLS and login.

    Raises the driver's OperationalError.
    """
    driver: Any = dialect.loaded_dbapi
    if (asked := repr(options.get("ssl"))) in _contexts:
        options = {**options, "ssl": _contexts[asked]}
    connection = driver.connect(*args, **options, defer_connect=True)
    if connection.ssl and options.get("ssl"):
        _contexts.setdefault(asked, connection.ctx)
    if connection.unix_socket or connection.bind_address:
        connection.connect()
        return connection
    give_up = time.monotonic() + connection.connect_timeout
    with CutOff() as cut_off:
        try:
            opened = connect(connection.host, connection.port, connection.connect_timeout, _SOCKET_OPTIONS)
            cut_off.guard(opened, give_up - time.monotonic())
            connection.host_info = f"socket {connection.host}:{connection.port}"
            connection.connect(opened)
        except NotConnected as failure:
            raise driver.err.OperationalError(_CANNOT_CONNECT, str(failure)) from None
        except (driver.err.OperationalError, OSError):
            if cut_off.came:
                raise driver.err.OperationalError(_CANNOT_CONNECT, "no greeting or login in time") from None
            raise
    return connection


def _set_up_mysql(lock_seconds: int, dbapi: DBAPIConnection, _record: ConnectionPoolEntry) -> None:
    cursor = dbapi.cursor()
    settings = {
        "innodb_lock_wait_timeout": lock_seconds,
        "lock_wait_timeout": lock_seconds,
        # authsvc's statements need these values; the server's own ones may forbid or change them.
        "sql_mode": "'STRICT_TRANS_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION'",
        "sql_safe_updates": 0,
    }
    cursor.execute("SET " + ", ".join(f"SESSION {name} = {value}" for name, value in settings.items()))
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    """Take the write lock immediately (a deferred transaction fails without waiting at its first write)."""
    if connection.get_execution_options().get(WRITES):
        patiently(lambda: _BEGIN_WRITING.run(connection), OperationalError)
    else:
        _BEGIN.run(connection)


class _Patience(threading.local):
    ends_at: float | None = None


_patience = _Patience()


@contextmanager
def patience(seconds: float = WAIT_SECONDS) -> Iterator[Callable[[], bool]]:
    """Limit all waiting inside to this many seconds from now; yields a function that tells whether the time is over."""
    ends_at = _patience.ends_at = time.monotonic() + seconds
    try:
        yield lambda: time.monotonic() >= ends_at
    finally:
        _patience.ends_at = None


def patiently(attempt: Callable[[], object], locked: type[Exception]) -> None:
    """Repeat the attempt while SQLite is ``locked``, until patience is over; then raise that error."""
    deadline = _patience.ends_at or time.monotonic() + WAIT_SECONDS
    while True:
        try:
            attempt()
            return
        except locked as error:
            if "locked" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(random.uniform(0.001, 0.01))  # noqa: S311 (jitter, not a secret)
