"""What may stand in a path: every parameter of every route is one of these, and anything else is no such address.

So no view and no query gets text that a stranger made up: nothing that a database refuses, no number too long for it.
"""

from collections.abc import Mapping
from typing import Any

from flask import Flask
from werkzeug.routing import BaseConverter

from authsvc.values.pictures import PICTURE_NAME
from authsvc.values.tokens import SESSION_ID
from authsvc.values.wechat import APPID


class _SessionId(BaseConverter):
    regex = SESSION_ID


class _RowId(BaseConverter):
    """A number that fits into 64 bits."""

    regex = "[1-9][0-9]{0,17}"

    def to_python(self, value: str) -> Any:
        return int(value)


class _Appid(BaseConverter):
    regex = APPID


class _PictureName(BaseConverter):
    regex = PICTURE_NAME


class _FileName(BaseConverter):
    """Of a file of our own."""

    regex = r"[a-z]{1,32}\.(?:js|css)"


class _Anything(BaseConverter):
    """Another service's path, slashes included: nobody reads it."""

    regex = "(?s:.*)"
    part_isolating = False


CONVERTERS: Mapping[str, type[BaseConverter]] = {
    "session": _SessionId,
    "row": _RowId,
    "appid": _Appid,
    "picture": _PictureName,
    "file": _FileName,
    "anything": _Anything,
}


def install(app: Flask) -> None:
    """Make these known to the rules of ``app``, before any is added."""
    app.url_map.converters.update(CONVERTERS)
    # Or the answer to //healthz would be a redirect to whatever Host the client names.
    app.url_map.merge_slashes = False
