"""The endpoints that draw codes: what they refuse, in which words, and pictures that a scanner reads."""

import base64
import io
import re
import string
from urllib.parse import quote

import pytest
import zxingcpp
from PIL import Image

RID = r"[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}"
UNLIMITED, LIMITED, SQUARE = "/wxa/getwxacodeunlimit", "/wxa/getwxacode", "/cgi-bin/wxaapp/createwxaqrcode"
ALPHABET = string.digits + string.ascii_letters + "!#$&'()*+,/:;=?@-._~"


def token(sim):
    body = {"grant_type": "client_credential", "appid": sim.appid, "secret": sim.secret}
    return sim.post("/cgi-bin/stable_token", **body).json()["access_token"]


def ask(sim, endpoint, access_token=None, /, **body):
    access_token = token(sim) if access_token is None else access_token
    return sim.http.post(sim.base + endpoint, params={"access_token": access_token}, json=body, timeout=5)


def refusal(answer):
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.json()["errcode"]


def scanned(content):
    (found,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(content)).convert("RGBA").convert("L"))
    return found.text


def flat(content):
    """On white: what shows through a clear background."""
    picture = Image.open(io.BytesIO(content)).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    white.alpha_composite(picture)
    return white.convert("RGB")


@pytest.mark.parametrize("scene", ["a", "invite_code=7K3MPQ9X", ALPHABET[:32], ALPHABET[32:64], ALPHABET[-32:]])
def test_the_picture_holds_the_scene(sim, scene):
    answer = ask(sim, UNLIMITED, scene=scene, page="pages/login/login")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
    picture = Image.open(io.BytesIO(answer.content))
    assert (picture.format, picture.size) == ("JPEG", (430, 430))
    assert scanned(answer.content) == scene


def test_a_clear_background_makes_a_png_that_is_still_called_jpeg(sim):
    color = {"r": "200", "g": 0, "b": "30"}
    answer = ask(sim, UNLIMITED, scene="a=1", is_hyaline=True, width=280, line_color=color)
    picture = Image.open(io.BytesIO(answer.content))
    assert (answer.headers["Content-Type"], picture.format, picture.size) == ("image/jpeg", "PNG", (280, 280))
    assert picture.convert("RGBA").getpixel((0, 0))[3] == 0
    on_white = flat(answer.content)
    assert {color for _, color in on_white.getcolors()} == {(255, 255, 255), (200, 0, 30)}
    assert zxingcpp.read_barcode(on_white).text == "a=1"


WRONG = {
    "no scene": ({}, 40169, "invalid length for scene, or the data is not json string hint: ["),
    "empty scene": ({"scene": ""}, 40169, "invalid length for scene"),
    "33 characters": ({"scene": "a" * 33}, 40169, "invalid length for scene"),
    "a number": ({"scene": 5}, 40169, "invalid length for scene"),
    "percent": ({"scene": "a%3D1"}, 40129, "invalid scene"),
    "blank": ({"scene": "a b"}, 40129, "invalid scene"),
    "Chinese": ({"scene": "邀请"}, 40129, "invalid scene"),
    "newline": ({"scene": "a\n"}, 40129, "invalid scene"),
    "page with a slash first": ({"scene": "a", "page": "/pages/login/login"}, 41030, "invalid page"),
    "page with a query": ({"scene": "a", "page": "pages/login/login?a=1", "check_path": False}, 41030, "invalid page"),
    "page that is not published": ({"scene": "a", "page": "pages/new/new"}, 41030, "invalid page"),
    "reserved": ({"scene": "a", "page": "scancode_time"}, 85096, "not allow include scancode_time field"),
    "version": ({"scene": "a", "env_version": "beta"}, 40097, "invalid args"),
    "color": ({"scene": "a", "line_color": {"r": "300"}}, 40097, "invalid args"),
    "narrow": ({"scene": "a", "width": 279}, 40189, "invalid width"),
    "wide": ({"scene": "a", "width": 1281}, 40189, "invalid width"),
    "text for width": ({"scene": "a", "width": "430"}, 40189, "invalid width"),
}


@pytest.mark.parametrize("body, errcode, text", WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_refused_as_json_with_http_200(sim, body, errcode, text):
    answer = ask(sim, UNLIMITED, **body)
    assert refusal(answer) == errcode
    assert answer.json()["errmsg"].startswith(text)
    assert re.search(rf" rid: {RID}\Z", answer.json()["errmsg"])


def test_a_page_that_is_not_checked_need_not_be_published(sim):
    assert scanned(ask(sim, UNLIMITED, scene="a", page="pages/new/new", check_path=False).content) == "a"
    sim.control("settings", published_pages=["pages/new/new"])
    assert scanned(ask(sim, UNLIMITED, scene="a", page="pages/new/new").content) == "a"
    sim.control("settings", published_pages=None)
    assert scanned(ask(sim, UNLIMITED, scene="a", page="pages/any/any").content) == "a"


def test_the_token_is_looked_at_first(sim):
    assert refusal(ask(sim, UNLIMITED, "", scene="a")) == 41001
    assert refusal(ask(sim, UNLIMITED, "!", scene="")) == 40014
    good = token(sim)
    sim.control("tokens/kill", appid=sim.appid)
    assert refusal(ask(sim, UNLIMITED, good, scene="a")) == 40001


@pytest.mark.parametrize("path, errcode", [(UNLIMITED, 40169), (LIMITED, 40159), (SQUARE, 40159)])
def test_a_form_is_not_json(sim, path, errcode):
    url = f"{sim.base}{path}?access_token={token(sim)}"
    assert refusal(sim.http.post(url, data={"scene": "a", "path": "a"}, timeout=5)) == errcode
    assert refusal(sim.http.post(url, data="", timeout=5)) == 44002
    assert refusal(sim.http.get(url, timeout=5)) == 43002


def test_the_quota_of_a_minute(sim):
    sim.control("settings", codes_per_minute=2)
    assert [ask(sim, UNLIMITED, scene="a").headers["Content-Type"] for _ in range(2)] == ["image/jpeg"] * 2
    assert refusal(ask(sim, UNLIMITED, scene="a")) == 45009
    sim.control("clock", advance=60)
    assert ask(sim, UNLIMITED, scene="a").headers["Content-Type"] == "image/jpeg"


def test_both_kinds_of_path_share_one_hundred_thousand(sim):
    sim.control("settings", limited_codes=3)
    first, second = ask(sim, LIMITED, path="pages/a/a?b=1"), ask(sim, SQUARE, path="pages/a/a?b=2")
    assert [scanned(answer.content) for answer in (first, second)] == ["pages/a/a?b=1", "pages/a/a?b=2"]
    assert first.headers["Num-Used"] == "1"
    assert "Num-Used" not in second.headers
    assert ask(sim, LIMITED, path="pages/a/a").headers["Num-Used"] == "3"
    assert [refusal(ask(sim, path, path="pages/a/a")) for path in (LIMITED, SQUARE)] == [45029, 45029]


@pytest.mark.parametrize("path, most", [(LIMITED, 1024), (SQUARE, 128)])
def test_a_path_has_a_length(sim, path, most):
    assert ask(sim, path, path="p" * most).headers["Content-Type"] == "image/jpeg"
    assert [refusal(ask(sim, path, path=wrong)) for wrong in ("p" * (most + 1), "", None)] == [40159] * 3


def test_an_altered_picture_is_whole_as_far_as_http_can_tell(sim):
    whole = ask(sim, UNLIMITED, scene="a").content
    sim.fault("altered", path=UNLIMITED, keep=100, append="<script>")
    altered = ask(sim, UNLIMITED, scene="a")
    assert altered.content == whole[:100] + b"<script>"
    assert altered.headers["Content-Length"] == "108"


def photographed(content, size=260):
    """As a screen shows it and a camera takes it: flat, smaller, compressed."""
    output = io.BytesIO()
    flat(content).resize((size, size)).save(output, "JPEG", quality=60)
    return output.getvalue()


@pytest.mark.parametrize("look", [{}, {"is_hyaline": True, "width": 280}, {"line_color": {"r": 200, "g": 0, "b": 30}}])
def test_a_phone_opens_what_it_scans(sim, look):
    pages = {f"t={number}": "pages/scan/scan" for number in range(5)} | {"a=1&b=/": ""}
    pictures = {scene: ask(sim, UNLIMITED, scene=scene, page=page, **look).content for scene, page in pages.items()}
    for scene, content in pictures.items():
        expected = f"{pages[scene] or 'pages/index/index'}?scene={quote(scene, safe='')}"
        for picture in (content, photographed(content)):
            seen = sim.post("/phone/scan", picture=base64.b64encode(picture).decode()).json()
            assert seen == {"errMsg": "scanCode:ok", "scanType": "WX_CODE", "appid": sim.appid, "path": expected}
    path = ask(sim, LIMITED, path="pages/a/a?b=1").content
    assert sim.post("/phone/scan", picture=base64.b64encode(path).decode()).json()["path"] == "pages/a/a?b=1"


def test_a_phone_opens_nothing_that_was_not_drawn_here(sim):
    ask(sim, UNLIMITED, scene="t=1")
    plain = io.BytesIO()
    Image.new("RGB", (430, 430), "white").save(plain, "PNG")
    for content in (plain.getvalue(), b"no picture"):
        assert sim.post("/phone/scan", picture=base64.b64encode(content).decode()).status_code == 409
    assert sim.post("/phone/scan", picture="not base64").status_code == 409
    assert sim.post("/phone/scan").status_code == 400
