"""authsvc, noting every address that it connects to and every name that it asks for, in the file of CALLS."""

import json
import os
import sys
from typing import Any

CALLS = "AUTHSVC_TEST_CALLS"
_file = os.open(os.environ[CALLS], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if event in ("socket.connect", "socket.sendto"):
        os.write(_file, f"{json.dumps([event, str(arguments[1])])}\n".encode())
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        os.write(_file, f"{json.dumps([event, str(arguments[0])])}\n".encode())


sys.addaudithook(_note)

from authsvc.app import create_app  # noqa: E402

app = create_app()
