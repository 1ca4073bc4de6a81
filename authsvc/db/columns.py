"""What tables have in common, for models and migrations. It does not change: released migrations rely on it."""

from typing import Any

from sqlalchemy import BigInteger, Integer, String
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

TABLE: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4"}
# SQLite makes a 64-bit rowid only out of the words INTEGER PRIMARY KEY.
BIG_KEY: TypeEngine[int] = BigInteger().with_variant(Integer, "sqlite")


def exact(length: int) -> TypeEngine[str]:
    """Return the type of ASCII text that is compared byte for byte: MySQL would fold case otherwise."""
    binary = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return String(length).with_variant(binary, "mysql", "mariadb")
