"""Builds the simulator: the composition root of this program."""

from collections.abc import Collection, Sequence
from typing import Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from marshmallow import ValidationError
from werkzeug.exceptions import HTTPException

from authsvc.wxsim import browsers, control, page, phone, push, upstream
from authsvc.wxsim.guard import RefusedAppId
from authsvc.wxsim.simulator import Simulator, install
from authsvc.wxsim.world import App, Settings, UnknownApp, WorldConflict

# A test may post a body for the raw fault; nothing larger than a few pages of base64 makes sense here.
MAX_REQUEST_BYTES = 4 * 1024 * 1024


class _PlainJSON(DefaultJSONProvider):
    """JSON of the tool interfaces, readable at a terminal: unescaped, with keys in the given order."""

    ensure_ascii = False
    sort_keys = False


def create_simulator(
    apps: Sequence[App] = (),
    settings: Settings | None = None,
    authsvc: str | None = None,
    hosts: Collection[str] = (),
) -> Flask:
    """Build the simulator's Flask app. A reset restores these ``apps`` and ``settings``.

    ``authsvc`` is the address on this machine where the page's phones sign in; ``hosts`` are additional host names of
    the simulator.

    Raises RefusedAppId for an AppID that could be real.
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
    """Give ``/phone`` and ``/control`` one error shape; the WeChat side never raises these errors."""

    def render(status: int, text: str) -> tuple[dict[str, str], int]:
        return {"error": text}, status

    def render_fields(error: ValidationError) -> tuple[dict[str, Any], int]:
        return {"error": "the body is not as expected", "fields": error.messages}, 400

    app.register_error_handler(ValidationError, render_fields)
    app.register_error_handler(UnknownApp, lambda error: render(404, str(error)))
    app.register_error_handler(WorldConflict, lambda error: render(409, str(error)))
    app.register_error_handler(RefusedAppId, lambda error: render(403, str(error)))
    app.register_error_handler(HTTPException, lambda error: render(error.code or 500, error.description or ""))
