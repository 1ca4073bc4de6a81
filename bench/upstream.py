"""A WeChat for benchmarks: answers ``/sns/jscode2session`` from the code alone, after a settable delay.

``u<user>k<key>n<anything>`` is user number ``user`` under session_key number ``key``; nothing is stored, so a million
users cost nothing. It is far lighter than the simulator and keeps none of its promises (codes may be used again).

    python -m bench.upstream PORT
    GET /control?latency=0.1     seconds before every further answer
    GET /control                 {"answered": …}: exchanges so far, the number of logins that a server carried out
"""

import asyncio
import base64
import hashlib
import json
import re
import sys

_REQUEST_LINE = re.compile(rb"GET (\S+) HTTP/1\.1\r\n")
_CODE = re.compile(r"[?&]js_code=u(\d+)k(\d+)n")
_LATENCY = re.compile(r"[?&]latency=([0-9.]+)")


def openid(user: int) -> str:
    """Return the openid of a user number: 28 characters, like a real one."""
    return f"o{user:027d}"


def session_key(number: int) -> str:
    """Return the session_key of that number: base64 of 16 bytes."""
    return base64.b64encode(hashlib.md5(f"session_key {number}".encode()).digest()).decode()


class Exchange:
    """What all connections share."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.answered = 0

    def control(self, target: str) -> bytes:
        if found := _LATENCY.search(target):
            self.latency = float(found[1])
        return json.dumps({"answered": self.answered}).encode()

    def answer(self, target: str) -> bytes:
        self.answered += 1
        found = _CODE.search(target)
        if found is None:
            return b'{"errcode":40029,"errmsg":"invalid code"}'
        return b'{"session_key":"%s","openid":"%s"}' % (
            session_key(int(found[2])).encode(),
            openid(int(found[1])).encode(),
        )


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests have no body."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._buffer.endswith(b"\r\n\r\n"):
            return
        line = _REQUEST_LINE.match(self._buffer)
        self._buffer = b""
        target = line[1].decode() if line else ""
        if target.startswith("/control"):
            self._write(self._exchange.control(target))
        elif self._exchange.latency:
            asyncio.get_running_loop().call_later(self._exchange.latency, self._exchanged, target)
        else:
            self._exchanged(target)

    def _exchanged(self, target: str) -> None:
        self._write(self._exchange.answer(target))

    def _write(self, body: bytes) -> None:
        if not self._transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n"
            self._transport.write(head % len(body) + body)


async def _serve(port: int) -> None:
    exchange = Exchange()
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(exchange), "127.0.0.1", port, backlog=4096
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
