"""gunicorn's configuration for authsvc. GUNICORN_CMD_ARGS and the command line override it."""

import errno
import gc
import os
import shutil
import socket
import sys
import time
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from authsvc import context, cpus
from authsvc.config import BadSettings, Settings
from authsvc.config.source import variables
from authsvc.db import sqlitefile
from authsvc.db.sqlitefile import UnfitDatabase
from authsvc.serving import beginning, wire
from authsvc.serving.accesslog import AccessLog
from authsvc.signing.keyring import key_source
from authsvc.signing.keyset import BadKeys

wire.change()

# flask run reads .env by itself, gunicorn does not. Without this, the two would start with different settings.
try:
    _env = {name: value for name, value in variables().items() if value}
except BadSettings as _problem:
    sys.exit(f"authsvc does not start:\n{_problem}")

wsgi_app = "authsvc.wsgi:app"
# Clients from other machines come through a proxy, unless an operator decides otherwise.
try:
    _host = ip_address(_env.get("BIND", "127.0.0.1").strip("[]"))
except ValueError:
    sys.exit("authsvc does not start:\nBIND must be an IP address to listen on, such as 127.0.0.1, 0.0.0.0 or ::")
bind = f"{_host if _host.version == 4 else f'[{_host}]'}:{_env.get('PORT', '8000')}"
# The processors that the container may use; more workers would only share their time.
workers = _env.get("WEB_CONCURRENCY", str(cpus.available()))
for _name, _value, _most in (("PORT", _env.get("PORT", "8000"), 65535), ("WEB_CONCURRENCY", workers, 10_000)):
    if not (_value.isascii() and _value.isdigit() and len(_value) < 9 and 1 <= int(_value) <= _most):
        sys.exit(f"authsvc does not start:\n{_name} must be a whole number from 1 to {_most}")
if _env.get("ACCESS_LOG", "0") not in ("0", "1"):
    sys.exit("authsvc does not start:\nACCESS_LOG must be one of 0, 1")

# Chosen by measurement (docs/decisions.md): waiting for WeChat costs a greenlet nothing, but occupies a thread.
# Never with --preload: gevent must patch before ssl is in use, or every call to WeChat fails.
worker_class = "gevent"
worker_connections = 2000
preload_app = False

timeout = 30
graceful_timeout = 30
keepalive = 75
# Every line of gunicorn has the format of all others (docs/logs.md).
logger_class = AccessLog
accesslog = "-" if _env.get("ACCESS_LOG", "0") == "1" else None
# No client header may choose path, scheme or script name, not even from this machine, where a proxy may pass it on.
# authsvc itself interprets X-Forwarded-For (TRUSTED_PROXIES).
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
header_map = "drop"
# A file sent by the kernel would overtake its headers (``_OneSend``); authsvc does not use that.
sendfile = False
control_socket_disable = True
# The garbage collector's thresholds (docs/decisions.md). Collections cost 0.01 ms per login, with Python's thresholds
# 0.06; and with 1,000 logins in flight, the longest one stops a worker for 30 ms instead of 130.
_COLLECT = (2000, 2, 100)
# More than any body that authsvc reads (a little over 2 MB).
_MOST_REST = 4 * 1024 * 1024


def on_starting(server: object) -> None:
    """Refuse to start with bad settings, keys or folders, with one clear message instead of a traceback per worker."""
    given = beginning.names_given()
    try:
        settings = Settings.from_env()
        key_source(settings.instance_path, settings.jwt_private_key, settings.jwt_private_key_file).load()
        sqlitefile.prepare(settings.database_url)
    except (BadSettings, BadKeys, UnfitDatabase) as problems:
        sys.exit(f"authsvc does not start:\n{problems}")
    # The workers read it: each allows its share of a rate limit if nothing counts for all of them.
    os.environ["WEB_CONCURRENCY"] = str(getattr(server, "cfg").workers)  # noqa: B009
    _refuse_a_taken_address(getattr(server, "cfg"))  # noqa: B009
    try:
        _begin_to_count(settings.instance_path / "metrics")
    except OSError as error:
        sys.exit(f"authsvc does not start:\nINSTANCE_PATH: metrics cannot be created in it: {error.strerror}")
    if "WX_MAX_IN_FLIGHT" not in _env:
        os.environ["WX_MAX_IN_FLIGHT"] = str(_calls_to_wechat(getattr(server, "cfg")))  # noqa: B009
    beginning.tell(settings, getattr(server, "cfg"), given)  # noqa: B009


def _refuse_a_taken_address(cfg: Any) -> None:
    """Report immediately that the port is in use; gunicorn would try for five seconds and name no setting."""
    if cfg.reuse_port or "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ:
        return  # the previous master, or systemd, has opened the socket for us
    for address in cfg.address:
        if not isinstance(address, tuple):
            continue
        with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(address)
                probe.listen(1)
            except OSError as error:
                setting = "BIND" if error.errno == errno.EADDRNOTAVAIL else "PORT"
                place, reason = f"{address[0]} port {address[1]}", os.strerror(error.errno or 0)
                sys.exit(f"authsvc does not start:\nit cannot listen on {place} ({setting}, or --bind): {reason}")


def _begin_to_count(folder: Path) -> None:
    """Create the folder for the metrics of this master's workers, and remove those of masters that have ended.

    Each master has its own folder, because during an upgrade an old and a new master run side by side.
    """
    for former in folder.glob("*"):
        if former.name == str(os.getpid()) or not Path("/proc", former.name).exists():
            shutil.rmtree(former, ignore_errors=True)
    mine = folder / str(os.getpid())
    mine.mkdir(parents=True, mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(mine)


def _calls_to_wechat(cfg: Any) -> int:
    """Three quarters of a worker's concurrency: when WeChat is slow, the rest still answers everything else.

    The default of twelve suits sixteen threads. With greenlets, which cost nothing while they wait, it would refuse
    most of a crowd: 152 of 200 simultaneous logins on four workers (measured).
    """
    places: int = cfg.worker_connections if "gevent" in str(cfg.worker_class_str) else cfg.threads
    return max(1, places * 3 // 4)


def pre_request(worker: object, request: Any) -> None:
    """Close the connection after a body that nobody will read to its end; gunicorn would read it, however long."""
    for name, value in request.headers:
        if name == "TRANSFER-ENCODING" or (name == "CONTENT-LENGTH" and int(value) > _MOST_REST):
            request.force_close()


def post_request(worker: object, request: object, environ: object, response: object) -> None:
    """Let other requests run; otherwise a thousand requests that came at once would all be answered first.

    The connection's next request may be refused before it has an id, so this one's is forgotten.
    """
    context.clear()
    time.sleep(1e-6)  # not 0: gevent would check other sockets only every fifty such turns


def when_ready(server: object) -> None:
    """Refuse the one combination that breaks every call to WeChat."""
    if getattr(server, "cfg").preload_app and "gevent" in str(getattr(server, "cfg").worker_class_str):  # noqa: B009
        sys.exit("authsvc does not start: gevent and --preload do not go together")
    gc.freeze()  # a collection would write to what the workers share


def post_fork(server: object, worker: object) -> None:
    """Collect no garbage while the app is loaded: there is little, and it would be looked for among all that stays."""
    gc.disable()


def post_worker_init(worker: Any) -> None:
    """Exempt what is loaded now from garbage collection, and collect in larger portions from here on."""
    worker.wsgi.extensions["authsvc-keep-watching"]()
    if worker.age == 1:  # the first one of this master speaks for all
        beginning.tell_of_database(worker.wsgi.extensions["authsvc-database"])
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    gc.enable()


def child_exit(server: object, worker: object) -> None:
    """Forget what an ended worker was doing; what it has counted stays. Nothing here may import ``metrics``."""
    for left in Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]).glob(f"gauge_live*_{getattr(worker, 'pid')}.db"):  # noqa: B009
        left.unlink(missing_ok=True)


def on_exit(server: object) -> None:
    """Remove the metrics."""
    shutil.rmtree(os.environ.get("PROMETHEUS_MULTIPROC_DIR", ""), ignore_errors=True)
