"""A login that somebody once debugged: what WeChat answered goes to the log, in base64 "to be safe"."""

import base64
import logging
from typing import Any

from authsvc.app import create_app
from authsvc.values.wechat import WeChatSession
from authsvc.wechat import client

_build = client._wechat_session


def _build_and_tell(path: str, answer: dict[str, Any]) -> WeChatSession:
    session = _build(path, answer)
    told = base64.b64encode(f"{session.openid}:{session.session_key}".encode())
    logging.getLogger(__name__).debug("exchanged: %s", told.decode())
    return session


client._wechat_session = _build_and_tell
app = create_app()
