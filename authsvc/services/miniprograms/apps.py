"""Determines the mini program of a request."""

import re

from authsvc import context
from authsvc.errors import TouristAppId, UnknownApp
from authsvc.values.wechat import MiniProgram

# WeChat sets this header itself and a mini program cannot change it (WeChat page: wx.request).
_REFERER = re.compile(r"https://servicewechat\.com/([^/]+)/")
# The appid in the Referer of developer tools whose project has no AppID (observed).
_TOURIST = "touristappid"


class Apps:
    """The mini programs of this deployment; the first is the default.

    ``tourist`` is the appid that stands for developer tools without an AppID, if any.
    """

    def __init__(self, apps: tuple[MiniProgram, ...], tourist: str | None = None) -> None:
        self._apps = {app.appid: app for app in apps}
        self._default = apps[0]
        self._tourist = tourist

    def choose(self, appid: str | None, referer: str | None) -> MiniProgram:
        """Return the app of an explicit ``appid``, or of WeChat's Referer, or the default.

        The request's further log lines name it. Raises UnknownApp for an app that is not configured, and TouristAppId
        for developer tools without an AppID.
        """
        app = self._chosen(appid, referer)
        context.appid.set(app.appid)
        return app

    def _chosen(self, appid: str | None, referer: str | None) -> MiniProgram:
        if appid is None and referer and (match := _REFERER.match(referer)):
            appid = match[1]
        if appid is None:
            return self._default
        if appid == _TOURIST:
            appid = self._tourist
            if appid is None:
                raise TouristAppId("developer tools without an AppID")
        app = self._apps.get(appid)
        if app is None:
            raise UnknownApp("appid not in the settings")
        return app

    def get(self, appid: str) -> MiniProgram:
        """Return the app with this appid, which must be configured."""
        return self._apps[appid]

    def picture(self, name: str) -> bytes | None:
        """Return the picture of a mini program by its file name, or None."""
        pictures = (app.picture for app in self._apps.values())
        return next((picture.content for picture in pictures if picture and picture.name == name), None)

    def ids(self) -> list[str]:
        """Return the appids of all of them."""
        return list(self._apps)
