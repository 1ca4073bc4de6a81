"""Moments as an operator writes and reads them: days of China's calendar, where the mini programs are."""

from datetime import datetime, timedelta, timezone
from typing import Any

import click

_CHINA = timezone(timedelta(hours=8))


def seconds(text: str) -> int:
    """Return the moment that a text names, in seconds UTC; raises ValueError.

    A day (``2027-03-31``) stands for its end in China, a time (``2027-03-31T18:00+08:00``) for itself.
    """
    moment = datetime.fromisoformat(text)
    if len(text) == len("2027-03-31"):
        return int((moment.replace(tzinfo=_CHINA) + timedelta(days=1)).timestamp())
    if moment.tzinfo is None:
        raise ValueError("a time without its offset from UTC")
    return int(moment.timestamp())


def written(moment: int | None) -> str:
    """Return a moment (seconds UTC) as ``seconds`` reads it, China's time; nothing for none."""
    return "" if moment is None else datetime.fromtimestamp(moment, _CHINA).isoformat()


class Expiry(click.ParamType[int]):
    """An option that is a moment to come."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return seconds UTC."""
        if isinstance(value, int):
            return value
        try:
            moment = seconds(str(value))
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a day (2027-03-31) nor a time (2027-03-31T18:00+08:00)", param, ctx)
        if moment <= datetime.now(_CHINA).timestamp():
            self.fail(f"{value!r} is over", param, ctx)
        return moment
