"""How gunicorn runs authsvc. Read by gunicorn itself; GUNICORN_CMD_ARGS and the command line override it."""

import errno
import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from gunicorn.http.message import Message
from gunicorn.http.wsgi import Response

from authsvc import cpus, logs
from authsvc.config import BadSettings, Settings
from authsvc.config.source import variables
from authsvc.db import sqlitefile
from authsvc.db.sqlitefile import UnfitDatabase
from authsvc.signing.keyring import key_source
from authsvc.signing.keyset import BadKeys

# flask run reads .env by itself, gunicorn does not: without this the two would start differently.
try:
    _env = {name: value for name, value in variables().items() if value}
except BadSettings as _problem:
    sys.exit(f"authsvc does not start:\n{_problem}")

wsgi_app = "wsgi:app"
# Who is not on this machine comes through a proxy, unless an operator says otherwise.
try:
    _host = ip_address(_env.get("BIND", "127.0.0.1").strip("[]"))
except ValueError:
    sys.exit("authsvc does not start:\nBIND must be an IP address to listen on, such as 127.0.0.1, 0.0.0.0 or ::")
bind = f"{_host if _host.version == 4 else f'[{_host}]'}:{_env.get('PORT', '8000')}"
# What the container may use: a worker for each of the machine's processors would only share the time of the few.
workers = _env.get("WEB_CONCURRENCY", str(cpus.available()))
for _name, _value, _most in (("PORT", _env.get("PORT", "8000"), 65535), ("WEB_CONCURRENCY", workers, 10_000)):
    if not (_value.isascii() and _value.isdigit() and len(_value) < 9 and 1 <= int(_value) <= _most):
        sys.exit(f"authsvc does not start:\n{_name} must be a whole number from 1 to {_most}")
if _env.get("ACCESS_LOG", "0") not in ("0", "1"):
    sys.exit("authsvc does not start:\nACCESS_LOG must be one of 0, 1")

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
# No header of a client chooses path, scheme or script name, not even on this machine, where it may be a proxy's client.
# Whose address X-Forwarded-For names is for authsvc to say (TRUSTED_PROXIES).
forwarded_allow_ips = ""
forwarder_headers = ""
secure_scheme_headers: dict[str, str] = {}
header_map = "drop"
# A file that is sent by the kernel would overtake its head (``_OneSend``); nothing here is sent that way.
sendfile = False
control_socket_disable = True
# More than any body that is read (2 MB and a little).
_MOST_REST = 4 * 1024 * 1024


class _Caught:
    """What would have been sent."""

    def __init__(self) -> None:
        self.content = b""

    def sendall(self, content: bytes) -> None:
        self.content += content


class _OneSend:
    """Sends the head of an answer and the first of its body at once: gunicorn makes two packets of them."""

    send_headers = Response.send_headers
    emit_body = Response._emit_body
    close = Response.close

    @staticmethod
    def hold_headers(response: Any) -> None:
        if not response.headers_sent:
            response.held = _OneSend.caught(response, _OneSend.send_headers)

    @staticmethod
    def send_body(response: Any, data: bytes) -> None:
        body = _OneSend.caught(response, _OneSend.emit_body, data)
        response.sock.sendall(vars(response).pop("held", b"") + body)

    @staticmethod
    def end(response: Any) -> None:
        rest = _OneSend.caught(response, _OneSend.close)
        if content := vars(response).pop("held", b"") + rest:
            response.sock.sendall(content)

    @staticmethod
    def caught(response: Any, send: Callable[..., None], *arguments: bytes) -> bytes:
        sock, response.sock = response.sock, _Caught()
        try:
            send(response, *arguments)
            return bytes(response.sock.content)
        finally:
            response.sock = sock


Response.send_headers = _OneSend.hold_headers
Response._emit_body = _OneSend.send_body
Response.close = _OneSend.end


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
    """Refuse to start on bad settings, keys or places, with one clear message instead of one traceback per worker."""
    try:
        settings = Settings.from_env()
        key_source(settings.instance_path, settings.jwt_private_key, settings.jwt_private_key_file).load()
        sqlitefile.prepare(settings.database_url)
    except (BadSettings, BadKeys, UnfitDatabase) as problems:
        sys.exit(f"authsvc does not start:\n{problems}")
    logs.configure(settings.log_level, settings.log_format, settings.secrets)
    # The workers read it: each grants its share of a rate limit where no Redis counts for all.
    os.environ["WEB_CONCURRENCY"] = str(getattr(server, "cfg").workers)  # noqa: B009
    _refuse_a_taken_address(getattr(server, "cfg"))  # noqa: B009
    try:
        _begin_to_count(settings.instance_path / "metrics")
    except OSError as error:
        sys.exit(f"authsvc does not start:\nINSTANCE_PATH: metrics cannot be made in it: {error.strerror}")
    if "WX_MAX_IN_FLIGHT" not in _env:
        os.environ["WX_MAX_IN_FLIGHT"] = str(_calls_to_wechat(getattr(server, "cfg")))  # noqa: B009


def _refuse_a_taken_address(cfg: Any) -> None:
    """Say at once that something else listens there; gunicorn would try for five seconds and name no setting."""
    if cfg.reuse_port or "GUNICORN_FD" in os.environ or "LISTEN_FDS" in os.environ:
        return  # the master before us, or systemd, listens for us
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
