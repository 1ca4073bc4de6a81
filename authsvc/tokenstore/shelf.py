"""The shelf: a place that all workers of a deployment share, with a lock per mini program."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, cast, get_args

from authsvc.values.wechat import ACCESS_TOKEN, TokenApi

FailureKind = Literal["misconfigured", "quota", "unavailable"]

# No access_token lives longer, apart from a clock that is a minute off. A longer lifetime is not believed.
MAX_LIFE_SECONDS = 7200.0
CLOCK_SLACK_SECONDS = 60.0
# While fetches fail, one is made in this many seconds. After correcting the secret, an operator waits no longer.
FAILURE_SECONDS: dict[FailureKind, float] = {"misconfigured": 30.0, "quota": 60.0, "unavailable": 3.0}
# A token has 136 to 512 characters. Anything larger than this is not a record of authsvc.
MAX_RECORD_BYTES = 8192

_TOKEN = re.compile(rf"{ACCESS_TOKEN}\Z")
_SERIAL = re.compile(r"[0-9a-f]{16}\Z")


class ShelfUnavailable(Exception):
    """The shelf cannot be read, written or locked at the moment. The text is for the log, without any content."""


class Unfit(ValueError):
    """The content of the shelf is not a valid record. The text gives the reason, never the content."""


@dataclass(frozen=True, slots=True)
class Record:
    """One access_token on the shelf.

    ``serial`` (16 hex digits) names the fetch that brought it. ``remaining`` and ``age`` are seconds at the moment of
    reading, as the shelf counts them. ``replaced_at`` are the times (seconds UTC) of the last fetches that were
    made because a token had been rejected.
    """

    token: str = field(repr=False)
    source: TokenApi
    serial: str
    remaining: float
    age: float = 0.0
    replaced_at: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed fetch, remembered so that not every waiter repeats it. ``age`` in seconds; errmsg is WeChat's text."""

    kind: FailureKind
    detail: str
    errcode: int | None = None
    errmsg: str = ""
    age: float = 0.0


class Shelf(Protocol):
    """Stores records. Every method raises ShelfUnavailable if the shelf fails, and nothing else."""

    name: str

    def read(self, appid: str, *, hurry: bool) -> Record | None:
        """Return the record, or None if there is no complete, valid and live one.

        With ``hurry`` the caller still has a token, and prefers a refusal to waiting.
        """
        ...

    def write(self, appid: str, record: Record) -> None:
        """Replace the stored record atomically. Only the holder of the lock may call this."""
        ...

    def read_failure(self, appid: str) -> Failure | None:
        """Return the last failed fetch, until its time is over."""
        ...

    def write_failure(self, appid: str, failure: Failure, seconds: float) -> None:
        """Remember a failed fetch for ``seconds``."""
        ...

    def forget_failure(self, appid: str) -> None:
        """Forget the last failed fetch."""
        ...

    def lock(self, appid: str, seconds: float) -> Callable[[], None] | None:
        """Take the lock, waiting up to ``seconds`` (0: one try). Return what releases it, or None if it was not
        obtained.

        It excludes every other holder, also in this process, and is released if its holder dies.
        """
        ...


def record_text(appid: str, record: Record, now: float) -> str:
    """Return the record as the JSON that both shelves store."""
    values = {
        "appid": appid,
        "access_token": record.token,
        "source": record.source,
        "serial": record.serial,
        "fetched_at": now - record.age,
        "expires_at": now + record.remaining,
        "replaced_at": list(record.replaced_at),
    }
    return json.dumps(values)


def read_record(appid: str, text: str | bytes, now: float, remaining: float | None = None) -> Record | None:
    """Return the record in ``text``, or None if it has expired.

    ``remaining`` is the lifetime that the shelf itself reports; without it, ``expires_at`` decides. Raises Unfit for
    anything that a working authsvc with a working clock would not have written for this ``appid``.
    """
    values = _values(appid, text)
    token, serial, source = values.get("access_token"), values.get("serial"), values.get("source")
    if not isinstance(token, str) or not _TOKEN.match(token):
        raise Unfit("no token in it")
    if not isinstance(serial, str) or not _SERIAL.match(serial) or source not in get_args(TokenApi):
        raise Unfit("fields missing")
    fetched_at, expires_at = _seconds(values.get("fetched_at")), _seconds(values.get("expires_at"))
    left = expires_at - now if remaining is None else remaining
    if left > MAX_LIFE_SECONDS + CLOCK_SLACK_SECONDS:
        raise Unfit("it expires in the far future")
    replaced_at = values.get("replaced_at")
    times = tuple(_seconds(at) for at in replaced_at) if isinstance(replaced_at, list) else ()
    if left <= 0:
        return None
    age = max(0.0, now - fetched_at)
    return Record(token, cast(TokenApi, source), serial, min(left, MAX_LIFE_SECONDS), age, times)


def failure_text(appid: str, failure: Failure, now: float, seconds: float) -> str:
    """Return the failure as the JSON that both shelves store."""
    values = {
        "appid": appid,
        "kind": failure.kind,
        "detail": failure.detail,
        "errcode": failure.errcode,
        "errmsg": failure.errmsg,
        "failed_at": now,
        "until": now + seconds,
    }
    return json.dumps(values, ensure_ascii=False)


def read_failure(appid: str, text: str | bytes, now: float, *, shelf_forgets: bool = False) -> Failure | None:
    """Return the failure in ``text``, or None if its time is over. Raises Unfit.

    With ``shelf_forgets``, the shelf itself drops it in time; otherwise ``until`` decides. An ``until`` further ahead
    than any failure is remembered means that a clock was changed, so it is not believed.
    """
    values = _values(appid, text)
    kind, errcode = values.get("kind"), values.get("errcode")
    if kind not in get_args(FailureKind) or type(errcode) not in (int, type(None)):
        raise Unfit("fields missing")
    left = _seconds(values.get("until")) - now
    if not shelf_forgets and not 0 < left <= max(FAILURE_SECONDS.values()) + CLOCK_SLACK_SECONDS:
        return None
    age = max(0.0, now - _seconds(values.get("failed_at")))
    return Failure(cast(FailureKind, kind), str(values.get("detail", "")), errcode, str(values.get("errmsg", "")), age)


def _values(appid: str, text: str | bytes) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        raise Unfit("not JSON") from None
    if not isinstance(values, dict):
        raise Unfit("not a JSON object")
    if values.get("appid") != appid:
        raise Unfit("it belongs to another app")
    return values


def _seconds(value: Any) -> float:
    """Return a plausible number of seconds UTC; NaN, infinity and texts are not plausible."""
    if type(value) not in (int, float) or not 0 <= value < 1e12:
        raise Unfit("a time in it is not a number")
    return float(value)
