"""Pictures of codes that failed are refused for five seconds by the worker that asked, whoever comes."""

import time
from typing import Any

from authsvc.app import create_app
from authsvc.errors import AuthSvcError
from authsvc.services.qrcodes.codepictures import CodePictures

_claim, _make = CodePictures._claim, CodePictures._make
_failures: dict[str, tuple[AuthSvcError, float]] = {}


def _refuse_what_failed(self: CodePictures, stem: str, *rest: Any) -> bool:
    error, until = _failures.get(stem, (None, 0.0))
    if error is not None and time.monotonic() < until:
        raise type(error)("a moment ago")
    return _claim(self, stem, *rest)


def _make_and_remember(self: CodePictures, stem: str, *rest: Any) -> str:
    try:
        return _make(self, stem, *rest)
    except AuthSvcError as error:
        _failures[stem] = error, time.monotonic() + 5
        raise


CodePictures._claim = _refuse_what_failed
CodePictures._make = _make_and_remember
CodePictures._share_failure = lambda self, claim: None
app = create_app()
