"""The page that signs its visitor in with a scan. It loads nothing from elsewhere; 404 while the feature is off."""

import logging
import re
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, current_app, render_template, send_from_directory

from authsvc.errors import NotFound
from authsvc.logs import shown as shown_text
from authsvc.values import wechat
from authsvc.web.access import prefers_english, services, user_agent
from authsvc.web.contracts.native import NATIVE
from authsvc.web.pictures import picture_response
from authsvc.web.routes.scan import use_case
from authsvc.web.routing import Operation, View, add
from authsvc.web.schemas import Body, Text
from authsvc.web.who import PUBLIC

logger = logging.getLogger(__name__)

_WEB = Path(__file__).parents[1]
signin = Blueprint("signin", __name__, url_prefix="/signin", template_folder=str(_WEB / "templates"))

_STATIC = _WEB / "static"
# Nothing from elsewhere, nothing inline, no framing. The picture of the code is a data: URL.
_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SENTENCES = {
    "zh-CN": {
        "title": "微信扫码登录",
        "how": "用手机微信扫码，并在手机上确认登录。",
        "picture": "用于登录的小程序码",
        "loading": "正在获取小程序码…",
        "pending": "等待扫码",
        "scanned": "已扫码，请在手机上确认登录",
        "approved": "登录成功，可以关闭此页面",
        "refused": "已在手机上取消登录",
        "expired": "小程序码已失效",
        "failed": "暂时无法获取小程序码，请稍后再试",
        "limited": "请求过于频繁，请在 {seconds} 秒后重试",
        "wechat": "微信暂时没有给出小程序码，请稍后再试",
        "network": "无法连接登录服务，请检查网络后重试",
        "off": "扫码登录已关闭，请换一种登录方式",
        "report": "如果问题一直存在，请把这一行告诉网站管理员：",
        "left": "{time} 后失效",
        "soon": "小程序码将在 {seconds} 秒后失效",
        "again": "换一个小程序码",
        "retry": "重试",
        "warning": "请勿扫描他人发来的登录码。",
        "script": "此页面需要启用 JavaScript。",
        "inside": "你正在微信里打开此页面：请直接打开小程序登录；此页面供电脑上的浏览器使用。",
        "stranger": "此登录页是从一个未获许可的网站打开的，不能在这里登录。请回到该网站，换一种登录方式。",
        "operator": "致网站管理员：请把该网站的来源加入 authsvc 的 SCAN_SIGN_IN_ORIGINS。来源：",
        "unknown": "此登录页的地址写错了，不能在这里登录。请回到打开此页面的网站，换一种登录方式。",
        "configure": "致网站管理员：authsvc 没有配置这个 AppID：",
    },
    "en": {
        "title": "Sign in with WeChat",
        "how": "Scan the code with WeChat on your phone, and confirm there.",
        "picture": "Mini-program code for signing in",
        "loading": "Getting a code…",
        "pending": "Waiting for a scan",
        "scanned": "Scanned. Confirm on your phone",
        "approved": "Signed in. You can close this page",
        "refused": "Refused on the phone",
        "expired": "This code has expired",
        "failed": "There is no code at the moment. Please try again",
        "limited": "Too many requests. Please try again in {seconds} seconds",
        "wechat": "WeChat gave no code. Please try again later",
        "network": "The login service cannot be reached. Check the network and try again",
        "off": "Signing in with a scan is turned off. Sign in another way",
        "report": "If this goes on, give this line to the site's operator:",
        "left": "Expires in {time}",
        "soon": "The code expires in {seconds} seconds",
        "again": "New code",
        "retry": "Try again",
        "warning": "Never scan a sign-in code that somebody sent you.",
        "script": "This page needs JavaScript.",
        "inside": "This page is open inside WeChat. Open the mini program instead: the page is for computers.",
        "stranger": "A site without permission opened this page, so you cannot sign in here. Sign in another way.",
        "operator": "For the site's operator: add the site's origin to SCAN_SIGN_IN_ORIGINS of authsvc. Origin:",
        "unknown": "The address of this page is wrong, so you cannot sign in here. Sign in another way.",
        "configure": "For the site's operator: authsvc is not configured for this AppID:",
    },
}


_APPID = re.compile(rf"{wechat.APPID}\Z")
_LANGUAGE = re.compile(r"(?:zh-CN|en)\Z")


class _Opener(Body):
    appid = Text(18, _APPID, description="the mini program; default: the first")
    origin = Text(200, description="the page that opened this one and gets the tokens; one of SCAN_SIGN_IN_ORIGINS")
    lang = Text(5, _LANGUAGE, description="zh-CN or en; default: what the browser prefers")


@signin.before_request
def _only_while_on() -> None:
    use_case()


def _page(body: dict[str, Any]) -> Response:
    """Return the page, in Chinese unless the browser or ``lang`` says English. It cannot be framed.

    For an unknown mini program, or an origin that is not one of SCAN_SIGN_IN_ORIGINS, a page with status 400 says whose
    mistake that is.
    """
    origin, appid = body.get("origin"), body.get("appid")
    language = body.get("lang") or ("en" if prefers_english() else "zh-CN")
    words = _SENTENCES[language]
    shown = {"language": language, "words": words, "origin": origin, "appid": appid}
    if origin is not None and origin not in current_app.extensions["authsvc-sign-in-origins"]:
        logger.info("refused: the origin %s is not one of SCAN_SIGN_IN_ORIGINS", shown_text(origin))
        response = _refusal(shown, words["stranger"], words["operator"], origin)
    elif appid is not None and appid not in services().apps.ids():
        response = _refusal(shown, words["unknown"], words["configure"], appid)
    else:
        app = services().apps.choose(appid, None)
        response = Response(render_template("signin.html", inside=_is_inside_wechat(), app=app, **shown))
    response.headers["Content-Security-Policy"] = _CSP
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Vary"] = "Accept-Language"
    return response


def _refusal(shown: dict[str, Any], reason: str, advice: str, detail: str) -> Response:
    return Response(render_template("signin_refused.html", reason=reason, advice=advice, detail=detail, **shown), 400)


def _is_inside_wechat() -> bool:
    """Tell whether a phone's WeChat shows the page, where the mini program itself is at hand."""
    agent = user_agent()
    return "MicroMessenger" in agent and ("Android" in agent or "iPhone" in agent)


def _part(name: str) -> Response:
    """Return style or script of the page; browsers revalidate it each time."""
    return send_from_directory(_STATIC, name)


def _app_picture(name: str) -> Response:
    """Return the picture of a mini program."""
    content = services().apps.picture(name)
    if content is None:
        raise NotFound("no mini program has this picture")
    return picture_response(name, content)


def _add(rule: str, view: View, summary: str, media: str, asked: Body | None = None) -> None:
    answer = {"type": "string"}
    operation = Operation(
        NATIVE,
        PUBLIC,
        summary,
        answer,
        fields=asked,
        tag="scan to sign in",
        media=media,
        limited="read",
        may_be_off=True,
        also=(400,) if asked else (),
    )
    add(signin, "GET", rule, operation, view)


_add("", _page, "Sign in with a scan", "text/html", _Opener())
_add("/<file:name>", _part, "Style and script of the page", "text/*")
_add("/pictures/<picture:name>", _app_picture, "The picture of a mini program", "image/*")
