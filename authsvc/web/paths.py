"""The kinds of path parameters: every parameter of every route is one of these, and anything else is a 404.

So no view and no query gets arbitrary text: nothing that a database refuses, and no number that is too long for it.
"""

from collections.abc import Mapping
from typing import Any

from flask import Flask
from werkzeug.routing import BaseConverter

from authsvc.values.pictures import PICTURE_NAME
from authsvc.values.tokens import SESSION_ID
from authsvc.values.wechat import APPID


class _SessionId(BaseConverter):
    """A session's id, and none of the words that other routes have in its place."""

    regex = rf"(?!(?:refresh|logout)\Z){SESSION_ID}"


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
    """The name of one of our own files."""

    regex = r"[a-z-]{1,32}\.(?:js|css)"


class _Anything(BaseConverter):
    """Another service's path with slashes, which is not read."""

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
    """Register these with ``app`` before any rule is added."""
    app.url_map.converters.update(CONVERTERS)
    # Otherwise the answer to //healthz would be a redirect to the client's Host.
    app.url_map.merge_slashes = False
