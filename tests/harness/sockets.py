"""Ends of a connection that are not quite what they should be, on the loopback address."""

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator

# A name whose name servers never answer, in tests.harness.outbound.
SILENT = "silent.test"

Talk = Callable[[socket.socket], None]


class Listener:
    """Accepts connections, counts them, and lets ``talk`` do what it likes with each before it is closed."""

    def __init__(self, talk: Talk = lambda connection: None) -> None:
        self.hits = 0
        self._talk = talk
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                connection, _ = self._socket.accept()
                self.hits += 1
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _converse(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self._talk(connection)

    def close(self) -> None:
        # Wakes accept(), which close() alone does not.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@contextlib.contextmanager
def listening(talk: Talk = lambda connection: None) -> Iterator[Listener]:
    listener = Listener(talk)
    yield listener
    listener.close()


def says(text: bytes) -> Talk:
    """Wait for a request, then send this whatever was asked."""

    def talk(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(text)

    return talk


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """An address that never completes a connection: its backlog is full, so further SYNs are dropped."""
    with contextlib.ExitStack() as stack:
        hole = stack.enter_context(socket.socket())
        hole.bind(("127.0.0.1", 0))
        hole.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(hole.getsockname())
        yield f"127.0.0.1:{hole.getsockname()[1]}"


def keeps_silent(connection: socket.socket) -> None:
    """Read what comes, and say nothing until the other side has gone."""
    while connection.recv(65536):
        pass


def drips(first: bytes = b"", each: bytes = b"\0", pause: float = 0.2) -> Talk:
    """Wait for a request, say ``first``, and then go on for ever, a little at a time."""

    def talk(connection: socket.socket) -> None:
        if not connection.recv(65536):
            return
        connection.sendall(first)
        while True:
            time.sleep(pause)
            connection.sendall(each)

    return talk


# The head of a TLS handshake record of 16 KB: whoever reads it waits for the rest.
TLS_RECORD = bytes.fromhex("1603034000")


def drips_in_tls(context: ssl.SSLContext, answer: bytes, pause: float = 0.2) -> Talk:
    """Shake hands and take a request as one should, then say ``answer`` in TLS records that come byte by byte."""

    def talk(connection: socket.socket) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)

        def until_done(step: Callable[[], object]) -> None:
            while True:
                try:
                    step()
                    connection.sendall(outgoing.read())
                    return
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    if not (came := connection.recv(65536)):
                        raise ConnectionError("gone") from None
                    incoming.write(came)

        until_done(tls.do_handshake)
        until_done(lambda: tls.read(65536))
        tls.write(answer)
        for byte in outgoing.read():
            time.sleep(pause)
            connection.sendall(bytes([byte]))

    return talk


class Proxy:
    """An HTTP proxy for CONNECT whose other side is always ``there`` (host, port), until it is told to do otherwise."""

    def __init__(self, there: tuple[str, int]) -> None:
        self._there = there
        self.instead: Talk | None = None
        self._listener = Listener(self._serve)
        self.url = f"http://{self._listener.address}"
        self.asked: list[bytes] = []

    def _serve(self, connection: socket.socket) -> None:
        if self.instead is not None:
            self.instead(connection)
            return
        asked = connection.recv(65536)
        self.asked.append(asked.partition(b"\r\n")[0])
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with socket.create_connection(self._there) as other:
            back = threading.Thread(target=_pass_on, args=(other, connection), daemon=True)
            back.start()
            _pass_on(connection, other)
            back.join()

    def close(self) -> None:
        self._listener.close()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            target.sendall(content)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Forwarder:
    """A port that leads to another, as a proxy or a virtual address before a database does.

    Changing ``target`` moves new connections; those that are open stay where they are. While ``cut_after`` is set, the
    client that sends this is cut off as soon as the target has it.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.cut_after: bytes | None = None
        self._listener = Listener(self._forward)
        self.port = int(self._listener.address.rpartition(":")[2])

    @property
    def hits(self) -> int:
        """How many connections were made so far."""
        return self._listener.hits

    def _forward(self, client: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", self.target)) as server:
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            self._pump(client, server)
            back.join()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while said := source.recv(65536):
                if self.cut_after is not None and self.cut_after in said:
                    source.shutdown(socket.SHUT_RDWR)
                    sink.sendall(said)
                    return  # the target does its work, and then finds nobody
                sink.sendall(said)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listener.close()


class TlsFront:
    """Takes TLS and passes on what is in it. ``context`` is its certificate, and may be changed."""

    def __init__(self, context: ssl.SSLContext, there: tuple[str, int]) -> None:
        self.context = context
        self._there = there
        self._open: set[socket.socket] = set()
        self._listener = Listener(self._serve)
        host, _, port = self._listener.address.partition(":")
        self.address = (host, int(port))

    def _serve(self, connection: socket.socket) -> None:
        with self.context.wrap_socket(connection, server_side=True) as tls, socket.create_connection(self._there) as to:
            self._open.add(tls)
            back = threading.Thread(target=_pass_on, args=(to, tls), daemon=True)
            back.start()
            _pass_on(tls, to)
            back.join()

    def hang_up(self) -> None:
        """End every connection; the next one is made anew."""
        while self._open:
            with contextlib.suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.hang_up()
        self._listener.close()
