"""A WeChat simulator: a separate program that behaves like api.weixin.qq.com, reached over HTTP.

authsvc knows only its address (``WX_API_BASE``). These interfaces share one port:

- ``/`` and ``/ui/…`` are a page for people: phones in a browser (``page.py``);
- every other path is WeChat (``upstream.py`` lists the endpoints), as servers use it at ``api.weixin.qq.com``;
- ``/phone/…`` is the WeChat client of a simulated user: ``wx.login``, ``wx.getUserInfo``, the phone button;
- ``/control/…`` is for tests: apps, users, clock, faults, journal.

The state is in the memory of one process; a restart begins with nothing.

It refuses to run next to production (``guard.py``):

1. It serves only AppIDs that cannot belong to a customer: those that begin with ``wx51a051a0`` (``SIMULATED_PREFIX``),
   and the few that WeChat prints in its own documentation and sample code (``DOCUMENTED_APPIDS``). Any other is
   refused on the command line and by ``POST /control/apps``.
2. It does not start when its environment or ``.env`` holds any other AppID (``WX_APPID``, its aliases, or the
   file named by ``WX_APPS_FILE``) while ``WX_API_BASE`` is unset or points at WeChat: that is a production
   configuration.

It refuses requests of other sites (``browsers.py``): those that a browser sends from another site's page, and those to
a name other than this machine's.
"""
