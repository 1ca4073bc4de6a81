"""Taking a code of wx.login that was used for good while it is remembered what it was good for."""

import time

from authsvc.app import create_app
from authsvc.errors import LoginCodeUsed
from authsvc.values.wechat import MiniProgram, WeChatSession
from authsvc.wechat.client import WeChatClient

_exchange = WeChatClient.code2session
_known: dict[str, WeChatSession] = {}


def _remembered(self: WeChatClient, app: MiniProgram, code: str) -> WeChatSession:
    try:
        _known[code] = _exchange(self, app, code)
    except LoginCodeUsed:
        time.sleep(0.1)  # until the request that spent it has its answer
    return _known[code]


WeChatClient.code2session = _remembered
app = create_app()
