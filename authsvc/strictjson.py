"""Strict parsing of JSON from outside: text that two parsers could read differently is refused."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any


def read(text: str, *, fraction: Callable[[str], Any] = float) -> Any:
    """Return the value of a JSON text; ``fraction`` creates numbers with a fraction.

    Raises ValueError for any other text, for a duplicate member, for NaN and Infinity, and for nesting that is too
    deep for Python. 1e400 is valid JSON, but infinite as a float.
    """
    try:
        return _decoder(fraction).decode(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


@cache  # a decoder costs as much to make as a login's few members to read
def _decoder(fraction: Callable[[str], Any]) -> json.JSONDecoder:
    return json.JSONDecoder(parse_constant=_refuse, parse_float=fraction, object_pairs_hook=_unique)


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a duplicate member")
    return members
