"""``/``: what this is, for people who open the address and for programs that look at it. It loads nothing else."""

import base64
import hashlib
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, render_template
from marshmallow import fields

from authsvc import __version__
from authsvc.web import bodies
from authsvc.web.access import prefers_english, prefers_json, services
from authsvc.web.contracts.native import NATIVE
from authsvc.web.routing import Operation, add
from authsvc.web.schemas import Body
from authsvc.web.who import PUBLIC

_WEB = Path(__file__).parents[1]
home = Blueprint("home", __name__, template_folder=str(_WEB / "templates"))

_STYLE = (_WEB / "static" / "home.css").read_text(encoding="utf-8")
_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# The style is in the page, so that this is one request, and one address.
_CSP = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SENTENCES = {
    "zh-CN": {
        "title": "微信小程序登录服务",
        "what": "authsvc 让用户用微信登录小程序，并签发令牌，供公司的其他服务离线验证。",
        "visitor": "如果你想登录，请打开小程序；这个地址是给程序用的。",
        "signin": "扫码登录",
        "health": "运行状态",
        "jwks": "验证令牌的公钥",
        "configuration": "签发者信息",
        "openapi": "接口文档（OpenAPI）",
        "docs": "接口文档（网页）",
    },
    "en": {
        "title": "Login service for WeChat mini programs",
        "what": "authsvc signs people in to mini programs with WeChat, and issues tokens that other services verify "
        "offline.",
        "visitor": "If you want to sign in, open the mini program: this address is for programs.",
        "signin": "Sign in with a scan",
        "health": "Health",
        "jwks": "Public keys that verify tokens",
        "configuration": "The issuer of the tokens",
        "openapi": "The API (OpenAPI)",
        "docs": "The API as a page",
    },
}
_LINKS = {
    "signin": "/signin",
    "health": "/healthz",
    "jwks": "/.well-known/jwks.json",
    "configuration": "/.well-known/openid-configuration",
    "openapi": "/openapi.json",
    "docs": "/docs",
}


class Home(Body):
    """What this is, and where its parts are."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    description = fields.String(required=True)
    links = fields.Dict(
        keys=fields.String(), values=fields.String(), required=True, metadata={"description": "paths of what is on"}
    )


def _home() -> Response:
    """Return the page, or the same as JSON for clients that prefer it."""
    language = "en" if prefers_english() else "zh-CN"
    words = _SENTENCES[language]
    if prefers_json():
        response = bodies.write(_as_json(words))
    else:
        page = render_template("home.html", language=language, words=words, links=_links(), style=_STYLE)
        response = Response(page)
        response.headers["Content-Security-Policy"] = _CSP
        response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Accept, Accept-Language"
    return response


def _as_json(words: dict[str, str]) -> dict[str, Any]:
    return {"name": "authsvc", "version": __version__, "description": words["what"], "links": _links()}


def _links() -> dict[str, str]:
    """Return the addresses of what is on."""
    off = {
        "signin": services().scan_sign_ins is None,
        "docs": "apipage" not in current_app.blueprints,
    }
    return {name: path for name, path in _LINKS.items() if not off.get(name)}


add(
    home,
    "GET",
    "/",
    Operation(NATIVE, PUBLIC, "What this is", Home(), tag="discovery", limited="read", is_page_too=True),
    _home,
)
