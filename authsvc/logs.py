"""Logging: one format for every line and every library, and nothing secret in it.

A line of a request has the request's id in a field, whoever logs it: the web room, the client of WeChat, the database,
gunicorn. What else is known as fields is passed as ``extra``; JSON has all of it, and text the fields of ``_IN_TEXT``.

The root handlers remove secrets from the finished text of a record, including its traceback. No call site has to
remember it, and libraries that log a whole URL (urllib3 does, with AppSecret in its query) are covered.

Much of the logged text comes from strangers, and every worker searches it between two requests. So a record is cut
before it is searched, and the search takes linear time.
"""

import json
import logging
import logging.config
import re
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from pythonjsonlogger.json import JsonFormatter

from authsvc import context

logger = logging.getLogger(__name__)

MASK = "***"

# In characters. An argument is, for example, the path of a request; a traceback is the longest text of a record.
_MOST_ARGUMENT = 2_000
_MOST_MESSAGE = 6_000
_MOST_TRACEBACK = 20_000
_MOST = {"message": _MOST_TRACEBACK, "exc_info": _MOST_TRACEBACK, "stack_info": _MOST_TRACEBACK}
_CUT = "…"
# Fields that text shows behind the message, in this order. The others repeat what the message says.
_IN_TEXT = ("bytes", "ms", "address", "user_agent", "app", "request_id")
# A value that needs no quotes among others.
_PLAIN = re.compile(r"[!#-<>-~]+")

# name=value in queries and forms, "name": "value" in JSON (also escaped once more), and bearer tokens anywhere. If a
# text was cut, the rest of a value is masked too. No expression may read text twice that a stranger can repeat: the
# beginning of an expression is not repeated, and a repeated part is followed by something different, or by anything.
_NAMES = (
    "secret|appsecret|access_token|refresh_token|session_key|js_code|code|platCode|phoneCode|encryptedData|iv|"
    "rawData|signature|password|phoneNumber|purePhoneNumber|openid|openId|unionid|unionId|idempotency_key"
)
# Most texts contain none of this: an expression is only tried on a text with its ``needle``, in lower case.
_PATTERNS: tuple[tuple[str, re.Pattern[str], str], ...] = (
    ("=", re.compile(rf"\b({_NAMES})=[^&\s\"'<>]+"), rf"\1={MASK}"),
    (":", re.compile(rf"""(["'](?:{_NAMES})\\*["']\s*:\s*\\*["'])(?:[^"'\\]|\\++[^"'\\])+"""), rf"\1{MASK}"),
    ("bearer", re.compile(r"\b(bearer)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {MASK}"),
    (
        "basic",
        re.compile(rf"\b(basic)\s+(?:[A-Za-z0-9+/]{{16,}}=*|[A-Za-z0-9+/]+(?={_CUT}))", re.IGNORECASE),
        rf"\1 {MASK}",
    ),
    # A JWT, or its beginning.
    ("eyj", re.compile(r"\beyJ[\w-]+(?:\.[\w-]+)*=*"), MASK),
)
# Control characters for terminals and log collectors: a path with %0A must not become a separate line.
_CONTROLS = {code: f"\\u{code:04x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}


class Scrubber:
    """Removes known secret values, and everything that looks like a secret, from a text."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        spellings = {spelling for secret in secrets if len(secret) >= 8 for spelling in _spellings(secret)}
        self._secrets = tuple(sorted(spellings, key=len, reverse=True))

    def cut(self, text: str, most: int) -> str:
        """Return at most ``most`` characters of ``text``, and how many more there were; never cuts through a secret."""
        if len(text) <= most:
            return text
        end = most
        while begins := self._across(text, end):
            end = min(begins)
        return f"{text[:end]}{_CUT} ({len(text) - end} more)"

    def _across(self, text: str, end: int) -> list[int]:
        """Return where the secrets begin that a cut at ``end`` would split."""
        places = (text.find(secret, max(0, end - len(secret) + 1), end + len(secret) - 1) for secret in self._secrets)
        return [place for place in places if place >= 0]

    def scrub(self, text: str) -> str:
        """Return ``text`` with every secret replaced by ``***``."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        lowered = text.lower()
        for needle, pattern, replacement in _PATTERNS:
            if needle in lowered:
                text = pattern.sub(replacement, text)
        return text


def _spellings(secret: str) -> set[str]:
    """Return the forms of a secret: a password is percent-encoded in a URL, a PEM key has escaped newlines in JSON."""
    in_json = (json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    return {secret, quote(secret, safe=""), quote(secret), *in_json}


class _CutArguments:
    """The named arguments of a record (gunicorn's access log has them), each cut on access."""

    def __init__(self, arguments: Mapping[str, object], scrubber: Scrubber) -> None:
        self._arguments = arguments
        self._scrubber = scrubber

    def __getitem__(self, name: str) -> object:
        return _argument(self._arguments[name], self._scrubber)


def _argument(value: object, scrubber: Scrubber) -> object:
    return scrubber.cut(value, _MOST_ARGUMENT) if isinstance(value, str) else value


def _bounded(record: logging.LogRecord, scrubber: Scrubber) -> logging.LogRecord:
    """Return a separate record for one handler, with a finished message of limited length."""
    bounded = logging.makeLogRecord(record.__dict__)
    for name, known in (("app", context.appid.get()), ("request_id", context.request_id.get())):
        if known:
            bounded.__dict__.setdefault(name, known)
    if record.args and isinstance(record.args, Mapping):
        bounded.args = _CutArguments(record.args, scrubber)  # type: ignore[assignment]  # all that % asks of it
    elif record.args:
        bounded.args = tuple(_argument(value, scrubber) for value in record.args)
    bounded.msg, bounded.args = scrubber.cut(bounded.getMessage(), _MOST_MESSAGE), ()
    if record.exc_text:
        bounded.exc_text = scrubber.cut(record.exc_text, _MOST_TRACEBACK)
    return bounded


def shown(value: object) -> str:
    """Return a value as text shows it: in quotes, if it could be taken for more than one value."""
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False).translate(_CONTROLS)


def _time(record: logging.LogRecord) -> str:
    """Return when a record was made, in local time with its offset (ISO 8601)."""
    return datetime.fromtimestamp(record.created, UTC).astimezone().isoformat(timespec="milliseconds")


class _ScrubbingJsonFormatter(JsonFormatter):
    def __init__(self, scrubber: Scrubber) -> None:
        super().__init__(
            "{asctime}{levelname}{process}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "process": "pid", "name": "logger"},
            json_ensure_ascii=False,
        )
        self._scrubber = scrubber

    def format(self, record: logging.LogRecord) -> str:
        return self._scrubber.scrub(super().format(_bounded(record, self._scrubber))).translate(_CONTROLS)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _time(record)

    def formatException(self, ei: Any) -> str:
        return self._scrubber.cut(str(super().formatException(ei)), _MOST_TRACEBACK)

    def formatStack(self, stack_info: str) -> str:
        return self._scrubber.cut(str(super().formatStack(stack_info)), _MOST_TRACEBACK)

    def process_log_record(self, log_data: dict[str, Any]) -> dict[str, Any]:
        """Cut additional values of a library too, and turn them into text unless they are short by nature."""
        return {name: self._short(value, _MOST.get(name, _MOST_ARGUMENT)) for name, value in log_data.items()}

    def _short(self, value: object, most: int) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        return self._scrubber.cut(value if isinstance(value, str) else repr(value), most)


class _ScrubbingTextFormatter(logging.Formatter):
    def __init__(self, scrubber: Scrubber) -> None:
        super().__init__("{asctime} {levelname:<7} {process} {name}: {message}{fields}", style="{")
        self._scrubber = scrubber

    def format(self, record: logging.LogRecord) -> str:
        return self._scrubber.scrub(super().format(_bounded(record, self._scrubber)))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return _time(record)

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.translate(_CONTROLS)
        fields = ((name, record.__dict__[name]) for name in _IN_TEXT if name in record.__dict__)
        record.fields = "".join(f" {name}={shown(_argument(value, self._scrubber))}" for name, value in fields)
        return super().formatMessage(record)

    def formatException(self, ei: Any) -> str:
        return self._scrubber.cut(super().formatException(ei), _MOST_TRACEBACK)

    def formatStack(self, stack_info: str) -> str:
        return self._scrubber.cut(super().formatStack(stack_info), _MOST_TRACEBACK)


class _Stderr(logging.StreamHandler[Any]):
    """The handler for all records. The library's own error report for a failed record would print its arguments."""

    def handleError(self, record: logging.LogRecord) -> None:
        if record.name == __name__:
            return  # stderr itself is closed or full, which must not make a request fail
        kind = getattr(sys.exc_info()[0], "__name__", "error")
        place = f"{record.filename}:{record.lineno}"
        said = "a record of %s could not be written: %s at %s"
        self.emit(logging.LogRecord(__name__, logging.ERROR, "", 0, said, (record.name, kind, place), None))


class _RowFilter(logging.Filter):
    """Drop SQLAlchemy's DEBUG records: they contain every fetched row, with encrypted keys and openids."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.name.startswith("sqlalchemy.") and record.levelno == logging.DEBUG)


def configure(level: str, style: str, secrets: tuple[str, ...] = ()) -> None:
    """Send every logger of the process to stderr in one format without secrets.

    ``style`` is ``json``, ``text``, or ``auto``: text if a person reads it on a terminal, otherwise JSON.
    """
    is_text = style == "text" or (style == "auto" and sys.stderr.isatty())
    formatter = f"{__name__}.{'_ScrubbingTextFormatter' if is_text else '_ScrubbingJsonFormatter'}"
    logging.config.dictConfig(_dict_config(level, formatter, Scrubber(secrets)))
    logging.captureWarnings(True)
    threading.excepthook = _report_thread


def _report_thread(died: threading.ExceptHookArgs) -> None:
    """Log what ended a thread; Python would print it past the handler, with whatever is in its text."""
    if died.exc_type is SystemExit or died.exc_value is None:
        return
    told = (died.exc_type, died.exc_value, died.exc_traceback)
    logger.error("a thread has ended: %s", died.exc_type.__name__, exc_info=told)


def _dict_config(level: str, formatter: str, scrubber: Scrubber) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"scrubbed": {"()": formatter, "scrubber": scrubber}},
        "filters": {"no_rows": {"()": _RowFilter}},
        "handlers": {"stderr": {"class": f"{__name__}._Stderr", "formatter": "scrubbed", "filters": ["no_rows"]}},
        "root": {"level": level, "handlers": ["stderr"]},
        # gunicorn gives its loggers their own handlers; ours replaces them.
        "loggers": {
            "gunicorn.error": {"level": level, "handlers": [], "propagate": True},
            # It logs its import at INFO.
            "alembic.runtime.plugins": {"level": "WARNING"},
            "gunicorn.access": {"level": "INFO", "handlers": [], "propagate": True},
        },
    }
