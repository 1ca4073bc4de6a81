"""Reads many rows in pages. Each page begins where the previous one ended, by the keys of an index."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from authsvc.db.statements import Statement


@dataclass(frozen=True, slots=True)
class Place:
    """Where to continue: after the row with these keys, among rows that share all keys before number ``level``."""

    keys: tuple[Any, ...] = ()
    level: int = 0


BEGINNING = Place()


class Pages:
    """Pages of one query, in the order of its ``keys``: selected columns that are unique together and form an index.

    Rows that share their first keys are read by separate statements: for "a > :a OR (a = :a AND b > :b)" MySQL would
    read everything from :a on again for each page.
    """

    def __init__(self, select: str, keys: tuple[str, ...], *, begin: str = "") -> None:
        """``select`` ends in conditions; ``begin`` is a condition on the first key, which all later rows meet as well.

        It is only in the statement of the first page; otherwise SQLite would start there for every page.
        """
        self._keys = keys
        end = f" ORDER BY {', '.join(keys)} LIMIT :at_most"
        self._statements = [
            Statement(f"{select}{_beyond(keys, level) or begin}{end}") for level in range(len(keys) + 1)
        ]

    def read(self, connection: Connection, place: Place, at_most: int, **values: Any) -> tuple[list[Any], Place | None]:
        """Return up to ``at_most`` rows from this place on, possibly none, and where to continue; None at the end."""
        known = {f"key{number}": key for number, key in enumerate(place.keys[: place.level])}
        rows = self._statements[place.level].run(connection, at_most=at_most, **known, **values).all()
        if len(rows) == at_most:
            return rows, Place(tuple(getattr(rows[-1], key) for key in self._keys), len(self._keys))
        return rows, Place(place.keys, place.level - 1) if place.level > 1 else None


def _beyond(keys: tuple[str, ...], level: int) -> str:
    conditions = [f"{key} = :key{number}" for number, key in enumerate(keys[: max(0, level - 1)])]
    if level:
        conditions.append(f"{keys[level - 1]} > :key{level - 1}")
    return "".join(f" AND {condition}" for condition in conditions)
