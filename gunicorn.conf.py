"""How gunicorn runs authsvc. Read by gunicorn itself; GUNICORN_CMD_ARGS and the command line override it."""

import multiprocessing
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from gunicorn.http.message import Message

from authsvc import logs
from authsvc.config import BadSettings, Settings
from authsvc.config.source import variables
from authsvc.db import sqlitefile
from authsvc.db.sqlitefile import UnfitDatabase
from authsvc.signing.keyring import key_source
from authsvc.signing.keyset import BadKeys

# flask run reads .env by itself, gunicorn does not: without this the two would start differently.
_env = {name: value for name, value in variables().items() if value}

wsgi_app = "wsgi:app"
bind = f"0.0.0.0:{_env.get('PORT', '8000')}"
workers = _env.get("WEB_CONCURRENCY", str(multiprocessing.cpu_count()))
if not (workers.isascii() and workers.isdigit() and int(workers)):
    sys.exit("authsvc does not start:\nWEB_CONCURRENCY is not a number of worker processes")

# Chosen by measurement (docs/decisions.md): waiting for WeChat costs a greenlet nothing, a thread a place.
# Never with --preload: gevent must patch before ssl is in use, or every call to WeChat fails.
worker_class = "gevent"
worker_connections = 2000
preload_app = False

timeout = 30
graceful_timeout = 30
keepalive = 75
# The path without its query: queries of old front ends carry login codes.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms "%(a)s"'
accesslog = "-" if _env.get("ACCESS_LOG", "0") == "1" else None
forwarded_allow_ips = "127.0.0.1,::1"
control_socket_disable = True
# More than any body that is read (2 MB and a little).
_MOST_REST = 4 * 1024 * 1024


class _SmallHead:
    """Bounds what gunicorn collects of a request's head: 100 fields of 8 KB without it.

    It counts the lines of all that it has anew with every packet: 730 KB cost 65 ms at once, and a millisecond for each
    further byte. A proxy that passes on 8 KB of cookies and as many of a token stays well below 64 KB.
    """

    def __set__(self, message: Message, value: int) -> None:
        vars(message)["most"] = min(value, 64 * 1024)

    def __get__(self, message: Message, _: object = None) -> int:
        return int(vars(message)["most"])


Message.max_buffer_headers = _SmallHead()


def on_starting(server: object) -> None:
    """Refuse to start on bad settings or keys, with one clear message instead of one traceback per worker."""
    try:
        settings = Settings.from_env()
        key_source(settings.instance_path, settings.jwt_private_key, settings.jwt_private_key_file).load()
        sqlitefile.prepare(settings.database_url)
    except (BadSettings, BadKeys, UnfitDatabase) as problems:
        sys.exit(f"authsvc does not start:\n{problems}")
    logs.configure(settings.log_level, settings.log_format, settings.secrets)
    # The workers read it: each grants its share of a rate limit where no Redis counts for all.
    os.environ["WEB_CONCURRENCY"] = str(getattr(server, "cfg").workers)  # noqa: B009
    _begin_to_count(settings.instance_path / "metrics")
    if "WX_MAX_IN_FLIGHT" not in _env:
        os.environ["WX_MAX_IN_FLIGHT"] = str(_calls_to_wechat(getattr(server, "cfg")))  # noqa: B009


def _begin_to_count(folder: Path) -> None:
    """Give this master a folder where its workers add up what they count, and remove those of masters that are gone.

    Not one folder for all: during an upgrade an old and a new master run side by side.
    """
    for former in folder.glob("*"):
        if former.name == str(os.getpid()) or not Path("/proc", former.name).exists():
            shutil.rmtree(former, ignore_errors=True)
    mine = folder / str(os.getpid())
    mine.mkdir(parents=True, mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(mine)


def _calls_to_wechat(cfg: Any) -> int:
    """Three quarters of what a worker can do at once: when WeChat is slow, the rest still answers everything else.

    The twelve of the settings are right for sixteen threads. For greenlets they would refuse most of a crowd that
    costs nothing to hold: 152 of 200 simultaneous logins on four workers (measured).
    """
    places: int = cfg.worker_connections if "gevent" in str(cfg.worker_class_str) else cfg.threads
    return max(1, places * 3 // 4)


def pre_request(worker: object, request: Any) -> None:
    """End the connection behind a body that nobody will read to its end: gunicorn would, however long it is."""
    for name, value in request.headers:
        if name == "TRANSFER-ENCODING" or (name == "CONTENT-LENGTH" and int(value) > _MOST_REST):
            request.force_close()


def post_request(worker: object, request: object, environ: object, response: object) -> None:
    """Let others have their turn: else of a thousand requests that came at once each would be answered first."""
    time.sleep(1e-6)  # not 0: gevent would look for what has arrived elsewhere after fifty such turns only


def when_ready(server: object) -> None:
    """Refuse the one combination that breaks every call to WeChat."""
    if getattr(server, "cfg").preload_app and "gevent" in str(getattr(server, "cfg").worker_class_str):  # noqa: B009
        sys.exit("authsvc does not start: gevent and --preload do not go together")


def on_exit(server: object) -> None:
    """Remove what was counted."""
    shutil.rmtree(os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""), ignore_errors=True)
