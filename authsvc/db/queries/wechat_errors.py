"""Queries on failed calls to WeChat, counted by hour, mini program, endpoint and kind of error."""

from collections.abc import Mapping

from sqlalchemy import Connection

from authsvc.db.deletion import Deletion
from authsvc.db.statements import Statement
from authsvc.values.wechat import WeChatErrorCount, WeChatErrorKind

# More kinds than WeChat has: the answer stays small whatever happened.
_MOST = 200
_VALUES = (
    "INSERT INTO wechat_errors (hour, appid, endpoint, error, errcode, calls)"
    " VALUES (:hour, :appid, :endpoint, :error, :errcode, :calls)"
)
_ADD = Statement(
    f"{_VALUES} ON CONFLICT (hour, appid, endpoint, error, errcode) DO UPDATE SET calls = calls + excluded.calls",
    mysql=f"{_VALUES} ON DUPLICATE KEY UPDATE calls = calls + VALUES(calls)",
)
_SINCE = Statement(
    "SELECT appid, endpoint, error, errcode, SUM(calls) AS calls, MAX(hour) AS latest FROM wechat_errors"
    f" WHERE hour >= :since GROUP BY appid, endpoint, error, errcode ORDER BY calls DESC, endpoint LIMIT {_MOST}"
)
_BY_HOUR = Statement(
    "SELECT hour, SUM(calls) AS calls FROM wechat_errors WHERE hour >= :since GROUP BY hour ORDER BY hour"
)
_DELETE_OLD = Deletion("wechat_errors", "hour < :before")


def add(connection: Connection, counted: Mapping[tuple[int, WeChatErrorKind], int]) -> None:
    """Add to the counts, by hour (seconds UTC of its beginning) and kind."""
    # In one order, so that two workers at once do not deadlock.
    for hour, kind in sorted(counted):
        values = {"appid": kind.appid, "endpoint": kind.endpoint, "error": kind.error, "errcode": kind.errcode}
        _ADD.run(connection, hour=hour, calls=counted[hour, kind], **values)


def since(connection: Connection, hour: int) -> list[WeChatErrorCount]:
    """Return the counts of every kind from this hour on, the most frequent first."""
    return [
        WeChatErrorCount(WeChatErrorKind(row.appid, row.endpoint, row.error, row.errcode), int(row.calls), row.latest)
        for row in _SINCE.run(connection, since=hour)
    ]


def by_hour(connection: Connection, hour: int) -> dict[int, int]:
    """Return how many calls failed in each hour from this one on; hours without are left out."""
    return {row.hour: int(row.calls) for row in _BY_HOUR.run(connection, since=hour)}


def delete_old(connection: Connection, before: int) -> int:
    """Delete some counts of hours that began before that time; return how many, 0 if none is left."""
    return _DELETE_OLD.run(connection, before)
