"""What a database error means: the remedy, and the word for operators.

Errors that the tables do not list count as unknown, except those about wrong values: these are bugs in the code, and
are raised unchanged.

Sources of the numbers:
- MySQL: https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html and …/client-error-reference.html
- MariaDB (1900 to 1999, 4100 and more): https://mariadb.com/docs/server/reference/error-codes/mariadb-error-code-reference
- Galera's use of 1047: https://galeracluster.com/library/kb/trouble/wsrep-not-ready.html
- Read-only servers after a failover, Aurora's included, as go-sql-driver's ``rejectReadOnly`` reads them (1290, 1792,
  1836): https://github.com/go-sql-driver/mysql#rejectreadonly
- Group Replication's 3100 and 3101: https://dev.mysql.com/doc/refman/8.4/en/group-replication-failure-detection.html
- TiDB (8000 to 9999): https://docs.pingcap.com/tidb/stable/error-codes
- SQLite's result codes: https://www.sqlite.org/rescode.html
"""

import errno
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum

from sqlalchemy.exc import DBAPIError, OperationalError

from authsvc.values.operator import DatabaseWord


class Cure(Enum):
    """The remedy for an error."""

    # Nothing of the transaction was stored, and the connection works: run it again.
    REPEAT = "repeat"
    # The connection is lost, or leads to a server that cannot write: run the transaction again on a new connection.
    RECONNECT = "reconnect"
    # An immediate retry would not help, a later one may.
    WAIT = "wait"
    # Waiting does not help.
    OPERATOR = "operator"


_GRANTS = "GRANT it SELECT, INSERT, UPDATE, DELETE, and for migrations CREATE, ALTER, INDEX, DROP, REFERENCES"
_ADVICE: dict[DatabaseWord, str] = {
    "busy": "the database of DATABASE_URL is locked or overloaded; try again",
    "unreachable": "the server of DATABASE_URL cannot be reached; check that it runs, and check host and port",
    "read_only": "the database of DATABASE_URL is read-only; name a writable server or file",
    "no_rights": f"the user of DATABASE_URL lacks a privilege ({_GRANTS}), or the database file cannot be opened",
    "login_refused": "the server of DATABASE_URL refuses the user; check its password and whether it is locked",
    "no_database": "the server of DATABASE_URL has no such database; create it (CREATE DATABASE … CHARACTER SET"
    " utf8mb4), then run: authsvc db upgrade",
    "schema": "the database of DATABASE_URL lacks a table or a column; run: authsvc db upgrade",
    "full": "the disk of the database of DATABASE_URL is full; free some space",
    "disk": "the database of DATABASE_URL reports damage or disk errors; check its log",
    "server_mode": "a setting of the server of DATABASE_URL forbids a statement; see docs/database.md",
    "tls": "TLS with the server of DATABASE_URL failed; check its certificate and the ssl parameters",
    "unknown": "the database of DATABASE_URL failed in a way that authsvc does not know; check its log",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """An interpreted database error. ``is_lasting``: the operator must act once the remedy has failed."""

    cure: Cure
    word: DatabaseWord
    is_lasting: bool = False

    def explain(self, summary: str) -> str:
        """Return what happened and what the operator should do, with the driver's ``summary``."""
        return f"{_ADVICE[self.word]} ({self.word}, {summary})"

    def without_reconnecting(self) -> "Fault":
        """Return the same fault for the case that a new connection does not help."""
        return replace(self, cure=Cure.WAIT) if self.cure is Cure.RECONNECT else self


def _lasting(word: DatabaseWord) -> Fault:
    return Fault(Cure.OPERATOR, word, is_lasting=True)


_REPEAT = Fault(Cure.REPEAT, "busy")
_NO_WRITE = Fault(Cure.RECONNECT, "read_only")
_LOST = Fault(Cure.RECONNECT, "unreachable")
_BUSY = Fault(Cure.WAIT, "busy")
AWAY = Fault(Cure.WAIT, "unreachable")
_RIGHTS = _lasting("no_rights")
_REFUSED = _lasting("login_refused")
_NO_DATABASE = _lasting("no_database")
_SCHEMA = _lasting("schema")
_FULL = _lasting("full")
_DISK = _lasting("disk")
_MODE = _lasting("server_mode")
_TLS = _lasting("tls")
_UNKNOWN = _lasting("unknown")

_MYSQL: dict[Fault, tuple[int, ...]] = {
    _REPEAT: (
        *(1205, 1213),  # lock wait timeout, deadlock; with Galera, 1213 means that another node was faster
        *(1180, 1317, 3101),  # commit failed, statement interrupted, Group Replication rolled it back
        *(1040, 1203, 1226),  # too many connections in total or of this user: one of ours may become free soon
        *(8002, 8005, 8022, 8027, 8028, 9007),  # TiDB: write conflicts, and a schema that changed meanwhile
    ),
    _NO_WRITE: (
        *(1290, 1792, 1836),  # --read-only, a READ ONLY transaction, read-only mode
        1047,  # Galera: the node has not joined the primary component
        3100,  # Group Replication: the group refused the commit before it was made
    ),
    _LOST: (
        *(0, 2006, 2013, 2014, 2045, 2055),  # gone, lost, out of step; 0 is PyMySQL's for a closed one
        *(1053, 1077, 1079),  # shutting down
        *(1152, 1158, 1159, 1160, 1161, 1184),  # network trouble, as the server sees it
        *(1927, 3169, 4031),  # killed (MariaDB, MySQL), ended for being idle
    ),
    AWAY: (
        *(2001, 2002, 2003, 2005, 2012),  # no connection: refused, no such host, no handshake
        3168,  # not available yet
        *(9001, 9002, 9005),  # TiDB: its stores do not answer
    ),
    _BUSY: (
        *(1037, 1041, 1135),  # no memory, no thread
        *(1969, 3024),  # exceeded the server's time limit (MariaDB, MySQL)
        *(8001, 8175, 9003, 9004, 9008, 9010, 9011),  # TiDB: no memory, overloaded
    ),
    _REFUSED: (
        *(1045, 1698, 1130, 1129),  # wrong user or password, or not from this host
        *(1251, 1524, 2049, 2054, 2059, 2061),  # an authentication plugin that one side does not know
        *(1820, 1862, 3118, 3955, 4151),  # password expired, account locked
    ),
    _RIGHTS: (1044, 1142, 1143, 1227, 1370, 1410, 4062, 8121),
    _NO_DATABASE: (1049,),
    _SCHEMA: (
        *(1051, 1109, 1146, 1932),  # no such table
        *(1054, 1072, 1091, 1136, 1364),  # no such column, or an additional one that needs a value
        *(1356, 1362, 1288),  # a view in place of the table
    ),
    _FULL: (
        *(1021, 1114, 1713, 3019),  # disk, table, undo log
        *(3, 1026, 20),  # an error while writing a file
    ),
    _DISK: (
        *(1030, 1034, 1035, 1033, 1194, 1195, 1696),  # the engine, or a damaged table
        *(1036, 1812, 1813, 1877),  # a table that is read-only, a lost tablespace
    ),
    _MODE: (
        *(1055, 1140, 1064, 1149, 1175, 1231, 1235, 1193, 1286, 1289),  # statements that this server does not accept
        *(1598, 1665, 1785, 3098, 3750),  # the binary log, GTID or Group Replication forbids them
        *(1115, 1273, 1267),  # character sets
    ),
    _TLS: (2026, 3159),  # TLS failed, or is required
}
_BY_NUMBER = {number: fault for fault, numbers in _MYSQL.items() for number in numbers}
# System errors of the storage engine (1030, 1180: "Got error 28 …").
_FULL_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_ENGINE_ERROR = re.compile(r"[Ee]rror (\d{1,3})\b")

# No connection could be made.
NO_CONNECTION = 2003
_TLS_TROUBLE = re.compile(r"certificate|TLS|SSL")
# The server requires an authentication plugin that the driver does not know.
NO_PLUGIN = 2059
NO_PLUGIN_ADVICE = (
    "the user of DATABASE_URL logs in with a plugin that PyMySQL does not support: give the user mysql_native_password,"
    " caching_sha2_password, sha256_password or ed25519"
)

# By primary result code: the lower eight bits.
_SQLITE: dict[int, Fault] = {
    sqlite3.SQLITE_BUSY: _BUSY,
    sqlite3.SQLITE_LOCKED: _BUSY,
    sqlite3.SQLITE_PROTOCOL: _BUSY,
    sqlite3.SQLITE_NOMEM: _BUSY,
    sqlite3.SQLITE_INTERRUPT: _BUSY,
    # Also if another file was put in its place: a new connection opens that one.
    sqlite3.SQLITE_READONLY: replace(_NO_WRITE, is_lasting=True),
    sqlite3.SQLITE_FULL: _FULL,
    sqlite3.SQLITE_IOERR: _DISK,
    sqlite3.SQLITE_CORRUPT: _DISK,
    sqlite3.SQLITE_NOTADB: _DISK,
    sqlite3.SQLITE_CANTOPEN: _RIGHTS,
    sqlite3.SQLITE_PERM: _RIGHTS,
    sqlite3.SQLITE_AUTH: _RIGHTS,
    sqlite3.SQLITE_SCHEMA: _REPEAT,
}


def of(error: DBAPIError) -> Fault | None:
    """Return what an error means, or None if the code itself is at fault."""
    if isinstance(error.orig, sqlite3.Error):
        return _of_sqlite(error.orig)
    number = number_of(error)
    if number == NO_CONNECTION and _TLS_TROUBLE.search(_text(error)):
        return _TLS
    if number in (1030, 1180) and _engine_error(error) in _FULL_DISK:
        return _FULL
    if isinstance(number, int) and number in _BY_NUMBER:
        return _BY_NUMBER[number]
    if error.connection_invalidated:
        return _LOST
    return _UNKNOWN if isinstance(error, OperationalError) else None


def _of_sqlite(error: sqlite3.Error) -> Fault | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # the driver's own: "Cannot operate on a closed database."
        return _LOST if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error) else None
    if "no such table" in str(error) or "no such column" in str(error) or "has no column" in str(error):
        return _SCHEMA
    known = _SQLITE.get(code & 0xFF)
    return known or (_UNKNOWN if isinstance(error, sqlite3.OperationalError) else None)


def advice(word: DatabaseWord) -> str:
    """Return what is wrong and what the operator should do."""
    return _ADVICE[word]


def advice_on_package(said: str) -> str:
    """Return what to do if PyMySQL lacks a package."""
    if "pynacl" in said.lower():
        return (
            "the user of DATABASE_URL logs in with ed25519, for which PyMySQL needs PyNaCl:"
            " pip install 'PyMySQL[ed25519]', or give the user another plugin"
        )
    return f"the driver cannot log in to the database of DATABASE_URL: {said}"


def is_silence(error: DBAPIError) -> bool:
    """True if the server did not answer in time."""
    if number_of(error) == NO_CONNECTION:
        return "in time" in _text(error)  # the words of authsvc/connections.py
    return any(isinstance(cause, TimeoutError) for cause in _causes(error))


def summary(error: DBAPIError) -> str:
    """Return the driver's class and number of an error, without SQL and values."""
    return f"{type(error.orig).__name__} {number_of(error)}"


def number_of(error: DBAPIError) -> object:
    """Return the driver's first argument: MySQL's error number, or SQLite's sentence."""
    arguments: tuple[object, ...] = getattr(error.orig, "args", ())
    return arguments[0] if arguments else None


def _text(error: DBAPIError) -> str:
    """Return the driver's text without the number; not for a log, because it may quote values."""
    return " ".join(map(str, getattr(error.orig, "args", ())[1:]))


def _engine_error(error: DBAPIError) -> int | None:
    found = _ENGINE_ERROR.search(_text(error))
    return int(found[1]) if found else None


def _causes(error: DBAPIError) -> Iterator[BaseException]:
    """Return the exceptions that caused the driver's error."""
    cause: BaseException | None = error.orig
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
