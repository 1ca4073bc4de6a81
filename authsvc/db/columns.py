"""Common column types for models and migrations. They do not change, because released migrations rely on them."""

from typing import Any

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

TABLE: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
# SQLite creates a 64-bit rowid only for the exact type INTEGER PRIMARY KEY.
BIG_KEY: TypeEngine[int] = BigInteger().with_variant(Integer, "sqlite")


def exact(length: int) -> TypeEngine[str]:
    """Return the type of ASCII text that is compared byte for byte; by default, MySQL ignores case."""
    binary = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return String(length).with_variant(binary, "mysql", "mariadb")
