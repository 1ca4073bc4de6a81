"""Logging: one format for every library, and nothing secret in it.

Secrets are removed from the finished text of a record, traceback included, at the handlers of the root: no call
site has to remember it, and a library that logs a whole URL (urllib3 does, with AppSecret in its query) is covered.
"""

import json
import logging
import logging.config
import re
import sys
from typing import Any
from urllib.parse import quote

from pythonjsonlogger.json import JsonFormatter

MASK = "***"

# name=value in queries and forms, "name": "value" in JSON (also escaped once more), and bearer tokens anywhere.
_NAMES = (
    "secret|appsecret|access_token|refresh_token|session_key|js_code|code|platCode|phoneCode|encryptedData|iv|"
    "rawData|signature|password|phoneNumber|purePhoneNumber|openid|openId|unionid|unionId|idempotency_key"
)
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(rf"\b({_NAMES})=[^&\s\"'<>]+"), rf"\1={MASK}"),
    (re.compile(rf"""(\\*["'](?:{_NAMES})\\*["']\s*:\s*\\*["'])[^"'\\]+"""), rf"\1{MASK}"),
    (re.compile(r"\b(bearer)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\b(basic)\s+[A-Za-z0-9+/]{16,}=*", re.IGNORECASE), rf"\1 {MASK}"),
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+=*"), MASK),
)
# What a terminal or a collector of lines obeys: a path with %0A in it must not become a line of its own.
_CONTROLS = {code: f"\\u{code:04x}" for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)}


class Scrubber:
    """Removes known secret values and everything that looks like one from a text."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        spellings = {spelling for secret in secrets if len(secret) >= 8 for spelling in _spellings(secret)}
        self._secrets = tuple(sorted(spellings, key=len, reverse=True))

    def scrub(self, text: str) -> str:
        """Return ``text`` with every secret replaced by ``***``."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


def _spellings(secret: str) -> set[str]:
    """A password is percent-encoded in an address, a PEM key has its newlines escaped in JSON."""
    in_json = (json.dumps(secret, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False))
    return {secret, quote(secret, safe=""), quote(secret), *in_json}


class _ScrubbingJsonFormatter(JsonFormatter):
    def __init__(self, scrubber: Scrubber) -> None:
        super().__init__(
            "{asctime}{levelname}{name}{message}",
            style="{",
            rename_fields={"asctime": "time", "levelname": "level", "name": "logger"},
            json_ensure_ascii=False,
        )
        self._scrubber = scrubber

    def format(self, record: logging.LogRecord) -> str:
        return self._scrubber.scrub(super().format(record)).translate(_CONTROLS)


class _ScrubbingTextFormatter(logging.Formatter):
    def __init__(self, scrubber: Scrubber) -> None:
        super().__init__("{asctime} {levelname:<7} {name}: {message}", style="{")
        self._scrubber = scrubber

    def format(self, record: logging.LogRecord) -> str:
        return self._scrubber.scrub(super().format(record))

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = record.message.translate(_CONTROLS)
        return super().formatMessage(record)


class _Stderr(logging.StreamHandler[Any]):
    """Where everything goes. The library's own report of a record that cannot be written would print its arguments."""

    def handleError(self, record: logging.LogRecord) -> None:
        if record.name == __name__:
            return  # stderr itself is gone or full: no request fails for that
        kind = getattr(sys.exc_info()[0], "__name__", "error")
        place = f"{record.filename}:{record.lineno}"
        said = "a record of %s could not be written: %s at %s"
        self.emit(logging.LogRecord(__name__, logging.ERROR, "", 0, said, (record.name, kind, place), None))


class _RowFilter(logging.Filter):
    """SQLAlchemy prints every fetched row at DEBUG: sealed keys and openids have no place in a log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return not (record.name.startswith("sqlalchemy.") and record.levelno == logging.DEBUG)


def configure(level: str, style: str, secrets: tuple[str, ...] = ()) -> None:
    """Send every logger of the process to stderr in one scrubbed format (``json`` or ``text``)."""
    formatter = f"{__name__}.{'_ScrubbingJsonFormatter' if style == 'json' else '_ScrubbingTextFormatter'}"
    logging.config.dictConfig(_dict_config(level, formatter, Scrubber(secrets)))


def _dict_config(level: str, formatter: str, scrubber: Scrubber) -> dict[str, Any]:
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"scrubbed": {"()": formatter, "scrubber": scrubber}},
        "filters": {"no_rows": {"()": _RowFilter}},
        "handlers": {"stderr": {"class": f"{__name__}._Stderr", "formatter": "scrubbed", "filters": ["no_rows"]}},
        "root": {"level": level, "handlers": ["stderr"]},
        # gunicorn gives its loggers handlers of their own; ours replaces them.
        "loggers": {
            "gunicorn.error": {"level": level, "handlers": [], "propagate": True},
            # Says at INFO that it was imported.
            "alembic.runtime.plugins": {"level": "WARNING"},
            "gunicorn.access": {"level": "INFO", "handlers": [], "propagate": True},
        },
    }
