"""The frames between a worker and its helper: a word of at most eight letters, a flag for the last one, and bytes."""

import socket
import struct
import time

_HEADER = struct.Struct(">8s?I")
# The largest upload; the redrawn picture is smaller.
MOST_BYTES = 2 * 1024 * 1024


class Silent(Exception):
    """The other side took too long."""


class Gone(Exception):
    """The other side has closed the connection, or sent an invalid frame."""


class Frames:
    """Sends and receives over a stream socket, which it owns."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._ends_at: float | None = None

    def within(self, seconds: float) -> None:
        """Make everything that follows end within this many seconds, or raise Silent."""
        self._ends_at = time.monotonic() + seconds

    def send(self, word: str, content: bytes = b"", *, is_last: bool = False) -> None:
        """Send a frame. Raises Silent, Gone."""
        try:
            self._limit()
            self._channel.sendall(_HEADER.pack(word.encode(), is_last, len(content)) + content)
        except TimeoutError:
            raise Silent("while sending") from None
        except OSError as error:
            raise Gone(type(error).__name__) from None

    def receive(self) -> tuple[str, bytes, bool]:
        """Return the next frame: word, content, whether it is the last. Raises Silent, Gone."""
        word, is_last, size = _HEADER.unpack(self._exactly(_HEADER.size))
        if size > MOST_BYTES:
            raise Gone(f"{size} bytes announced")
        return word.rstrip(b"\0").decode("ascii", "replace"), self._exactly(size), is_last

    def close(self) -> None:
        """Close the socket; the other side sees the end."""
        self._channel.close()

    def _exactly(self, size: int) -> bytes:
        content = bytearray(size)
        view, filled = memoryview(content), 0
        while filled < size:
            try:
                self._limit()
                count = self._channel.recv_into(view[filled:])
            except TimeoutError:
                raise Silent("while receiving") from None
            except OSError as error:
                raise Gone(type(error).__name__) from None
            if not count:
                raise Gone("closed")
            filled += count
        return bytes(content)

    def _limit(self) -> None:
        if self._ends_at is not None:
            left = self._ends_at - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._channel.settimeout(left)
