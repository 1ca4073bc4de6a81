"""Logging: one format for every library, and nothing secret in it.

Secrets are removed from the finished text of a record, traceback included, at the handlers of the root: no call
site has to remember it, and a library that logs a whole URL (urllib3 does, with AppSecret in its query) is covered.
"""

import logging
import logging.config
import re
from typing import Any

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
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+=*"), MASK),
)


class Scrubber:
    """Removes known secret values and everything that looks like one from a text."""

    def __init__(self, secrets: tuple[str, ...] = ()) -> None:
        self._secrets = tuple(sorted((s for s in secrets if len(s) >= 8), key=len, reverse=True))

    def scrub(self, text: str) -> str:
        """Return ``text`` with every secret replaced by ``***``."""
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        for pattern, replacement in _PATTERNS:
            text = pattern.sub(replacement, text)
        return text


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
        return self._scrubber.scrub(super().format(record))


class _ScrubbingTextFormatter(logging.Formatter):
    def __init__(self, scrubber: Scrubber) -> None:
        super().__init__("{asctime} {levelname:<7} {name}: {message}", style="{")
        self._scrubber = scrubber

    def format(self, record: logging.LogRecord) -> str:
        return self._scrubber.scrub(super().format(record))


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
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "scrubbed", "filters": ["no_rows"]}},
        "root": {"level": level, "handlers": ["stderr"]},
        # gunicorn gives its loggers handlers of their own; ours replaces them.
        "loggers": {
            "gunicorn.error": {"level": level, "handlers": [], "propagate": True},
            # Says at INFO that it was imported.
            "alembic.runtime.plugins": {"level": "WARNING"},
            "gunicorn.access": {"level": "INFO", "handlers": [], "propagate": True},
        },
    }
