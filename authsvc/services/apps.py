"""Which mini program a request is for."""

import re

from authsvc.errors import UnknownApp
from authsvc.types import MiniProgram

# WeChat sets this header itself and a mini program cannot change it (WeChat page: wx.request).
_REFERER = re.compile(r"https://servicewechat\.com/([^/]+)/")


class Apps:
    """The mini programs of this deployment; the first is the default."""

    def __init__(self, apps: tuple[MiniProgram, ...]) -> None:
        self._apps = {app.appid: app for app in apps}
        self._default = apps[0]

    def choose(self, appid: str | None, referer: str | None) -> MiniProgram:
        """Return the app of an explicit ``appid``, else of WeChat's Referer, else the default.

        Raises UnknownApp for one that is named but not ours.
        """
        if appid is None and referer and (match := _REFERER.match(referer)):
            appid = match[1]
        if appid is None:
            return self._default
        app = self._apps.get(appid)
        if app is None:
            raise UnknownApp("appid not in the settings")
        return app

    def get(self, appid: str) -> MiniProgram:
        """Return the app with this appid, which must be one of ours."""
        return self._apps[appid]
