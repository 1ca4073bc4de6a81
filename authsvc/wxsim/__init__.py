"""A WeChat simulator: a second program that behaves like api.weixin.qq.com, reached over HTTP.

authsvc knows nothing of it but an address (`WX_API_BASE`). These share one port:

- `/` and `/ui/…` are a page for people: phones in a browser (`page.py`);
- every other path is WeChat (`upstream.py` lists the endpoints): what a server asks `api.weixin.qq.com`;
- `/phone/…` is the WeChat client of a simulated user: `wx.login`, `wx.getUserInfo`, the phone button;
- `/control/…` is the hand of a test: apps, users, clock, faults, journal.

State lives in the memory of one process; starting again starts from nothing.

**It refuses to stand next to production** (`guard.py`):

1. It serves only AppIDs that cannot be a customer's: those that start with `wx51a051a0` (`SIMULATED_PREFIX`),
   and the few that WeChat prints in its own documentation and sample code (`DOCUMENTED_APPIDS`). Any other is
   refused on the command line and by `POST /control/apps`.
2. It does not start when its environment or `.env` holds any other AppID (`WX_APPID`, its aliases, or the
   file named by `WX_APPS_FILE`) while `WX_API_BASE` is unset or points at WeChat: that is a production
   configuration.

**It refuses other people's pages** (`browsers.py`): what a browser sends from another site, and what was sent to a name
that is not this machine's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from authsvc.wxsim import browsers, control, page, phone, push, upstream
from authsvc.wxsim.guard import RefusedAppId
from authsvc.wxsim.simulator import Simulator, install
from authsvc.wxsim.state import App, Settings, UnknownApp, WorldConflict

__all__ = ["create_simulator"]

# A test may post a body for the raw fault; nothing larger than a few pages of base64 makes sense here.
MAX_REQUEST_BYTES = 4 * 1024 * 1024


class _PlainJSON(DefaultJSONProvider):
    """JSON of the tool interfaces for people at a terminal: names as they are, keys in the order given."""

    ensure_ascii = False
    sort_keys = False


def create_simulator(
    apps: Sequence[App] = (),
    settings: Settings | None = None,
    authsvc: str | None = None,
    hosts: Collection[str] = (),
) -> Flask:
    """Build the simulator's Flask app. A reset restores these `apps` and `settings`.

    `authsvc` is the address on this machine that the page's phones sign in at; `hosts` are names, beside those of this
    machine, that the simulator answers to.

    Raises `RefusedAppId` for an AppID that could be real.
    """
    app = Flask(__name__, static_folder=None)
    app.config[page.AUTHSVC] = authsvc
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    app.json = _PlainJSON(app)
    install(app, Simulator(apps, settings or Settings()))
    browsers.guard(app, hosts)
    app.register_blueprint(phone.blueprint)
    app.register_blueprint(control.blueprint)
    app.register_blueprint(push.blueprint)
    app.register_blueprint(page.blueprint)
    app.register_blueprint(upstream.blueprint)
    _register_tool_errors(app)
    return app


def _register_tool_errors(app: Flask) -> None:
    """Give `/phone` and `/control` one error shape; the WeChat side never raises these."""

    def render(status: int, text: str) -> tuple[dict[str, str], int]:
        return {"error": text}, status

    def render_fields(error: ValidationError) -> tuple[dict[str, Any], int]:
        return {"error": "the body is not as expected", "fields": error.messages}, 400

    app.register_error_handler(ValidationError, render_fields)
    app.register_error_handler(UnknownApp, lambda error: render(404, str(error)))
    app.register_error_handler(WorldConflict, lambda error: render(409, str(error)))
    app.register_error_handler(RefusedAppId, lambda error: render(403, str(error)))
    app.register_error_handler(HTTPException, lambda error: render(error.code or 500, error.description or ""))
