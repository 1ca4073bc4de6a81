"""Answers that are written while they are read: of any length, and never in memory as a whole."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Response, request

# A client that takes nothing for so long is hung up on.
_PATIENCE_SECONDS = 60.0
_HERE = "\x00here\x00"


def streamed(texts: Iterable[str], close: Callable[[], None]) -> Response:
    """Return a JSON answer that consists of these texts; ``close`` is called when it is over, however it ends."""
    response = Response((text.encode("utf-8", "backslashreplace") for text in texts), mimetype="application/json")
    response.call_on_close(close)
    _hang_up_on_sleepers(response)
    return response


def inside(envelope: Callable[[Any], dict[str, Any]], data: Iterable[str]) -> Iterator[str]:
    """Return the texts of an envelope around ``data``, which is JSON bit by bit. To be called within the request."""
    before, _, after = json.dumps(envelope(_HERE), ensure_ascii=False).partition(json.dumps(_HERE))

    def texts() -> Iterator[str]:
        yield before
        yield from data
        yield after

    return texts()


def _hang_up_on_sleepers(response: Response) -> None:
    """gunicorn waits for ever until its client has taken what was sent."""
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(_PATIENCE_SECONDS)
        response.call_on_close(lambda: connection.settimeout(None))
