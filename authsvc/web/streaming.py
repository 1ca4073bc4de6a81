"""Answers that are generated while they are sent, so they may have any length."""

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flask import Response, request

# A client that reads nothing for this long is disconnected.
_PATIENCE_SECONDS = 60.0
_HERE = "\x00here\x00"


def streamed(texts: Iterable[str], close: Callable[[], None]) -> Response:
    """Return a JSON answer that consists of these texts; ``close`` is called at its end in any case."""
    response = Response((text.encode("utf-8", "backslashreplace") for text in texts), mimetype="application/json")
    response.call_on_close(close)
    _hang_up_on_sleepers(response)
    return response


def inside(envelope: Callable[[Any], dict[str, Any]], data: Iterable[str]) -> Iterator[str]:
    """Return the texts of an envelope around ``data``, which is JSON in pieces. Call it within the request."""
    before, _, after = json.dumps(envelope(_HERE), ensure_ascii=False).partition(json.dumps(_HERE))

    def texts() -> Iterator[str]:
        yield before
        yield from data
        yield after

    return texts()


def _hang_up_on_sleepers(response: Response) -> None:
    """Set a write timeout, because gunicorn would wait forever for a client that does not read."""
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(_PATIENCE_SECONDS)
        response.call_on_close(lambda: connection.settimeout(None))
