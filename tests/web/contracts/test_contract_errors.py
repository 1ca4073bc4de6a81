"""The table of errors: every contract, every kind of failure, the exact status and the exact body."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import requests

from tests.conftest import APPID
from tests.harness.processes import free_port
from tests.harness.service import Service
from tests.harness.simulator import Simulator

# The code that tests/harness/surprised.py stumbles over.
SURPRISE = "surprise"


@pytest.fixture(scope="module")
def service(start_service: Callable[..., Service]) -> Service:
    return start_service("contract-errors", workers=1, module="tests.harness.surprised:app")


@pytest.fixture(scope="module")
def cut_off(start_service: Callable[..., Service]) -> Service:
    """A service that cannot reach WeChat."""
    return start_service("cut-off", workers=1, wechat=f"http://127.0.0.1:{free_port()}")


@pytest.fixture(autouse=True)
def wechat_is_well(simulator: Simulator, service: Service) -> None:
    """A good login before each failure: failures in a row would open the breaker."""
    assert service.login(simulator.code("errors-well")).status_code == 200


# --- how each contract logs in, and how it says no ------------------------------------------------------------


def bearer(service: Service, code: str | None, sealed: dict[str, str]) -> requests.Response:
    return service.call("POST", "/auth/mp_login", json={"code": code, **sealed})


def detail(service: Service, code: str | None, sealed: dict[str, str]) -> requests.Response:
    return service.call("GET", "/wx/login", params={"code": code})


def code_message_data(service: Service, code: str | None, sealed: dict[str, str]) -> requests.Response:
    return service.call("POST", "/api/v1/auth/wx-login", json={"code": code})


def code_msg_data(service: Service, code: str | None, sealed: dict[str, str]) -> requests.Response:
    return service.call("POST", "/user/wxlogin", json={"platCode": code, "platUserInfoMap": sealed})


def success_data(service: Service, code: str | None, sealed: dict[str, str]) -> requests.Response:
    return service.call("GET", "/login/wechatLogin", params={"code": code, **sealed})


def native(service: Service, code: str | None, sealed: dict[str, str]) -> requests.Response:
    return service.login(code, json=sealed)  # type: ignore[arg-type]


LOGINS = {login.__name__: login for login in (bearer, detail, code_message_data, code_msg_data, success_data, native)}
# Those whose login carries what the phone button or wx.getUserInfo encrypted.
SEALED = ("bearer", "code_msg_data", "success_data", "native")


def assert_refused(contract: str, answer: requests.Response, status: int, text: str) -> None:
    """The status, and the contract's whole body around the text."""
    body = answer.json()
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json"), answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    if contract == "code_message_data":
        assert datetime.fromisoformat(body.pop("timestamp")).tzinfo is not None
    if contract == "native":
        assert set(body) - {"fields", "wechat_errcode"} == {"code", "msg", "data", "error", "action", "request_id"}
        body = {name: body[name] for name in ("code", "msg", "data")}
    expected: dict[str, Any] = {
        "bearer": {"detail": text},
        "detail": {"detail": text},
        "code_message_data": {"code": status, "message": text, "error": HTTPStatus(status).phrase},
        "code_msg_data": {"code": status, "msg": text, "data": None},
        "success_data": {"success": False, "data": None, "msg": text},
        "native": {"code": status, "msg": text, "data": None},
    }[contract]
    assert body == expected


# --- the kinds of failure -------------------------------------------------------------------------------------


class Attempt:
    """One login that is to fail: whose, with which code, and what goes wrong on the way."""

    def __init__(self, simulator: Simulator, service: Service, contract: str) -> None:
        self.simulator = simulator
        self.service = service
        self.contract = contract
        self.user = f"errors-{contract}"
        self.login = LOGINS[contract]

    def code(self) -> str:
        return self.simulator.code(self.user)

    def sealed(self, **options: Any) -> dict[str, str]:
        """What belongs to this contract's login: a phone number, a profile, or nothing."""
        if self.contract not in SEALED:
            return {}
        path = "/phone/phonenumber" if self.contract in ("bearer", "success_data") else "/phone/userinfo"
        found = self.simulator.call("POST", path, {"appid": APPID, "user": self.user, **options})
        return {name: found[name] for name in ("encryptedData", "iv")}

    def send(self, code: str | None, sealed: dict[str, str] | None = None) -> requests.Response:
        return self.login(self.service, code, self.sealed() if sealed is None else sealed)

    def with_fault(self, **fault: Any) -> requests.Response:
        code = self.code()
        self.simulator.fault(fault, code=code, times=None)
        return self.send(code)

    def with_errcode(self, errcode: int, errmsg: str | None = None) -> requests.Response:
        return self.with_fault(kind="errcode", errcode=errcode, **({} if errmsg is None else {"errmsg": errmsg}))

    def known(self) -> None:
        """Make the person a user."""
        assert code_msg_data(self.service, self.code(), {}).status_code == 200


def no_code(attempt: Attempt) -> requests.Response:
    attempt.code()
    return attempt.send(None)


def bad_code(attempt: Attempt) -> requests.Response:
    attempt.code()
    return attempt.send("a b")


def used_code(attempt: Attempt) -> requests.Response:
    attempt.known()
    code = attempt.code()
    assert attempt.send(code).status_code == 200
    return attempt.send(code)


def unknown_code(attempt: Attempt) -> requests.Response:
    attempt.code()
    return attempt.send("0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P")


def silent_wechat(attempt: Attempt) -> requests.Response:
    return attempt.with_fault(kind="reset")


def broken_wechat(attempt: Attempt) -> requests.Response:
    return attempt.with_fault(kind="http_status", status=502, body="<html>")


def no_json(attempt: Attempt) -> requests.Response:
    return attempt.with_fault(kind="raw", body="<html>")


def unheard_of(attempt: Attempt) -> requests.Response:
    return attempt.with_errcode(61999, "something new, rid: 6312f81f-1e88b388-3f323ff0")


def unheard_of_and_wordless(attempt: Attempt) -> requests.Response:
    return attempt.with_errcode(61999, "")


def busy(attempt: Attempt) -> requests.Response:
    return attempt.with_errcode(-1)


def blocked(attempt: Attempt) -> requests.Response:
    return attempt.with_errcode(40226)


def quota_of_the_minute(attempt: Attempt) -> requests.Response:
    return attempt.with_errcode(45011)


def quota_of_the_day(attempt: Attempt) -> requests.Response:
    return attempt.with_errcode(45009)


def wrong_secret(attempt: Attempt) -> requests.Response:
    return attempt.with_errcode(40125)


def address_not_listed(attempt: Attempt) -> requests.Response:
    return attempt.with_errcode(40164, "invalid ip 8.149.1.108 ipv6 ::ffff:8.149.1.108, not in whitelist")


def disabled(attempt: Attempt) -> requests.Response:
    attempt.known()
    openid = attempt.simulator.account(attempt.user)["openid"]
    of_user = f"id = (SELECT user_id FROM identities WHERE openid = '{openid}')"
    attempt.service.rows(f"UPDATE users SET status = 'disabled' WHERE {of_user}")
    try:
        return attempt.send(attempt.code())
    finally:
        attempt.service.rows(f"UPDATE users SET status = 'active' WHERE {of_user}")


def wrong_key(attempt: Attempt) -> requests.Response:
    code = attempt.code()
    return attempt.send(code, attempt.sealed(session_key="AAAAAAAAAAAAAAAAAAAAAA=="))


def stale(attempt: Attempt) -> requests.Response:
    code = attempt.code()
    return attempt.send(code, attempt.sealed(timestamp=1_500_000_000))


def half_sealed(attempt: Attempt) -> requests.Response:
    return attempt.send(attempt.code(), {"encryptedData": "A" * 64})


def surprise(attempt: Attempt) -> requests.Response:
    attempt.code()
    return attempt.send(SURPRISE)


CONTRACTS = tuple(LOGINS)
NOT_SEALED = tuple(name for name in CONTRACTS if name not in SEALED)
SILENT = "微信服务无响应，请重新登录"
UNUSABLE = "微信服务响应异常，请重新登录"
REJECTED = "微信数据校验失败，请重新登录后再试"
INTERNAL = "服务内部错误"


def in_words(text: str, **others: str) -> dict[str, str]:
    """The sentence of every contract but for the others, which say it in their own words."""
    return {**dict.fromkeys(CONTRACTS, text), **others}


def at(status: int, **others: int) -> dict[str, int]:
    return {**dict.fromkeys(CONTRACTS, status), **others}


def wechat(text: str, errcode: int, errmsg: str) -> dict[str, str]:
    """Two contracts show WeChat's own words, one of them with its number."""
    return in_words(text, detail=errmsg, code_message_data=f"微信登录失败: {errmsg} (错误码: {errcode})")


def ours(text: str, errcode: int) -> dict[str, str]:
    """WeChat's words speak of us, or of nobody knows what: nobody gets them."""
    return wechat(text, errcode, text) | {"detail": "WX登录失败"}


def field(name: str, reason: str, **others: str) -> dict[str, str]:
    return in_words(
        f"请求参数有误: {name} {reason}",
        **{
            "detail": "缺少code",
            "code_msg_data": f"请求参数有误: platCode {reason}",
            "native": "请求参数有误",
            **others,
        },
    )


Failure = Callable[[Attempt], requests.Response]
CODE_REFUSED = at(401, bearer=400, detail=503, code_msg_data=400, success_data=400)
UNUSABLE_ANSWER = at(502, bearer=503, detail=503, code_msg_data=503, success_data=503)
MISSING = {"detail": "缺少code", "success_data": "请求参数有误: code 缺少必填字段"}
# what happens: (status, text), each by contract
TABLE: dict[Failure, tuple[dict[str, int], dict[str, str]]] = {
    no_code: (at(400, bearer=422), field("code", "不能为空", **MISSING)),
    bad_code: (at(400, bearer=422), field("code", "格式错误")),
    unknown_code: (CODE_REFUSED, wechat("登录凭证无效，请重新登录", 40029, "invalid code")),
    used_code: (CODE_REFUSED, wechat("登录凭证已使用，请重新登录", 40163, "code been used")),
    silent_wechat: (at(503), in_words(SILENT, detail="WX服务器异常", code_message_data=f"微信登录失败: {SILENT}")),
    broken_wechat: (at(503), in_words(SILENT, detail="WX服务器异常", code_message_data=f"微信登录失败: {SILENT}")),
    no_json: (
        UNUSABLE_ANSWER,
        in_words(UNUSABLE, detail="WX服务器异常", code_message_data=f"微信登录失败: {UNUSABLE}"),
    ),
    unheard_of: (UNUSABLE_ANSWER, ours("微信服务异常，请稍后再试", 61999)),
    unheard_of_and_wordless: (
        UNUSABLE_ANSWER,
        ours("微信服务异常，请稍后再试", 61999),
    ),
    busy: (at(503), wechat("微信服务繁忙，请重新登录", -1, "system error")),
    blocked: (at(403, detail=503), wechat("微信拒绝了此次登录", 40226, "code blocked")),
    quota_of_the_minute: (
        at(429, detail=503),
        wechat("操作过于频繁，请稍后再试", 45011, "api minute-quota reach limit, must slower, retry next minute"),
    ),
    quota_of_the_day: (at(503), ours("服务暂不可用，请稍后再试", 45009)),
    wrong_secret: (at(503), ours("服务配置有误，请联系管理员", 40125)),
    address_not_listed: (at(503), ours("服务配置有误，请联系管理员", 40164)),
    disabled: (at(403), in_words("账号已停用")),
    surprise: (at(500), in_words(INTERNAL)),
}
# The same, where something encrypted comes along.
TABLE_SEALED: dict[Failure, tuple[dict[str, int], dict[str, str]]] = {
    wrong_key: (at(400), in_words(REJECTED)),
    stale: (at(400), in_words(REJECTED)),
    half_sealed: (
        at(400, bearer=422),
        field("iv", "缺少必填字段", code_msg_data="请求参数有误: platUserInfoMap.iv 必须成对提供"),
    ),
}
CELLS = [
    *((failure, contract) for failure in TABLE for contract in CONTRACTS),
    *((failure, contract) for failure in TABLE_SEALED for contract in SEALED),
]


@pytest.mark.parametrize("failure, contract", CELLS, ids=lambda part: getattr(part, "__name__", part))
def test_every_failure_is_said_in_the_contracts_own_way(
    simulator: Simulator, service: Service, failure: Failure, contract: str
) -> None:
    statuses, texts = (TABLE | TABLE_SEALED)[failure]
    answer = failure(Attempt(simulator, service, contract))
    assert_refused(contract, answer, statuses[contract], texts[contract])


RETRY_AFTER = {quota_of_the_minute: "60", quota_of_the_day: "3600", busy: "2", silent_wechat: "2", unheard_of: "5"}


@pytest.mark.parametrize("contract", CONTRACTS)
def test_who_may_try_again_is_told_when(simulator: Simulator, service: Service, contract: str) -> None:
    for failure, seconds in RETRY_AFTER.items():
        answer = failure(Attempt(simulator, service, contract))
        assert answer.headers["Retry-After"] == seconds
    assert "Retry-After" not in unknown_code(Attempt(simulator, service, contract)).headers


@pytest.mark.parametrize("contract", CONTRACTS)
def test_an_unreachable_wechat_is_503_everywhere(simulator: Simulator, cut_off: Service, contract: str) -> None:
    sentence = "微信服务暂不可用，请稍后再试"
    texts = in_words(sentence, detail="WX服务器异常", code_message_data=f"微信登录失败: {sentence}")
    attempt = Attempt(simulator, cut_off, contract)
    for _ in range(2):
        assert_refused(contract, attempt.send(attempt.code()), 503, texts[contract])


def test_a_surprise_at_registration_is_said_in_the_same_shape(service: Service) -> None:
    body = {"openid": SURPRISE, "phone": "13800138000", "sex": 1}
    assert_refused("detail", service.call("POST", "/wx/login", json=body), 500, INTERNAL)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_surprise_tells_nothing_about_us(simulator: Simulator, service: Service, contract: str) -> None:
    answer = surprise(Attempt(simulator, service, contract))
    for word in ("only the log", "KeyError", "Traceback", "authsvc/", ".py"):
        assert word not in answer.text + str(answer.headers)


MOCK_CODE = "the code is a mock one"
TOURIST = {
    "zh": "开发者工具未填写 AppID（touristappid）：请在 project.config.json 的 appid 中填写小程序的 AppID；"
    "只对接模拟器时，可在服务端设置 WX_TOURIST_APP",
    "en": "The developer tools sent touristappid, which is not an AppID: set appid in project.config.json to the AppID "
    "of the mini program; with the simulator, you can set WX_TOURIST_APP on the server instead",
}


def from_app(
    simulator: Simulator, service: Service, appid: str, code: str, language: str = "zh"
) -> Iterator[tuple[str, requests.Response]]:
    """Log in by every contract as the developer tools or a phone do for an AppID."""
    attempt = Attempt(simulator, service, "bearer")
    attempt.code()
    sealed = attempt.sealed()
    headers = {"Referer": f"https://servicewechat.com/{appid}/devtools/page-frame.html", "Accept-Language": language}
    for contract, method, path, body in (
        ("bearer", "POST", "/auth/mp_login", {"json": {"code": code, **sealed}}),
        ("detail", "GET", "/wx/login", {"params": {"code": code}}),
        ("code_message_data", "POST", "/api/v1/auth/wx-login", {"json": {"code": code}}),
        ("code_msg_data", "POST", "/user/wxlogin", {"json": {"platCode": code}}),
        ("success_data", "GET", "/login/wechatLogin", {"params": {"code": code, **sealed}}),
        ("native", "POST", "/api/v1/auth/login", {"json": {"code": code}}),
    ):
        yield contract, service.call(method, path, headers=headers, **body)


def test_an_unknown_mini_program_is_400_in_each_shape(simulator: Simulator, service: Service) -> None:
    for contract, answer in from_app(simulator, service, "wx51a051a0deadbeef", "x"):
        assert_refused(contract, answer, 400, "未知的小程序")


@pytest.mark.parametrize("language", TOURIST)
def test_developer_tools_without_an_appid_are_told_so_in_each_shape(
    simulator: Simulator, service: Service, language: str
) -> None:
    simulator.clear()
    for contract, answer in from_app(simulator, service, "touristappid", MOCK_CODE, language):
        assert_refused(contract, answer, 400, TOURIST[language])
    phone = {"Referer": "https://servicewechat.com/touristappid/devtools/page-frame.html", "Accept-Language": language}
    looked_up = service.call("GET", "/wx/phone", params={"code": "0" * 64}, headers=phone)
    assert_refused("detail", looked_up, 400, TOURIST[language])
    named = service.login(MOCK_CODE, json={"appid": "touristappid"}, headers={"Accept-Language": language})
    assert (named.json()["error"], named.json()["msg"]) == ("tourist_appid", TOURIST[language])
    assert simulator.journal() == []


def test_a_mock_code_that_wechat_refuses_is_told_by_what_it_is(simulator: Simulator, service: Service) -> None:
    simulator.fault({"kind": "errcode", "errcode": 40029}, code=MOCK_CODE)
    answer = service.login(MOCK_CODE)
    assert (answer.status_code, answer.json()["error"]) == (401, "wx_code_is_mock")
    assert "project.config.json" in answer.json()["msg"] and answer.json()["action"] == "fix_request"


ADDRESSES = {
    "bearer": ("/auth/mp_login", "/mp_login"),
    "detail": ("/wx/login",),
    "code_message_data": (
        *("/api/v1/auth/wx-login", "/api/v1/auth/refresh", "/api/v1/auth/logout", "/api/v1/user/profile"),
    ),
    "code_msg_data": ("/user/wxlogin",),
    "success_data": ("/login/wechatLogin", "/member/refreshToken"),
    "native": ("/api/v1/auth/login", "/api/v1/sessions/refresh", "/api/v1/me"),
}
PAIRS = [(contract, path) for contract, paths in ADDRESSES.items() for path in paths]


@pytest.mark.parametrize("contract, path", PAIRS)
def test_what_does_not_exist_and_what_does_not_fit_is_said_in_the_shape_of_the_address(
    service: Service, contract: str, path: str
) -> None:
    assert_refused(contract, service.call("POST", f"{path}/nothing", json={}), 404, "地址不存在")
    answer = service.call("TRACE", path)
    assert_refused(contract, answer, 405, "不支持该请求方法")
    assert answer.headers["Allow"]


@pytest.mark.parametrize("contract, path", [pair for pair in PAIRS if "ogin" in pair[1]])
def test_a_body_over_16_kb_and_one_that_is_not_json(service: Service, contract: str, path: str) -> None:
    answer = service.call("POST", path, json={"code": "x" * 20_000})
    assert_refused(contract, answer, 413, "请求体过大")
    json_type = {"Content-Type": "application/json"}
    malformed = service.call("POST", path, data="[1]", headers=json_type)
    assert_refused(contract, malformed, 422 if contract == "bearer" else 400, "请求体必须是 JSON 对象")
    form = service.call("POST", path, data={"code": "x"})
    assert_refused(contract, form, 415, TOLD["zh"]["form_sent"])


# Bodies whose cause is known: (Content-Type, body).
JSON_TYPE, FORM_TYPE = "application/json", "application/x-www-form-urlencoded"
CAUSES = {
    "form_sent": [(FORM_TYPE, "code=x&iv=y"), (FORM_TYPE, '{"code":"x"}'), ("multipart/form-data", "--x\r\n")],
    "form_declared_as_json": [
        *[(JSON_TYPE, text) for text in ("code=x&encryptedData=a%2Bb", "platUserInfoMap[iv]=x", "code=")],
        (JSON_TYPE, '------wx1\r\nContent-Disposition: form-data; name="code"\r\n\r\nx\r\n------wx1--\r\n'),
    ],
    "empty_body": [(JSON_TYPE, ""), (FORM_TYPE, "")],
    "json_inside_text": [(JSON_TYPE, json.dumps(json.dumps({"code": "x"}))), (JSON_TYPE, '" {\\"code\\": 1}"')],
    "body_encoding": [(JSON_TYPE, '{"nickName":"小兰"}'.encode("gbk")), (JSON_TYPE, '{"code":"x"}'.encode("utf-16"))],
    "malformed_body": [(JSON_TYPE, text) for text in ("[", "code", "=x", "a b=c", "x" * 200 + "=1", '"text"', "--x")],
    "unsupported_media_type": [("text/plain", '{"code":"x"}'), ("", '{"code":"x"}')],
}
TOLD = {
    "zh": {
        "form_sent": "请求体声明为表单，此处需要 JSON；请将 content-type 设为 application/json（wx.request 的默认值）",
        "form_declared_as_json": "请求体是表单，却声明为 application/json；请发送 JSON 对象",
        "empty_body": "请求体为空，应为 JSON 对象",
        "json_inside_text": "请求体被 JSON.stringify 序列化了两次；请直接发送 JSON 对象",
        "body_encoding": "请求体不是 UTF-8 编码",
        "malformed_body": "请求体必须是 JSON 对象",
        "unsupported_media_type": "请使用 application/json",
    },
    "en": {
        "form_sent": "The body is declared as a form; send JSON as application/json, the default of wx.request",
        "form_declared_as_json": "The body is a form declared as application/json; send a JSON object",
        "empty_body": "The request has no body; send a JSON object",
        "json_inside_text": "The body was serialized twice (JSON.stringify); send the JSON object itself",
        "body_encoding": "The body is not encoded as UTF-8",
        "malformed_body": "The body must be a JSON object",
        "unsupported_media_type": "Send the body as application/json",
    },
}
POSTED = {contract: paths[0] for contract, paths in ADDRESSES.items()}


@pytest.mark.parametrize("language", TOLD)
@pytest.mark.parametrize("cause", CAUSES)
def test_a_body_that_is_none_is_told_by_its_cause_in_each_shape(service: Service, cause: str, language: str) -> None:
    status = 415 if cause in ("form_sent", "unsupported_media_type") else 400
    for contract, path in POSTED.items():
        for content_type, body in CAUSES[cause]:
            headers = {"Content-Type": content_type, "Accept-Language": language}
            answer = service.call("POST", path, data=body, headers=headers)
            expected = 422 if contract == "bearer" and status == 400 else status
            assert_refused(contract, answer, expected, TOLD[language][cause])
            assert contract != "native" or answer.json()["error"] == cause


def with_plus(make: Callable[[], dict[str, str]]) -> dict[str, str]:
    """What the phone encrypted, with a ``+`` in it; nearly all of it has one."""
    return next(sealed for sealed in iter(make, None) if "+" in sealed["encryptedData"] + sealed["iv"])


@pytest.mark.parametrize("contract", SEALED)
def test_a_plus_that_became_a_blank_on_its_way_is_one_again(
    simulator: Simulator, service: Service, contract: str
) -> None:
    attempt = Attempt(simulator, service, contract)
    attempt.code()
    sealed = with_plus(attempt.sealed)
    spoilt = {name: value.replace("+", " ") for name, value in sealed.items()}
    assert spoilt != sealed
    answer = attempt.send(attempt.code(), spoilt)
    assert answer.status_code == 200, answer.text
    # Once more in a body, where only the query was mended.
    if contract == "success_data":
        body = {"code": attempt.code(), **spoilt}
        assert service.call("POST", "/login/wechatLogin", json=body).json()["success"] is True
    # A blank is no licence: what opens under no key is refused in the words of everything that opens under none.
    refused = [attempt.send(attempt.code(), spoilt_at(given, 8)) for given in (sealed, spoilt)]
    for answer in refused:
        assert_refused(contract, answer, 400, "微信数据校验失败，请重新登录后再试")


def spoilt_at(sealed: dict[str, str], place: int) -> dict[str, str]:
    """The same with another letter in encryptedData."""
    text = sealed["encryptedData"]
    return {**sealed, "encryptedData": text[:place] + ("B" if text[place] == "A" else "A") + text[place + 1 :]}


PERCENT = {
    "zh": "请求参数有误: {}encryptedData 经过了 URL 编码（百分号编码），请发送原文",
    "en": "The request is not valid: {}encryptedData is percent-encoded; send the original value",
}


@pytest.mark.parametrize("language", PERCENT)
@pytest.mark.parametrize("contract", SEALED)
def test_base64_that_is_percent_encoded_is_told_so_before_a_key_is_used(
    simulator: Simulator, service: Service, contract: str, language: str
) -> None:
    attempt = Attempt(simulator, service, contract)
    attempt.code()
    simulator.clear()
    sealed = {name: quote(value, safe="") for name, value in with_plus(attempt.sealed).items()}
    code = "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P"
    method, path, body = {
        "bearer": ("POST", "/auth/mp_login", {"json": {"code": code, **sealed}}),
        "code_msg_data": ("POST", "/user/wxlogin", {"json": {"platCode": code, "platUserInfoMap": sealed}}),
        "success_data": ("GET", "/login/wechatLogin", {"params": {"code": code, **sealed}}),
        "native": ("POST", "/api/v1/auth/login", {"json": {"code": code, **sealed}}),
    }[contract]
    answer = service.call(method, path, headers={"Accept-Language": language}, **body)
    sentence = PERCENT[language].format("platUserInfoMap." if contract == "code_msg_data" else "")
    assert answer.status_code == (422 if contract == "bearer" else 400)
    if contract == "native":
        assert answer.json()["fields"]["encryptedData"] == sentence.partition(" encryptedData ")[2]
    else:
        assert sentence in answer.text
    assert simulator.journal() == []


@pytest.mark.parametrize("contract", ["native", "code_msg_data"])
def test_raw_data_that_was_percent_encoded_once_is_checked_as_it_was_signed(
    simulator: Simulator, service: Service, contract: str
) -> None:
    attempt = Attempt(simulator, service, contract)

    def answer(spell: Callable[[str], str], nickname: str = "小 兰+100%") -> requests.Response:
        code = attempt.code()
        info = simulator.sealed(attempt.user, profile={"nickName": nickname})
        assert info["rawData"].startswith("{")
        return attempt.send(code, {**info, "rawData": spell(info["rawData"])})

    for spell in (str, lambda text: quote(text, safe=""), lambda text: quote(text, safe="~()*!.'"), quote_plus):
        assert answer(spell).status_code == 200
    assert answer(lambda text: quote(text).replace("%7B", "%7b", 1)).status_code == 200
    # Long ones too: three escapes per Chinese character.
    assert answer(lambda text: quote(text, safe=""), "兰" * 32).status_code == 200
    # Twice, or what is no UTF-8, is told; another text than was signed is refused like any.
    for spell in (lambda text: quote(quote(text)), lambda text: "%7B%FF"):
        refused = answer(spell)
        assert (refused.status_code, "URL 编码" in refused.text) == (400, True), refused.text
    refused = answer(lambda text: quote(text + " "))
    assert (refused.status_code, "微信数据校验失败" in refused.text) == (400, True)


GUARDED = (
    *(("code_message_data", "GET", "/api/v1/user/profile"), ("code_message_data", "POST", "/api/v1/auth/refresh")),
    *(("code_message_data", "POST", "/api/v1/auth/logout"), ("success_data", "GET", "/member/refreshToken")),
    ("native", "GET", "/api/v1/me"),
)


@pytest.mark.parametrize("contract, method, path", GUARDED)
def test_who_is_not_signed_in_is_401_in_the_shape_of_the_address(
    service: Service, contract: str, method: str, path: str
) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Authorization": "Basic eDp5"}):
        answer = service.call(method, path, headers=headers)
        assert_refused(contract, answer, 401, "请先登录")
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_disabled_users_token_is_403_in_the_shape_of_the_address(
    simulator: Simulator, service: Service, contract: str
) -> None:
    attempt = Attempt(simulator, service, contract)
    data = service.call("POST", "/api/v1/auth/wx-login", json={"code": attempt.code()}).json()["data"]
    service.rows(f"UPDATE users SET status = 'disabled' WHERE id = {data['user']['id']}")
    for shape, method, path in GUARDED:
        answer = service.call(method, path, token=data["access_token"])
        assert_refused(shape, answer, 403, "账号已停用")
    service.rows(f"UPDATE users SET status = 'active' WHERE id = {data['user']['id']}")
