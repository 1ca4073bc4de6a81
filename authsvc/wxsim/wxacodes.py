"""The three endpoints that draw codes: getwxacodeunlimit, getwxacode, createwxaqrcode.

Pages 获取不限制的小程序码 (getUnlimitedQRCode), 获取小程序码 (getQRCode), 获取小程序二维码 (createQRCode).
"""

import io
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import segno
from PIL import Image

from authsvc.wxsim.asked import Asked, object_of
from authsvc.wxsim.delivery import Answer
from authsvc.wxsim.drawncodes import DrawnCode, Grid
from authsvc.wxsim.errcodes import WeChatRefusal
from authsvc.wxsim.identifiers import new_hint
from authsvc.wxsim.world import World

# "Digits, upper and lower case letters, and !#$&'()*+,/:;=?@-._~": 82 characters, no % among them.
_SCENE = re.compile(r"[0-9A-Za-z!#$&'()*+,/:;=?@\-._~]+\Z")
_SCENE_CHARACTERS = 32
_PATH_CHARACTERS = {"/wxa/getwxacode": 1024, "/cgi-bin/wxaapp/createwxaqrcode": 128}
_VERSIONS = ("release", "trial", "develop")
_DEFAULT_WIDTH, _LEAST_WIDTH, _MOST_WIDTH = 430, 280, 1280
_RESERVED = "scancode_time"
_WHITE = (255, 255, 255, 255)
_CLEAR = (255, 255, 255, 0)
# The header is the same for a PNG (reported).
_CONTENT_TYPE = "image/jpeg"


def getwxacodeunlimit(world: World, asked: Asked) -> Answer:
    """Draw the code of a scene. Raises WeChatRefusal 45009, 40169, 40129, 85096, 41030, 40097, 40189."""
    appid = world.tokens.require(asked.query.get("access_token"))
    world.count_code(appid)
    fields = _object(asked, 40169)
    scene = fields.get("scene")
    if not isinstance(scene, str) or not 0 < len(scene) <= _SCENE_CHARACTERS:
        raise _bad_length(40169)
    if not _SCENE.match(scene):
        raise WeChatRefusal(40129)
    _check_page(world, fields)
    _check_version(fields)
    page = fields.get("page") or (world.settings.published_pages or ["pages/index/index"])[0]
    # The page gets the scene as one escaped parameter of its query (page 获取小程序码).
    return _drawn(world, scene, fields, DrawnCode(appid, f"{page}?scene={quote(scene, safe='')}"))


def getwxacode(world: World, asked: Asked) -> Answer:
    """Draw the code of a path, one of 100,000. Raises WeChatRefusal 40159, 85096, 40097, 40189, 45029."""
    return _of_path(world, asked, versioned=True)


def createwxaqrcode(world: World, asked: Asked) -> Answer:
    """Draw the square code of a path, of the same 100,000. Raises WeChatRefusal as ``getwxacode`` does."""
    return _of_path(world, asked, versioned=False)


def _of_path(world: World, asked: Asked, *, versioned: bool) -> Answer:
    appid = world.tokens.require(asked.query.get("access_token"))
    fields = _object(asked, 40159)
    path = fields.get("path")
    if not isinstance(path, str) or not 0 < len(path) <= _PATH_CHARACTERS[asked.call.path]:
        raise _bad_length(40159)
    if _RESERVED in path:
        raise WeChatRefusal(85096)
    if versioned:
        _check_version(fields)
    drawn = _drawn(world, path, fields, DrawnCode(appid, path))
    used = world.take_limited_code(appid)
    headers = {"Num-Used": str(used)} if versioned else {}
    return Answer(drawn.body, drawn.content_type, headers=headers)


def _object(asked: Asked, errcode: int) -> dict[str, Any]:
    """Return the JSON object of the body. Raises WeChatRefusal 44002, or ``errcode``: "or the data is not json"."""
    if not asked.text:
        raise WeChatRefusal(44002)
    parsed = object_of(asked.text)
    if parsed is None:
        raise _bad_length(errcode)
    return parsed


def _bad_length(errcode: int) -> WeChatRefusal:
    """Return the refusal with a hint before the request id (captured)."""
    refusal = WeChatRefusal(errcode)
    return WeChatRefusal(errcode, f"{refusal.text} hint: [{new_hint()}]")


def _check_page(world: World, fields: Mapping[str, Any]) -> None:
    """Check the page: empty is the home page. Unless check_path is false, it must be in the published version."""
    page = fields.get("page")
    if page in (None, ""):
        return
    if not isinstance(page, str):
        raise WeChatRefusal(40097)
    if _RESERVED in page:
        raise WeChatRefusal(85096)
    published = world.settings.published_pages
    is_unknown = published is not None and page not in published
    if page.startswith("/") or "?" in page or (is_unknown and fields.get("check_path", True) is not False):
        raise WeChatRefusal(41030)


def _check_version(fields: Mapping[str, Any]) -> None:
    if fields.get("env_version", "release") not in _VERSIONS:
        raise WeChatRefusal(40097)


def _drawn(world: World, text: str, fields: Mapping[str, Any], code: DrawnCode) -> Answer:
    """Draw a QR code with exactly ``text``, which opens ``code`` when a simulated phone scans it.

    A JPEG, or with is_hyaline a PNG with a transparent background. The real picture is WeChat's own round code, which
    only WeChat can read.
    """
    width = fields.get("width", _DEFAULT_WIDTH)
    if type(width) is not int or not _LEAST_WIDTH <= width <= _MOST_WIDTH:
        raise WeChatRefusal(40189)
    is_clear = fields.get("is_hyaline") is True
    ink, paper = (*_line_color(fields), 255), _CLEAR if is_clear else _WHITE
    rows = [list(row) for row in segno.make_qr(text, error="m").matrix_iter(border=4)]
    modules = Image.new("RGBA", (len(rows), len(rows)), paper)
    modules.putdata([ink if dark else paper for row in rows for dark in row])
    scale = width // len(rows)
    enlarged = modules.resize((len(rows) * scale, len(rows) * scale), Image.Resampling.NEAREST)
    picture = Image.new("RGBA", (width, width), paper)
    margin = (width - enlarged.width) // 2
    picture.paste(enlarged, (margin, margin))
    world.drawn_codes.remember(Grid(len(rows), margin / width, scale / width), rows, code)
    output = io.BytesIO()
    if is_clear:
        picture.save(output, "PNG")
    else:
        picture.convert("RGB").save(output, "JPEG", quality=90)
    return Answer(output.getvalue(), _CONTENT_TYPE)


def _line_color(fields: Mapping[str, Any]) -> tuple[int, int, int]:
    """Return the colour of the lines; its components are numbers or decimal texts."""
    color = fields.get("line_color", {})
    if fields.get("auto_color") is True:
        return 0, 0, 0
    if not isinstance(color, dict):
        raise WeChatRefusal(40097)
    parts = [str(color.get(name, 0)) for name in "rgb"]
    if not all(part.isascii() and part.isdigit() and int(part) <= 255 for part in parts):
        raise WeChatRefusal(40097)
    red, green, blue = map(int, parts)
    return red, green, blue
