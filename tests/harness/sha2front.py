"""A port where people log in as MySQL 8 lets them, with MariaDB behind it, which has no such way.

https://dev.mysql.com/doc/dev/mysql-server/latest/page_caching_sha2_authentication_exchanges.html
"""

import contextlib
import os
import socket
import struct
import threading
from itertools import cycle
from typing import Any, Literal

import pymysql
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pymysql.constants import CLIENT

from tests.harness.sockets import Listener, _pass_on

Plugin = Literal["caching_sha2_password", "sha256_password"]
# Without TLS: then the password goes under the server's public key.
_ABILITIES = CLIENT.CAPABILITIES | CLIENT.CONNECT_WITH_DB | CLIENT.FOUND_ROWS
_OK = b"\x00\x00\x00\x02\x00\x00\x00"
_REFUSED = b"\xff" + struct.pack("<H", 1045) + b"#28000Access denied"
_FULL_AUTHENTICATION, _MORE = b"\x01\x04", b"\x01"


class Sha2Front:
    """Lets in whoever has the password, as ``keeper`` of the schema behind."""

    def __init__(self, port: int, schema: str, plugin: Plugin, password: str) -> None:
        self._behind: dict[str, Any] = {"host": "127.0.0.1", "port": port, "user": "keeper", "database": schema}
        self._plugin = plugin
        self._password = password
        self._key = rsa.generate_private_key(65537, 2048)
        self._listener = Listener(self._talk)
        self.port = int(self._listener.address.rpartition(":")[2])
        self.let_in = 0

    def _talk(self, client: socket.socket) -> None:
        behind = pymysql.connect(**self._behind, client_flag=CLIENT.FOUND_ROWS, ssl_disabled=True)
        with contextlib.closing(behind):
            salt = bytes(byte % 127 + 1 for byte in os.urandom(20))
            said = _exchange(client, 0, self._greeting(behind.server_version, salt))
            turn = 2
            if self._plugin == "caching_sha2_password":
                assert _exchange(client, turn, _FULL_AUTHENTICATION) == b"\x02"
                turn += 2
            else:
                assert b"\x01\x01" in said  # an answer of one byte: it wants the key
            sealed = _exchange(client, turn, _MORE + self._public_key())
            is_right = self._opened(sealed, salt) == f"{self._password}\0".encode()
            _send(client, turn + 2, _OK if is_right else _REFUSED)
            if is_right:
                self.let_in += 1
                back = threading.Thread(target=_pass_on, args=(behind._sock, client), daemon=True)
                back.start()
                _pass_on(client, behind._sock)
                back.join()

    def _greeting(self, version: str, salt: bytes) -> bytes:
        abilities = _ABILITIES | CLIENT.PLUGIN_AUTH
        parts = struct.pack("<I8sx", 7, salt[:8])
        parts += struct.pack("<HBHHB10x", abilities & 0xFFFF, 45, 2, abilities >> 16 & 0xFFFF, len(salt) + 1)
        return b"\x0a" + version.encode() + b"\0" + parts + salt[8:] + b"\0" + self._plugin.encode() + b"\0"

    def _public_key(self) -> bytes:
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def _opened(self, sealed: bytes, salt: bytes) -> bytes:
        mixed = self._key.decrypt(sealed, padding.OAEP(padding.MGF1(SHA1()), SHA1(), None))  # as the protocol has it
        return bytes(left ^ right for left, right in zip(mixed, cycle(salt), strict=False))

    def close(self) -> None:
        self._listener.close()


def _send(client: socket.socket, number: int, content: bytes) -> None:
    client.sendall(struct.pack("<I", len(content))[:3] + bytes([number]) + content)


def _exchange(client: socket.socket, number: int, content: bytes) -> bytes:
    _send(client, number, content)
    head = client.recv(4, socket.MSG_WAITALL)
    return client.recv(int.from_bytes(head[:3], "little"), socket.MSG_WAITALL)
