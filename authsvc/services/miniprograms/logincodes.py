"""The codes of ``wx.login``: their mini program, and the person that WeChat returns for them."""

from authsvc.services.miniprograms.apps import Apps
from authsvc.values.wechat import MiniProgram, WeChatSession
from authsvc.wechat.client import WeChatClient


class LoginCodes:
    """Exchanges codes with WeChat."""

    def __init__(self, apps: Apps, wechat: WeChatClient) -> None:
        self._apps = apps
        self._wechat = wechat

    def app(self, appid: str | None, referer: str | None = None) -> MiniProgram:
        """Return the mini program of a request. Raises UnknownApp or TouristAppId."""
        return self._apps.choose(appid, referer)

    def exchange(self, app: MiniProgram, code: str) -> WeChatSession:
        """Exchange a code of this app for the person; this uses it up. Raises a WeChatError."""
        return self._wechat.code2session(app, code)
