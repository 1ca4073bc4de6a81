"""Runs the simulator: one process, one event loop, as many open connections as the machine allows.

It uses gevent's own server and not gunicorn: the state is in memory, so there must be exactly one process, and faults
need the client's socket. Measured on two cores with a one-view Flask app, 100 ms of latency and 1,000 keep-alive
connections: 5,000 answers a second (p99 256 ms); gunicorn's gevent worker 4,070 (455 ms); 1,200 gthread threads 2,090
(4.5 s). The whole simulator reaches about 3,500.
"""

import os
import signal
import socket
from collections.abc import Callable
from typing import Any

from flask import Flask
from gevent import monkey  # type: ignore[import-untyped, unused-ignore]
from gevent.pywsgi import WSGIHandler, WSGIServer  # type: ignore[import-untyped, unused-ignore]
from gevent.socket import socket as CooperativeSocket  # type: ignore[import-untyped, unused-ignore]

from authsvc.wxsim.delivery import SOCKET_KEY

BACKLOG = 2048


class _Handler(WSGIHandler):  # type: ignore[misc, unused-ignore]
    """Passes the client's socket to the app."""

    def get_environ(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environ()
        environ[SOCKET_KEY] = self.socket
        return environ


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 takes a free one. Raises OSError if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Accepted sockets inherit it; without it, an answer in two pieces waits 40 ms for the client's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def serve(listener: socket.socket, build: Callable[[], Flask], on_ready: Callable[[], None]) -> None:
    """Serve until SIGTERM or SIGINT ends the process, at once and with exit code 0.

    ``build`` creates the app after the standard library was made cooperative, so its locks and sleeps are too.
    """
    monkey.patch_all(ssl=False)  # no TLS here, and ssl may have been imported already
    cooperative = CooperativeSocket(fileno=listener.detach())
    # No access log: query strings contain secrets, and the journal has more details.
    server = WSGIServer(cooperative, build(), handler_class=_Handler, log=None)
    for stop in (signal.SIGTERM, signal.SIGINT):
        # There is nothing to save, and hanging calls would never finish, so exit immediately.
        signal.signal(stop, lambda *_: os._exit(0))
    server.start()
    on_ready()
    server.serve_forever()
