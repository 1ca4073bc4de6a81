"""JSON of others, read in one way: what two parsers could take for two things is none."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any


def read(text: str, *, fraction: Callable[[str], Any] = float) -> Any:
    """Return the value that a JSON text holds; ``fraction`` makes the numbers that are not whole.

    Raises ValueError for any other text, for a member that comes twice, for NaN and Infinity, and for what nests
    deeper than Python goes. 1e400 is JSON, and infinite as a float.
    """
    try:
        return _decoder(fraction).decode(text)
    except RecursionError:
        raise ValueError("nested too deep") from None


@cache  # a decoder costs as much to make as a login's few members to read
def _decoder(fraction: Callable[[str], Any]) -> json.JSONDecoder:
    return json.JSONDecoder(parse_constant=_refuse, parse_float=fraction, object_pairs_hook=_unique)


def _refuse(name: str) -> Any:
    raise ValueError(name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("a member twice")
    return members
