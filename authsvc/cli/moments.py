"""Reads and prints times on the command line, in UTC; but codes expire by China's calendar."""

import re
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import click

from authsvc.clock import DAY, HOUR

_AGO = re.compile(r"(\d{1,6})([smhd])\Z")
_CHINA = timezone(timedelta(hours=8))
_SECONDS = {"s": 1, "m": 60, "h": HOUR, "d": DAY}


class Since(click.ParamType[int]):
    """A time in the past: an ISO 8601 date or time (UTC), or how long ago; seconds UTC."""

    name = "moment"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return seconds since 1970 UTC; ends the command with usage help for anything else."""
        if isinstance(value, int):
            return value
        if match := _AGO.match(value):
            return int(time.time()) - int(match[1]) * _SECONDS[match[2]]
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time; write 2026-11-20, 2026-11-20T08:00:00Z, or 12h", param, ctx)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def utc(moment: int | None) -> str:
    """Return a time (seconds UTC) in ISO 8601, or - for none."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) if moment else "-"


def expiry(text: str) -> int:
    """Return the time in a text, in seconds UTC; raises ValueError.

    A day (``2027-03-31``) means its end in China; a time needs an offset (``2027-03-31T18:00+08:00``).
    """
    moment = datetime.fromisoformat(text)
    if len(text) == len("2027-03-31"):
        return int((moment.replace(tzinfo=_CHINA) + timedelta(days=1)).timestamp())
    if moment.tzinfo is None:
        raise ValueError("a time without an offset from UTC")
    return int(moment.timestamp())


def in_china(moment: int | None) -> str:
    """Return a time (seconds UTC) in the form that ``expiry`` reads; empty for none."""
    return "" if moment is None else datetime.fromtimestamp(moment, _CHINA).isoformat()


class Expiry(click.ParamType[int]):
    """A future time, as ``expiry`` reads it."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return seconds since 1970 UTC; ends the command with usage help for anything else."""
        if isinstance(value, int):
            return value
        try:
            moment = expiry(value)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is neither a day (2027-03-31) nor a time (2027-03-31T18:00+08:00)", param, ctx)
        if moment <= time.time():
            self.fail(f"{value!r} is in the past", param, ctx)
        return moment
