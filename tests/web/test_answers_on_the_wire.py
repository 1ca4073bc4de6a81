"""How an answer leaves: head and body at once, whatever the method, and nothing behind a head that has no body."""

import socket

import pytest

from tests.harness.service import Service

REQUESTS = ("GET /healthz", "HEAD /healthz", "GET /no/such/route", "POST /api/v1/auth/login", "GET /openapi.json")


def ask(connection: socket.socket, request: str, more: bytes = b"") -> tuple[bytes, bytes]:
    """Send a request, and return head and body of what the first look brings."""
    connection.sendall(f"{request} HTTP/1.1\r\nHost: a\r\n".encode() + (more or b"\r\n"))
    head, _, body = connection.recv(1 << 20).partition(b"\r\n\r\n")
    return head, body


@pytest.mark.parametrize("request_line", REQUESTS)
def test_head_and_body_come_in_one_piece(service: Service, request_line: str) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        for _ in range(10):
            head, body = ask(connection, request_line)
            length = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            promised = int(length.partition(b":")[2])
            if request_line.startswith("HEAD"):
                assert body == b""
            else:
                # A megabyte may come in pieces; its first one comes with the head.
                assert 0 < len(body) <= promised
                while len(body) < promised:
                    body += connection.recv(1 << 20)
                assert len(body) == promised
