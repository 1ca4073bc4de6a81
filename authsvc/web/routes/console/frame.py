"""What all pages of the console share: language, addresses, and headers that let in nothing from elsewhere."""

from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, Response, render_template, request

from authsvc.errors import AuthSvcError
from authsvc.values.operator import masked_openid, masked_phone
from authsvc.web.access import prefers_english
from authsvc.web.routes.console import writing
from authsvc.web.routes.console.words import WORDS

PREFIX = "/console"
SIGN_IN = "/sign-in"
_TEMPLATES = str(Path(__file__).parents[2] / "templates")
# Nothing from elsewhere, no script, nothing inline, no framing. Charts and pictures may be data: URLs.
_CSP = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; frame-ancestors 'none';"
    " base-uri 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _CSP,
    "Cache-Control": "no-store",
    # With no-referrer, browsers would send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Vary": "Accept-Language, Cookie",
}


def blueprint(name: str) -> Blueprint:
    """Return a blueprint for some pages of the console."""
    return Blueprint(f"console-{name}", __name__, url_prefix=PREFIX, template_folder=_TEMPLATES)


def language() -> str:
    """Return the language of this page: the one in ``lang``, or what the browser prefers of ours."""
    return _chosen() or ("en" if prefers_english() else "zh-CN")


def words() -> dict[str, str]:
    """Return the words of this page by name."""
    return WORDS[language()]


def address(path: str = "") -> str:
    """Return the address of a page of the console, which keeps a language that was chosen."""
    chosen = _chosen()
    joint = "&" if "?" in path else "?"
    return f"{PREFIX}{path}{joint}lang={chosen}" if chosen else f"{PREFIX}{path}"


def page(template: str, status: int = 200, **shown: Any) -> Response:
    """Return a page made of a template of ``templates/console/``, with what it shows."""
    known = {
        "language": language(),
        "words": words(),
        "address": address,
        "chosen": _chosen(),
        "in_other_language": _in_other_language(),
        "moment": writing.moment,
        "machine_moment": writing.machine_moment,
        "day": writing.day,
        "length": partial(writing.length, words=words()),
        "device": partial(writing.device, words=words()),
        "masked_phone": masked_phone,
        "masked_openid": masked_openid,
    }
    response = Response(render_template(f"console/{template}", **known, **shown), status)
    response.headers.update(_HEADERS)
    return response


def redirect(path: str = "") -> Response:
    """Lead the browser to another page of the console, which it asks for with a GET."""
    response = Response(status=303, headers={**_HEADERS, "Location": address(path)})
    return response


def sentence(error: AuthSvcError) -> str:
    """Return what an error says, in the language of this page."""
    return error.en if language() == "en" else error.zh


def _chosen() -> str | None:
    asked = request.args.get("lang", "")
    return asked if asked in WORDS else None


def _in_other_language() -> str:
    """Return the address of this page in the other language; of the first page if this one answers a form."""
    other = "zh-CN" if language() == "en" else "en"
    if request.method not in ("GET", "HEAD"):
        return f"{PREFIX}?lang={other}"
    kept = {name: request.args[name] for name in request.args if name not in ("lang", "done")}
    return f"?{urlencode(kept | {'lang': other})}"
