"""The codes of ``wx.login``: which mini program they are of, and whom WeChat says they stand for."""

from authsvc.services.miniprograms.apps import Apps
from authsvc.values.wechat import MiniProgram, WeChatSession
from authsvc.wechat.client import WeChatClient


class LoginCodes:
    """Has codes exchanged by WeChat."""

    def __init__(self, apps: Apps, wechat: WeChatClient) -> None:
        self._apps = apps
        self._wechat = wechat

    def app(self, appid: str | None, referer: str | None = None) -> MiniProgram:
        """Return the mini program that a request is for. Raises UnknownApp or TouristAppId."""
        return self._apps.choose(appid, referer)

    def exchange(self, app: MiniProgram, code: str) -> WeChatSession:
        """Return whom a code of this app stands for, and spend it. Raises a WeChatError."""
        return self._wechat.code2session(app, code)
