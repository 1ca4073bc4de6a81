"""Databases of their own for each stack: SQLite files, and schemas on a MariaDB or MySQL server."""

import os
import secrets
from urllib.parse import urlsplit

import pymysql
import pytest

MYSQL_URL = os.environ.get("AUTHSVC_TEST_MYSQL_URL", "mysql://root@127.0.0.1:3306")
# Set by CI: there a missing service is a failure, not a skip.
REQUIRED = os.environ.get("AUTHSVC_TEST_REQUIRE_SERVICES") == "1"


def _connect(database: str | None = None) -> pymysql.Connection:
    parts = urlsplit(MYSQL_URL)
    return pymysql.connect(
        host=parts.hostname or "127.0.0.1",
        port=parts.port or 3306,
        user=parts.username or "root",
        password=parts.password or "",
        database=database,
        autocommit=True,
        ssl_disabled=True,
        connect_timeout=2,
    )


def mysql_is_there() -> bool:
    try:
        _connect().close()
        return True
    except pymysql.err.OperationalError:
        return False


def skip_without_mysql() -> None:
    """Skip the test, saying how to start the server; fail instead where services are required."""
    if mysql_is_there():
        return
    sentence = (
        f"skipped: no MariaDB or MySQL at {urlsplit(MYSQL_URL).hostname}:{urlsplit(MYSQL_URL).port} "
        "(start one, or point AUTHSVC_TEST_MYSQL_URL at it)"
    )
    if REQUIRED:
        pytest.fail(sentence)
    pytest.skip(sentence)


class MySQLSchema:
    """A schema that exists until ``drop``; made with the server's own default collation, as people would.

    Without a server, making one skips the test, or fails it where services are required.
    """

    def __init__(self) -> None:
        skip_without_mysql()
        self.name = f"authsvc_test_{secrets.token_hex(6)}"
        self.url = f"{MYSQL_URL}/{self.name}"
        with _connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {self.name} CHARACTER SET utf8mb4")

    def connect(self) -> pymysql.Connection:
        """A connection of the driver; each statement is its own transaction until ``begin``."""
        return _connect(self.name)

    def drop(self) -> None:
        with _connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {self.name}")
