"""gunicorn's log: its own lines and the access log in the format of every other line (``logs.py``)."""

import logging
from datetime import timedelta
from typing import Any

from gunicorn.glogging import Logger

from authsvc import context, logs
from authsvc.config import BadSettings, Settings


class AccessLog(Logger):  # type: ignore[misc]  # gunicorn is not typed
    """gunicorn's logger without handlers of its own; its lines go where all others go."""

    def setup(self, cfg: Any) -> None:
        """Configure the logs before gunicorn's first line, and again when it reloads its configuration."""
        super().setup(cfg)
        try:
            settings = Settings.from_env()
        except BadSettings:  # which gunicorn's configuration reports, and ends
            logs.configure("INFO", "auto")
        else:
            logs.configure(settings.log_level, settings.log_format, settings.secrets)

    def _set_handler(self, *_: Any, **__: Any) -> None:
        """Add none: all records go to the handler of the root logger."""

    def _set_syslog_handler(self, *_: Any, **__: Any) -> None:
        """Likewise."""

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Log one request, without its query: queries of old front ends carry login codes."""
        if not self.access_log_enabled:
            return
        method, path, status = environ.get("REQUEST_METHOD", ""), environ.get("PATH_INFO", ""), _status(resp)
        known = {
            "method": method,
            "path": path,
            "status": status,
            "bytes": getattr(resp, "sent", None) or 0,
            "ms": round(request_time.total_seconds() * 1000, 1),
            "address": environ.get("REMOTE_ADDR", "unknown"),
            "route": environ.get(context.ROUTE, "none"),
            "contract": environ.get(context.CONTRACT, "none"),
            "user_agent": environ.get("HTTP_USER_AGENT", ""),
        }
        if self.access_log.isEnabledFor(logging.INFO):
            self.access_log.info("%s %s %d", method, logs.shown(path), status, extra=known)


def _status(response: Any) -> int:
    return int(str(response.status).split(None, 1)[0])
