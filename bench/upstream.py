"""A WeChat for benchmarks: answers from the code alone, after a settable delay.

The code ``u<user>k<key>n<anything>`` is user number ``user`` under session_key number ``key``; ``x…`` in place of
``u…`` is the same person (one unionid) under another openid. Nothing is stored, so ten million users cost nothing. It
is far lighter than the simulator and keeps none of its promises (codes may be used again). It knows the endpoints of
a login, of phone numbers (the code begins with the number) and of pictures.

    python -m bench.upstream PORT [PICTURE]
    GET /control?latency=0.1     seconds before every further answer
    GET /control                 {"answered": …}: exchanges so far, the number of logins that a server carried out
"""

import asyncio
import base64
import hashlib
import json
import re
import sys
import time
from functools import lru_cache
from pathlib import Path

APPID = "wx4f4bc4dec97d474b"
_HEAD = re.compile(rb"(?:GET|POST) (\S+) HTTP/1\.1\r\n")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CODE = re.compile(r"[?&]js_code=([ux])(\d+)k(\d+)n")
_LATENCY = re.compile(r"[?&]latency=([0-9.]+)")
_TOKEN = b'{"access_token":"70_%s","expires_in":7200}' % (b"a" * 133)


def openid(user: int, letter: str = "u") -> str:
    """Return the openid of a user number: 28 characters, like a real one."""
    return f"{'o' if letter == 'u' else 'x'}{user:027d}"


def unionid(user: int) -> str:
    """Return the unionid of a user number."""
    return f"w{user:027d}"


@lru_cache(maxsize=1024)
def session_key(number: int) -> str:
    """Return the session_key of that number: base64 of 16 bytes."""
    return base64.b64encode(hashlib.md5(f"session_key {number}".encode()).digest()).decode()


class WeChat:
    """What all connections share."""

    def __init__(self, picture: bytes) -> None:
        self.latency = 0.0
        self.answered = 0
        self._picture = picture

    def control(self, target: str) -> bytes:
        if found := _LATENCY.search(target):
            self.latency = float(found[1])
        return json.dumps({"answered": self.answered}).encode()

    def answer(self, target: str, body: bytes) -> tuple[bytes, bytes]:
        """Return content type and body."""
        if target.startswith("/wxa/getwxacodeunlimit"):
            return b"image/jpeg", self._picture
        if target.startswith("/wxa/business/getuserphonenumber"):
            return b"application/json", self._phone(json.loads(body)["code"])
        if target.startswith("/cgi-bin/"):
            return b"application/json", _TOKEN
        return b"text/plain", self._exchanged(target)

    def _exchanged(self, target: str) -> bytes:
        self.answered += 1
        found = _CODE.search(target)
        if found is None:
            return b'{"errcode":40029,"errmsg":"invalid code"}'
        letter, user, key = found[1], int(found[2]), int(found[3])
        members = f'"session_key":"{session_key(key)}","openid":"{openid(user, letter)}","unionid":"{unionid(user)}"'
        return f"{{{members}}}".encode()

    def _phone(self, code: str) -> bytes:
        number = code.partition("p")[0]
        watermark = {"timestamp": int(time.time()), "appid": APPID}
        info = {"phoneNumber": number, "purePhoneNumber": number, "countryCode": "86", "watermark": watermark}
        return json.dumps({"errcode": 0, "errmsg": "ok", "phone_info": info}).encode()


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, wechat: WeChat) -> None:
        self._wechat = wechat
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = _LENGTH.search(head)
        if length and len(body) < int(length[1]):
            return
        line = _HEAD.match(self._buffer)
        self._buffer = b""
        target = line[1].decode() if line else ""
        if target.startswith("/control"):
            self._write(b"application/json", self._wechat.control(target))
        elif self._wechat.latency:
            asyncio.get_running_loop().call_later(self._wechat.latency, self._answer, target, body)
        else:
            self._answer(target, body)

    def _answer(self, target: str, body: bytes) -> None:
        self._write(*self._wechat.answer(target, body))

    def _write(self, kind: bytes, body: bytes) -> None:
        if not self._transport.is_closing():
            head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n"
            self._transport.write(head % (kind, len(body)) + body)


async def _serve(port: int, picture: bytes) -> None:
    wechat = WeChat(picture)
    server = await asyncio.get_running_loop().create_server(lambda: Connection(wechat), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    try:
        from uvloop import run  # half the cost, where the peers' requirements are installed
    except ImportError:
        run = asyncio.run
    run(_serve(int(sys.argv[1]), Path(sys.argv[2]).read_bytes() if len(sys.argv) > 2 else b""))
