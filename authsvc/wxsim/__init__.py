"""A WeChat simulator: a second program that behaves like api.weixin.qq.com, reached over HTTP.

authsvc knows nothing of it but an address (``WX_API_BASE``). These share one port:

- ``/`` and ``/ui/…`` are a page for people: phones in a browser (``page.py``);
- every other path is WeChat (``upstream.py`` lists the endpoints): what a server asks ``api.weixin.qq.com``;
- ``/phone/…`` is the WeChat client of a simulated user: ``wx.login``, ``wx.getUserInfo``, the phone button;
- ``/control/…`` is the hand of a test: apps, users, clock, faults, journal.

State lives in the memory of one process; starting again starts from nothing.

It refuses to stand next to production (``guard.py``):

1. It serves only AppIDs that cannot be a customer's: those that start with ``wx51a051a0`` (``SIMULATED_PREFIX``),
   and the few that WeChat prints in its own documentation and sample code (``DOCUMENTED_APPIDS``). Any other is
   refused on the command line and by ``POST /control/apps``.
2. It does not start when its environment or ``.env`` holds any other AppID (``WX_APPID``, its aliases, or the
   file named by ``WX_APPS_FILE``) while ``WX_API_BASE`` is unset or points at WeChat: that is a production
   configuration.

It refuses other people's pages (``browsers.py``): what a browser sends from another site, and what was sent to a name
that is not this machine's.
"""
