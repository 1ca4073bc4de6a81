"""Bodies that no front end should send: refused in the caller's shape, before WeChat or the database hear of them."""

import base64
import gzip
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from tests.harness.service import Service
from tests.harness.simulator import Simulator

LIMIT = 16 * 1024
# Stands in every bad value; an answer that holds it has repeated its input.
MARK = "zq7mark7qz"
CODE = "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P"
BLOCK = base64.b64encode(bytes(16)).decode()
TABLES = ("users", "identities", "unionids", "sessions", "login_attempts", "decrypt_failures")


@dataclass(frozen=True)
class Shape:
    """A login route: where its fields are, and how it says no."""

    path: str
    code: str
    sealed: str

    def body(self, code: Any = CODE, sealed: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
        fields = {self.code: code, **more}
        if sealed is None:
            return fields
        return {**fields, self.sealed: sealed} if self.sealed else {**fields, **sealed}

    def named(self, field: str) -> str:
        """The dotted name of a sealed field."""
        return f"{self.sealed}.{field}" if self.sealed else field

    def assert_refusal(self, answer: requests.Response, status: int, field: str | None = None) -> None:
        body = answer.json()
        assert (answer.status_code, body["code"], body["data"]) == (status, status, None), answer.text
        assert answer.headers["Content-Type"] == "application/json"
        if self is CONTRACT:
            assert set(body) == {"code", "msg", "data"}
            named = body["msg"].split(": ", 1)[1] if ": " in body["msg"] else ""
            assert named.startswith(f"{field} ") if field else named == ""
        else:
            assert set(body) - {"fields"} == {"code", "msg", "data", "error", "action", "request_id"}
            assert list(body.get("fields", {})) == ([field] if field else [])


NATIVE = Shape("/api/v1/auth/login", "code", "")
CONTRACT = Shape("/user/wxlogin", "platCode", "platUserInfoMap")
SHAPES = (NATIVE, CONTRACT)


def escaped(value: Any) -> bytes:
    return json.dumps(value).encode()


# Values that a code may not have. Each is named in the refusal.
CODES: dict[str, Any] = {
    "null": None,
    "an array": [MARK],
    "an object": {"$ne": MARK},
    "true": True,
    "false": False,
    "a number": 5,
    "a fraction": 1.5,
    "20 digits": 12345678901234567890,
    "empty": "",
    "a blank": " ",
    "129 characters": "x" * 129,
    "12,000 characters": "x" * 12_000,
    "a second parameter": f"{MARK}&appid=wx51a051a000000001",
    "an ampersand": f"{MARK}&",
    "a hash": f"{MARK}#",
    "blanks inside": f"{MARK} {MARK}",
    "a percent sign": f"{MARK}%26secret%3D",
    "a path": f"../{MARK}",
    "a newline behind": f"{MARK}\n",
    "CR LF": f"{MARK}\r\nHost: x",
    "NUL": f"{MARK}\0",
    "a lone surrogate": f"{MARK}\ud800",
    "an emoji": f"{MARK}🌙",
    "full-width digits": "１２３４",
    "right-to-left": f"\u202e{MARK}",
    "markup": f"<b>{MARK}</b>",
    "SQL": f"' OR 1=1 -- {MARK}",
    "a template": "{{7*7}}${7*7}",
}

# name: (body, status). Nothing in them is a field that could be named.
RAW: dict[str, tuple[Callable[[Shape], bytes], int]] = {
    "nothing": (lambda s: b"", 400),
    "blanks": (lambda s: b"   ", 400),
    "a word": (lambda s: MARK.encode(), 400),
    "a form": (lambda s: f"{s.code}={MARK}".encode(), 400),
    "null": (lambda s: b"null", 400),
    "true": (lambda s: b"true", 400),
    "a number": (lambda s: b"5", 400),
    "a text": (lambda s: escaped(MARK), 400),
    "an array": (lambda s: b"[]", 400),
    "the body in an array": (lambda s: escaped([s.body()]), 400),
    "half an object": (lambda s: escaped(s.body())[:-1], 400),
    "two objects": (lambda s: escaped(s.body()) * 2, 400),
    "something behind it": (lambda s: escaped(s.body()) + b"x", 400),
    "NUL behind it": (lambda s: escaped(s.body()) + b"\0", 400),
    "single quotes": (lambda s: f"{{'{s.code}': '{MARK}'}}".encode(), 400),
    "a comment": (lambda s: b"/* */" + escaped(s.body()), 400),
    "a trailing comma": (lambda s: escaped(s.body())[:-1] + b",}", 400),
    "a raw newline in a text": (lambda s: f'{{"{s.code}": "{MARK}\n"}}'.encode(), 400),
    "a byte order mark": (lambda s: b"\xef\xbb\xbf" + escaped(s.body()), 400),
    "UTF-16": (lambda s: escaped(s.body()).decode().encode("utf-16"), 400),
    "UTF-16 without mark": (lambda s: escaped(s.body()).decode().encode("utf-16-le"), 400),
    "UTF-32": (lambda s: escaped(s.body()).decode().encode("utf-32"), 400),
    "bad UTF-8 in a value": (lambda s: f'{{"{s.code}": "@"}}'.encode().replace(b"@", b"\xff\xfe"), 400),
    "overlong UTF-8": (lambda s: f'{{"{s.code}": "@"}}'.encode().replace(b"@", b"\xc0\xaf"), 400),
    "a surrogate as UTF-8": (lambda s: f'{{"{s.code}": "@"}}'.encode().replace(b"@", b"\xed\xa0\x80"), 400),
    "bad UTF-8 in a name": (lambda s: b'{"\xff": 1}', 400),
    "Latin-1": (lambda s: f'{{"{s.code}": "é"}}'.encode("latin-1"), 400),
    "NaN": (lambda s: f'{{"{s.code}": NaN}}'.encode(), 400),
    "Infinity": (lambda s: f'{{"{s.code}": Infinity}}'.encode(), 400),
    "-Infinity": (lambda s: f'{{"{s.code}": -Infinity}}'.encode(), 400),
    "5,000 digits": (lambda s: f'{{"{s.code}": {"9" * 5000}}}'.encode(), 400),
    "a code twice": (lambda s: f'{{"{s.code}": "{CODE}", "{s.code}": "{CODE}"}}'.encode(), 400),
    "a code twice, once escaped": (
        lambda s: f'{{"{s.code}": "{CODE}", "\\u{ord(s.code[0]):04x}{s.code[1:]}": "{CODE}"}}'.encode(),
        400,
    ),
    "a name twice, deep inside": (lambda s: f'{{"{s.code}": {{"a": 1, "a": 2}}}}'.encode(), 400),
    "7,000 arrays deep": (lambda s: b"[" * 7000 + b"]" * 7000, 400),
    "3,000 objects deep": (lambda s: b'{"":' * 3000 + b"1" + b"}" * 3000, 400),
    "3,000 deep, cut": (lambda s: b'{"":[' * 3000, 400),
    "100,000 arrays deep": (lambda s: b"[" * 100_000 + b"]" * 100_000, 413),
    "20 KB": (lambda s: escaped(s.body(filler="x" * 20_000)), 413),
    "20 KB of blanks": (lambda s: escaped(s.body()) + b" " * 20_000, 413),
}

# name: (fields beside a good code, which of them is named)
UNKNOWN: dict[str, tuple[dict[str, Any], str]] = {
    "another field": ({"more": MARK}, "more"),
    "null in another field": ({"more": None}, "more"),
    "__proto__": ({"__proto__": {"isAdmin": True}}, "__proto__"),
    "constructor": ({"constructor": {"prototype": {}}}, "constructor"),
    "session_key": ({"session_key": BLOCK}, "session_key"),
    "openid": ({"openid": MARK}, "openid"),
    "an empty name": ({"": MARK}, "?"),
    "a lone surrogate in a name": ({f"{MARK}\ud800": 1}, "?"),
    "NUL in a name": ({f"{MARK}\0": 1}, "?"),
    "a newline in a name": ({f"{MARK}\n": 1}, "?"),
    "markup in a name": ({f"<script>{MARK}</script>": 1}, "?"),
    "a long name": ({MARK * 30: 1}, "?"),
    "Chinese in a name": ({f"鹿{MARK}": 1}, "?"),
    "100 deep": ({"more": json.loads("[" * 100 + "]" * 100)}, "more"),
}

# name: (what came sealed, which of its fields is named)
SEALED: dict[str, tuple[dict[str, Any], str]] = {
    "encryptedData without iv": ({"encryptedData": BLOCK}, "iv"),
    "iv without encryptedData": ({"iv": BLOCK}, "encryptedData"),
    "rawData without signature": ({"rawData": MARK}, "signature"),
    "signature without rawData": ({"signature": "a" * 40}, "rawData"),
    **{
        f"encryptedData {name}": ({"encryptedData": value, "iv": BLOCK}, "encryptedData")
        for name, value in {
            "null": None,
            "a number": 5,
            "an array": [BLOCK],
            "true": True,
            "empty": "",
            "of 15 bytes": base64.b64encode(bytes(15)).decode(),
            "of 17 bytes": base64.b64encode(bytes(17)).decode(),
            "of 8,208 bytes": base64.b64encode(bytes(8208)).decode(),
            "with a star": f"{BLOCK[:8]}*{BLOCK[8:]}",
            "with a blank behind": f"{BLOCK} ",
            "with a blank too many": f"{BLOCK[:8]} {BLOCK[8:]}",
            "with a newline": f"{BLOCK}\n",
            "url-safe": "-_" * 11 + "==",
            "without padding": BLOCK.rstrip("="),
            "with too much padding": f"{BLOCK}=",
            "percent-encoded": BLOCK.replace("=", "%3D"),
            "full-width": "Ａ" * 22 + "==",
            "with NUL": f"{BLOCK}\0",
            "with a lone surrogate": f"{BLOCK}\ud800",
        }.items()
    },
    **{
        f"iv {name}": ({"encryptedData": BLOCK, "iv": value}, "iv")
        for name, value in {
            "null": None,
            "a number": 5,
            "empty": "",
            "of 15 bytes": base64.b64encode(bytes(15)).decode(),
            "of 17 bytes": base64.b64encode(bytes(17)).decode(),
            "of 32 bytes": base64.b64encode(bytes(32)).decode(),
            "in hex": bytes(16).hex(),
            "with foreign characters": f"!{BLOCK[1:]}",
        }.items()
    },
    **{
        f"rawData {name}": ({"rawData": value, "signature": "a" * 40}, "rawData")
        for name, value in {
            "an object": {"nickName": MARK},
            "of 4,097 characters": "x" * 4097,
            "with NUL": "\0",
            "with a lone surrogate": "\udfff",
        }.items()
    },
    **{
        f"signature {name}": ({"rawData": "{}", "signature": value}, "signature")
        for name, value in {"in capitals": "A" * 40, "short": "a" * 39, "long": "a" * 41, "a number": 7}.items()
    },
    "an unknown field": ({"sessionKey": MARK}, "sessionKey"),
}

# name: (fields beside a good code, which is named): of one contract only.
OF_NATIVE: dict[str, tuple[dict[str, Any], str]] = {
    f"appid {name}": ({"appid": value}, "appid")
    for name, value in {
        "null": None,
        "a number": 1,
        "empty": "",
        "in capitals": "WX4F4BC4DEC97D474B",
        "too short": "wx4f4bc4dec97d474",
        "with a newline": "wx4f4bc4dec97d474b\n",
        "a list": ["wx4f4bc4dec97d474b"],
    }.items()
}
OF_CONTRACT: dict[str, tuple[dict[str, Any], str]] = {
    f"platUserInfoMap {name}": ({"platUserInfoMap": value}, "platUserInfoMap")
    for name, value in {"null": None, "an array": [], "a text": MARK, "a number": 1, "true": True}.items()
}

Case = tuple[Shape, bytes, int, str | None]
CASES: dict[str, Case] = {
    f"{shape.code} · {name}": (shape, body, status, field)
    for shape, of_this in ((NATIVE, OF_NATIVE), (CONTRACT, OF_CONTRACT))
    for name, body, status, field in [
        *((name, make(shape), status, None) for name, (make, status) in RAW.items()),
        *((f"code {name}", escaped(shape.body(code)), 400, shape.code) for name, code in CODES.items()),
        ("code 1e400", f'{{"{shape.code}": 1e400}}'.encode(), 400, shape.code),
        ("no field at all", b"{}", 400, shape.code),
        *((name, escaped(shape.body(**fields)), 400, field) for name, (fields, field) in UNKNOWN.items()),
        *((name, escaped(shape.body(sealed=it)), 400, shape.named(field)) for name, (it, field) in SEALED.items()),
        *((name, escaped(shape.body(**fields)), 400, field) for name, (fields, field) in of_this.items()),
    ]
}


def total_rows(service: Service) -> int:
    ((total,),) = service.rows("SELECT " + " + ".join(f"(SELECT COUNT(*) FROM {table})" for table in TABLES))
    return total


@pytest.fixture
def untouched(simulator: Simulator, service: Service) -> Iterator[None]:
    """Whatever the test sends, WeChat is not asked and nothing is written."""
    before = total_rows(service)
    yield
    assert simulator.journal() == []
    assert total_rows(service) == before


def post(service: Service, shape: Shape, data: Any, **headers: str) -> requests.Response:
    return service.call("POST", shape.path, data=data, headers={"Content-Type": "application/json", **headers})


def in_chunks(body: bytes) -> Iterator[bytes]:
    """requests sends what it cannot measure as ``Transfer-Encoding: chunked``."""
    for start in range(0, len(body), 5000):
        yield body[start : start + 5000]


def test_there_are_well_over_forty_five_bodies_for_each_route() -> None:
    assert len(CASES) > 2 * 90


@pytest.mark.parametrize("sent", [bytes, in_chunks], ids=["with its length", "in chunks"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_bad_body_is_refused_at_once_by_name_and_changes_nothing(
    untouched: None, service: Service, case: Case, sent: Callable[[bytes], Any]
) -> None:
    shape, body, status, field = case
    started = time.monotonic()
    answer = post(service, shape, sent(body))
    assert time.monotonic() - started < 2
    shape.assert_refusal(answer, status, field)
    assert MARK not in answer.text and BLOCK not in answer.text


@pytest.mark.parametrize("levels", [900, 980, 1000, 1500])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.code)
def test_nesting_near_the_parsers_own_limit_is_refused(
    untouched: None, service: Service, shape: Shape, levels: int
) -> None:
    """Whether the parser or the schema says so depends on the version of Python."""
    for nested in (b"[" * levels + b"]" * levels, b'{"a":' * levels + b"1" + b"}" * levels):
        answer = post(service, shape, escaped(shape.body(MARK)).replace(f'"{MARK}"'.encode(), nested))
        named = answer.json().get("fields") or ": " in answer.json()["msg"]
        shape.assert_refusal(answer, 400, shape.code if named else None)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.code)
def test_every_wrong_field_is_named_at_once(untouched: None, service: Service, shape: Shape) -> None:
    answer = post(service, shape, escaped(shape.body(None, {"encryptedData": 1, "iv": 2}, more=3)))
    for field in (shape.code, shape.named("encryptedData"), shape.named("iv"), "more"):
        assert field in answer.text


@pytest.mark.parametrize("key", ["short", "x" * 65, "with blank", "ümlaut", "semi;colon", ""], ids=ascii)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.code)
def test_a_malformed_idempotency_key_is_refused_by_name(
    untouched: None, service: Service, shape: Shape, key: str
) -> None:
    answer = post(service, shape, escaped(shape.body()), **{"Idempotency-Key": key.encode("latin-1")})
    shape.assert_refusal(answer, 400, "Idempotency-Key")


@pytest.mark.parametrize("sent", [bytes, in_chunks], ids=["with its length", "in chunks"])
@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.code)
def test_a_body_of_up_to_16_kb_is_read_to_its_end(
    simulator: Simulator, service: Service, shape: Shape, size: int, sent: Callable[[bytes], Any]
) -> None:
    body = escaped(shape.body(simulator.code("sized")))
    assert post(service, shape, sent(body.ljust(size))).status_code == 200
    # Its last byte counts: what is missing there is noticed.
    assert post(service, shape, sent(body[:-1].ljust(size))).status_code == 400


@pytest.mark.parametrize("sent", [bytes, in_chunks], ids=["with its length", "in chunks"])
@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 2, 2 * LIMIT, 20 * LIMIT])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.code)
def test_a_longer_body_is_refused_and_never_cut_and_accepted(
    untouched: None, service: Service, shape: Shape, size: int, sent: Callable[[bytes], Any]
) -> None:
    shape.assert_refusal(post(service, shape, sent(escaped(shape.body()).ljust(size))), 413)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "GZIP", "gzip, identity"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.code)
def test_a_body_in_a_content_coding_is_not_unpacked(
    untouched: None, service: Service, shape: Shape, coding: str
) -> None:
    for body in (gzip.compress(escaped(shape.body())), escaped(shape.body()), gzip.compress(bytes(10**7))):
        shape.assert_refusal(post(service, shape, body, **{"Content-Encoding": coding}), 415)


CONTENT_TYPES = [
    "text/plain",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/xml",
    "text/json",
    "application/jsonx",
    "json",
    "",
    "application/",
    "*/*",
]


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.code)
def test_a_body_that_is_not_declared_as_json_is_refused(
    untouched: None, service: Service, shape: Shape, content_type: str
) -> None:
    answer = post(service, shape, escaped(shape.body()), **{"Content-Type": content_type})
    shape.assert_refusal(answer, 415)


@pytest.mark.parametrize("content_type", ["application/json;charset=UTF-8", "APPLICATION/JSON", "application/json "])
def test_json_by_any_usual_name_is_read(simulator: Simulator, service: Service, content_type: str) -> None:
    body = escaped(NATIVE.body(simulator.code("typed")))
    assert post(service, NATIVE, body, **{"Content-Type": content_type}).status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"])
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.code)
def test_another_method_is_refused_and_the_right_one_is_named(
    untouched: None, service: Service, shape: Shape, method: str
) -> None:
    answer = service.call(method, shape.path, params=shape.body())
    shape.assert_refusal(answer, 405)
    assert answer.headers["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.code)
def test_head_and_options_have_no_effect(untouched: None, service: Service, shape: Shape) -> None:
    head = service.call("HEAD", shape.path)
    assert (head.status_code, head.content, head.headers["Allow"]) == (405, b"", "OPTIONS, POST")
    options = service.call("OPTIONS", shape.path)
    assert (options.status_code, options.content) == (200, b"")
    assert set(options.headers["Allow"].split(", ")) == {"OPTIONS", "POST"}


NOT_FOUND = {
    "/user/nothing": CONTRACT,
    "/user/wxlogin/": CONTRACT,
    "/user/wxlogin/more": CONTRACT,
    "/user/WXLOGIN": CONTRACT,
    "/user/%ff%fe": CONTRACT,
    "/user/%00": CONTRACT,
    f"/user/{MARK}": CONTRACT,
    "/api/v1/auth/login/": NATIVE,
    "/api/v2/auth/login": NATIVE,
    "/.env": NATIVE,
    "/%2e%2e/%2e%2e/etc/passwd": NATIVE,
    f"/{MARK}%0d%0aSet-Cookie:x": NATIVE,
    "/users": NATIVE,
}


@pytest.mark.parametrize("path, shape", NOT_FOUND.items(), ids=NOT_FOUND.keys())
def test_an_unknown_address_is_answered_in_the_shape_of_its_neighbours(
    untouched: None, service: Service, path: str, shape: Shape
) -> None:
    answer = service.call("POST", path, data=escaped(shape.body()), headers={"Content-Type": "application/json"})
    shape.assert_refusal(answer, 404)
    assert MARK not in answer.text and "Set-Cookie" not in answer.headers


def test_the_cloud_function_contract_says_no_in_its_own_shape_too(untouched: None, service: Service) -> None:
    for method, path, status, phrase in (
        ("POST", "/api/v1/user/profile", 405, "Method Not Allowed"),
        ("GET", "/api/v1/user/profile/more", 404, "Not Found"),
        ("GET", "/api/v1/user/profile", 401, "Unauthorized"),
    ):
        answer = service.call(method, path)
        body = answer.json()
        assert (answer.status_code, body["code"], body["error"]) == (status, status, phrase)
        assert set(body) == {"code", "message", "error", "timestamp"}


LANGUAGES = {
    None: "zh",
    "": "zh",
    "zh-CN": "zh",
    "zh-CN,zh;q=0.9,en;q=0.8": "zh",
    "fr": "zh",
    "*": "zh",
    "ja, zh;q=0.5, en;q=0.1": "zh",
    "en": "en",
    "en-US,en;q=0.9": "en",
    "EN-GB": "en",
    "en;q=0.9, zh;q=0.1": "en",
    "fr, en;q=0.5": "en",
    "garbage;;q=x,,": "zh",
    # As phones in Hong Kong and Taiwan ask.
    "zh-HK,en-US;q=0.9,en;q=0.8": "zh",
    "zh-TW,en;q=0.8": "zh",
    "zh-Hant-HK, en": "zh",
    "yue, en;q=0.9": "zh",
    "en-US,zh;q=0.5": "en",
    "en;q=0.5, zh-TW;q=0.7": "zh",
    "en-US;q=0.5, en-GB;q=0.9, zh;q=0.7": "en",
    "en, zh": "en",
    "zh, en": "zh",
    "fr, *;q=0.5, en;q=0.4": "zh",
    "zh;q=0, en;q=0.1": "en",
    "zh;q=0, *": "en",
    "en;q=0": "zh",
}
SENTENCES = {
    400: {"zh": "请求参数有误", "en": "The request is not valid"},
    404: {"zh": "地址不存在", "en": "This address does not exist"},
    405: {"zh": "不支持该请求方法", "en": "This method is not supported here"},
    413: {"zh": "请求体过大", "en": "The body is too large"},
    415: {"zh": "请使用 application/json", "en": "Send the body as application/json"},
}


@pytest.mark.parametrize("accepted, language", LANGUAGES.items(), ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.code)
def test_messages_are_chinese_unless_the_caller_prefers_english(
    untouched: None, service: Service, shape: Shape, accepted: str | None, language: str
) -> None:
    spoken = {} if accepted is None else {"Accept-Language": accepted}
    answers = [
        post(service, shape, b"{}", **spoken),
        service.call("POST", f"{shape.path}/more", headers=spoken),
        service.call("GET", shape.path, headers=spoken),
        post(service, shape, b" " * 2 * LIMIT, **spoken),
        post(service, shape, b"{}", **{**spoken, "Content-Type": "text/plain"}),
    ]
    for answer in answers:
        assert answer.json()["msg"].split(": ")[0] == SENTENCES[answer.status_code][language]
    reason = {"zh": "缺少必填字段", "en": "is required"}[language]
    assert reason in answers[0].text


def test_a_refused_body_leaves_its_connection_usable(untouched: None, service: Service) -> None:
    """Or what was not read of one request would be taken for the next one."""
    with requests.Session() as kept_alive:
        for body in (b" " * 3 * LIMIT, b"{}", in_chunks(b" " * 3 * LIMIT), b"[" * 100_000, in_chunks(b"[" * 100_000)):
            answer = kept_alive.post(
                service.url + NATIVE.path, data=body, headers={"Content-Type": "application/json"}, timeout=10
            )
            assert answer.status_code in (400, 413)
            assert kept_alive.get(service.url + "/healthz", timeout=10).json()["status"] == "ok"
