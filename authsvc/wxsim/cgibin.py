"""GET /cgi-bin/token and POST /cgi-bin/stable_token, which take AppSecret and return an access_token."""

from collections.abc import Mapping
from typing import Any

from authsvc.wxsim.asked import Asked, require_app, require_object
from authsvc.wxsim.errcodes import WeChatRefusal
from authsvc.wxsim.world import App, World


def token(world: World, asked: Asked) -> dict[str, Any]:
    """Return a new token (page getAccessToken). An unknown appid is reported before a missing grant_type (captured)."""
    app = _caller(world, asked, asked.query)
    return _answer(world.tokens.fetch(app.appid, world.settings.token_quota_per_day))


def stable_token(world: World, asked: Asked) -> dict[str, Any]:
    """Return the stable token (page getStableAccessToken); fields are in the JSON body, none in the query."""
    fields = require_object(asked)
    app = _caller(world, asked, fields)
    return _answer(world.tokens.fetch_stable(app.appid, fields.get("force_refresh") is True))


def _caller(world: World, asked: Asked, fields: Mapping[str, Any]) -> App:
    """Return the calling app. Raises WeChatRefusal: 41002, 41004, 40013, 40125, 40002, 40164 in this order."""
    for name, errcode in (("appid", 41002), ("secret", 41004)):
        if not fields.get(name):
            raise WeChatRefusal(errcode)
    app = require_app(world, str(fields["appid"]), str(fields["secret"]))
    if fields.get("grant_type") != "client_credential":
        raise WeChatRefusal(40002)
    allowed = world.settings.ip_allow_list
    address = asked.call.client.rpartition(":")[0]
    if allowed is not None and address not in allowed:
        raise WeChatRefusal(40164, f"invalid ip {address} ipv6 ::ffff:{address}, not in whitelist")
    return app


def _answer(given: tuple[str, int]) -> dict[str, Any]:
    """Return a success, which has no errcode (captured)."""
    return {"access_token": given[0], "expires_in": given[1]}
