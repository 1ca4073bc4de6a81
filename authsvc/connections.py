"""Connections to other machines, with a deadline for connecting and reading.

A socket's timeout starts again for each wait: for each byte, for each address of a name, and under gevent for each
piece of a TLS handshake or record. Nothing ends a query to a silent name server. So a server that answers byte by byte
outlasts any timeout. Here, every wait gets only the remaining time of the whole call.
"""

import io
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Self, TypeVar

T = TypeVar("T")

# A pooled connection that has been idle this long is replaced: the server may have closed it, and a request lost on a
# dead connection could not be repeated (its code may be used up).
_IDLE_SECONDS = 30.0
# A name server may answer after its callers have given up, for the next caller. Its lifetime is not known.
_KEPT_SECONDS = 30.0
_TUNNEL_REFUSED = re.compile(r"Tunnel connection failed: ([0-9]{3})\b")

# X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL.
_OF_ANOTHER_NAME = (62, 64)

# level, option, value, as for setsockopt.
SocketOption = tuple[int, int, int | bytes]
Permits = Callable[[str], bool]
# family, type, protocol, canonical name, address, as from getaddrinfo.
Address = tuple[int, int, int, str, Any]


class NotConnected(Exception):
    """There is no connection, so nothing was sent. The text says why, without host names and without others' texts."""

    def __init__(self, reason: str, *, at_proxy: bool = False) -> None:
        super().__init__(reason)
        self.at_proxy = at_proxy


class _Call(threading.local):
    ends_at = float("inf")


_call = _Call()


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Make everything inside that connects or reads fail with NotConnected or TimeoutError after this many seconds."""
    outer = _call.ends_at
    _call.ends_at = min(outer, time.monotonic() + seconds)
    try:
        yield
    finally:
        _call.ends_at = outer


def remaining() -> float:
    """Remaining seconds of the call that runs in this thread."""
    return _call.ends_at - time.monotonic()


# --- names and addresses ----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Question:
    answer: "Future[list[Address]]" = field(default_factory=Future)
    kept_until: float = float("inf")  # until there is an answer, nobody else asks


class _Names:
    """Asks the system for addresses, once at a time for each name, because such a query cannot be cancelled."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._questions: dict[tuple[str, int], _Question] = {}

    def addresses(self, host: str, port: int, seconds: float) -> list[Address]:
        """Return the addresses of a host. Raises NotConnected if there are none, or not in time."""
        if (itself := _numeric(host, port)) is not None:
            return [itself]
        try:
            return self._question(host, port).answer.result(max(seconds, 0))
        except TimeoutError:
            raise NotConnected("no name server answers in time") from None
        except (OSError, UnicodeError):  # no such name, or nothing that can be one
            raise NotConnected("the name does not resolve") from None

    def _question(self, host: str, port: int) -> _Question:
        with self._lock:
            question = self._questions.get((host, port))
            if question is None or question.kept_until < time.monotonic():
                question = _Question()
                # A daemon thread, because it may still wait for a name server when everything else has ended.
                threading.Thread(target=self._answer, args=(question, host, port), daemon=True).start()
                self._questions[host, port] = question
        return question

    def _answer(self, question: _Question, host: str, port: int) -> None:
        try:
            found: list[Address] = [*socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except Exception as error:
            question.kept_until = 0.0
            question.answer.set_exception(error)
        else:
            question.kept_until = time.monotonic() + _KEPT_SECONDS
            question.answer.set_result(found)


def _numeric(host: str, port: int) -> Address | None:
    """Return the address if the host is one already, which needs no query."""
    try:
        parsed = ip_address(host)
    except ValueError:
        return None
    if parsed.version == 4:
        return socket.AF_INET, socket.SOCK_STREAM, 0, "", (host, port)
    return None if "%" in host else (socket.AF_INET6, socket.SOCK_STREAM, 0, "", (host, port, 0, 0))


_names = _Names()


def connect(
    host: str, port: int, seconds: float, options: Iterable[SocketOption] = (), permits: Permits | None = None
) -> socket.socket:
    """Return a socket that is connected within ``seconds`` and the deadline, however many addresses its name has.

    Only IP addresses that ``permits`` accepts are tried. Its timeout is the remaining time. Raises NotConnected.
    """
    give_up = time.monotonic() + min(seconds, remaining())
    known = _names.addresses(host.strip("[]"), port, give_up - time.monotonic())
    addresses = [address for address in known if permits is None or permits(address[4][0])]
    failure = NotConnected("its address is not public" if known else "the name has no address")
    for number, address in enumerate(addresses):
        left = give_up - time.monotonic()
        if left <= 0:
            raise NotConnected("no connection in time")
        try:
            # Each address gets a share of the time, so a dead one does not use up the time of the others.
            found = _open(address, left / (len(addresses) - number), options)
        except OSError as error:
            failure = NotConnected(failure_text(error))
            continue
        found.settimeout(max(give_up - time.monotonic(), 0.01))
        return found
    raise failure


def _open(address: Address, seconds: float, options: Iterable[SocketOption]) -> socket.socket:
    family, kind, protocol, _, place = address
    opened = socket.socket(family, kind, protocol)
    try:
        for option in options:
            opened.setsockopt(*option)
        opened.settimeout(seconds)
        opened.connect(place)
    except BaseException:
        opened.close()
        raise
    return opened


def failure_text(error: BaseException) -> str:
    """Return why a connection could not be made, in our words or the system's, without host names."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OF_ANOTHER_NAME:  # the library's text repeats the name
            return "its certificate is for another name"
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"the TLS handshake failed: {error.reason or type(error).__name__}"
    if isinstance(error, TimeoutError):
        return "no connection in time"
    if isinstance(error, OSError) and error.errno:
        return os.strerror(error.errno)
    return type(error).__name__


# --- servers that answer byte by byte ---------------------------------------------------------------------------------


class CutOff:
    """Ends every wait on a connection, in any layer and step, when the time is over."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handle: socket.socket | None = None
        self._timer: threading.Timer | None = None
        self.came = False

    def __enter__(self) -> Self:
        return self

    def guard(self, opened: socket.socket, seconds: float) -> None:
        """Shut the connection down after this many seconds, unless the block has ended."""
        # A separate handle: TLS takes over the socket, and the number of a closed one is soon reused.
        self._handle = socket.socket(fileno=os.dup(opened.fileno()))
        self._timer = threading.Timer(max(seconds, 0), self._cut)
        self._timer.daemon = True
        self._timer.start()

    def _cut(self) -> None:
        with self._lock:
            if self._handle is not None:
                self.came = True
                with suppress(OSError):  # the other side has closed it
                    self._handle.shutdown(socket.SHUT_RDWR)

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            if self._handle is not None:
                self._handle.close()
                self._handle = None


class TimedSocket:
    """A connected socket, or TLS over one, whose reads and writes obey the deadline; other calls go to the real one.

    Without a deadline, the socket's own timeout applies as usual.
    """

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        # For TLS within TLS, to a proxy, this is the outer one.
        self._outer = sock if isinstance(sock, socket.socket) else sock.socket
        self._is_encrypted = isinstance(self._outer, ssl.SSLSocket)
        self._timeout = sock.gettimeout()

    def settimeout(self, seconds: float | None) -> None:
        """Set how long a wait may take if the deadline allows more."""
        self._timeout = seconds
        self._sock.settimeout(seconds)

    def recv(self, count: int) -> bytes:
        """Read up to ``count`` bytes; none at the end. Raises TimeoutError, and OSError as a socket does."""
        return self._read(lambda: bytes(self._sock.recv(count)))

    def recv_into(self, buffer: Any) -> int:
        """Like ``recv``, into a buffer; returns the number of bytes."""
        return self._read(lambda: int(self._sock.recv_into(buffer)))

    def _read(self, ask: Callable[[], T]) -> T:
        left = self._left()
        if not self._is_encrypted or left == 0:
            self._sock.settimeout(left)
            return ask()
        return self._read_record(ask, None if left is None else time.monotonic() + left)

    def _read_record(self, ask: Callable[[], T], give_up: float | None) -> T:
        """Wait for the pieces of a TLS record one by one; under gevent, each would otherwise get the whole time."""
        while True:
            self._sock.settimeout(0)
            try:
                return ask()
            except ssl.SSLWantReadError:
                left = None if give_up is None else give_up - time.monotonic()
                if left is not None and left <= 0:
                    raise TimeoutError("deadline of the call") from None
                self._outer.settimeout(left)
                self._peek()

    def _peek(self) -> bytes:
        """Wait below TLS, if there is TLS, until a byte or the end arrives, and do not consume it."""
        return socket.socket.recv(self._outer, 1, socket.MSG_PEEK)

    def sendall(self, content: Any) -> None:
        """Write all of it."""
        self._sock.settimeout(self._left())
        self._sock.sendall(content)

    def _left(self) -> float | None:
        left = remaining()
        if left <= 0:
            raise TimeoutError("deadline of the call")
        return self._timeout if left == float("inf") else left if self._timeout is None else min(left, self._timeout)

    def makefile(self, mode: str, buffering: int = -1) -> io.RawIOBase | io.BufferedReader:
        """Return a reader (mode ``rb``)."""
        reader = _TimedReader(self, self._sock.makefile(mode, buffering=0))
        return reader if buffering == 0 else io.BufferedReader(reader)

    def is_silent(self) -> bool:
        """True if the other side has neither closed nor sent anything unasked, such as a TLS alert."""
        self._outer.settimeout(0)
        try:
            self._peek()
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: TimedSocket, raw: Any) -> None:
        self._sock = sock
        self._raw = raw  # keeps the socket open until the reader is closed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class TimedConnection:
    """A mixin for urllib3's connection classes: one timeout covers name, addresses, proxy and TLS together.

    Every failure before the request is sent raises NotConnected.
    """

    sock: Any
    timeout: Any
    proxy: Any
    socket_options: Any
    port: int
    close: Callable[[], None]
    _dns_host: str
    _has_connected_to_proxy: bool
    _used_at = 0.0
    permits: Permits | None = None

    def connect(self) -> None:
        """Connect, through the proxy if there is one, up to the point where a request may be sent."""
        self._give_up = time.monotonic() + min(self.timeout or float("inf"), remaining())
        with CutOff() as self._cut_off:
            try:
                super().connect()  # type: ignore[misc]  # of the connection class it is mixed into
                if self._cut_off.came:
                    raise TimeoutError
            except Exception as error:
                at_proxy = bool(self.proxy) and not self._has_connected_to_proxy
                raise self._failed(error, "the TLS handshake takes too long", at_proxy=at_proxy) from None
        self.sock = TimedSocket(self.sock)
        self._used_at = time.monotonic()  # TLS and tunnels connect before their first request

    def _new_conn(self) -> socket.socket:
        left, options = self._give_up - time.monotonic(), self.socket_options or ()
        opened = connect(self._dns_host, self.port, left, options, self.permits)
        self._cut_off.guard(opened, self._give_up - time.monotonic())
        return opened

    def _tunnel(self) -> None:
        try:
            super()._tunnel()  # type: ignore[misc]
        except Exception as error:
            raise self._failed(error, "no answer to CONNECT in time", at_proxy=True) from None

    def _failed(self, error: Exception, slow: str, *, at_proxy: bool) -> NotConnected:
        if isinstance(error, NotConnected):
            return NotConnected(str(error), at_proxy=at_proxy or error.at_proxy)
        if self._cut_off.came or isinstance(error, TimeoutError):
            return NotConnected(slow, at_proxy=at_proxy)
        refused = _TUNNEL_REFUSED.match(str(error))
        return NotConnected(
            f"HTTP status {refused[1]} to CONNECT" if refused else failure_text(error), at_proxy=at_proxy
        )

    @property
    def is_connected(self) -> bool:
        """Checked before reuse of a pooled connection. urllib3 polls, which is dear under gevent; a peek is cheap."""
        return self.sock is not None and bool(self.sock.is_silent())

    def ready(self, seconds: float) -> TimedSocket:
        """Return a socket for the next request: the open one, or one connected within ``seconds`` (NotConnected)."""
        if not self._is_fresh() or not self.is_connected:
            self.close()
            self.timeout = seconds
            self.connect()
        found: TimedSocket = self.sock
        return found

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request, on a new connection if this one has been idle for too long."""
        if self.sock is not None and not self._is_fresh():
            self.close()
        super().request(*args, **kwargs)  # type: ignore[misc]

    def _is_fresh(self) -> bool:
        before, self._used_at = self._used_at, time.monotonic()
        return self._used_at - before <= _IDLE_SECONDS
