"""Moments on the command line: how they are read and printed. Always UTC."""

import re
import time
from datetime import UTC, datetime
from typing import Any

import click

_AGO = re.compile(r"(\d{1,6})([smhd])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class Since(click.ParamType[int]):
    """A moment in the past: a date or time as ISO 8601 writes it (UTC), or how long ago; seconds UTC."""

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
            self.fail(f"{value!r} is no moment: write 2026-11-20, 2026-11-20T08:00:00Z, or 12h", param, ctx)
        return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def utc(moment: int | None) -> str:
    """Return a moment (seconds UTC) as ISO 8601 writes it, or - for none."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment)) if moment else "-"
