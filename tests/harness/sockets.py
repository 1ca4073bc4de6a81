"""Ends of a connection that are not quite what they should be, on the loopback address."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

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
