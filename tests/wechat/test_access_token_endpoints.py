"""The client's calls around the access_token, against the simulator."""

import hashlib
import hmac
import json

import pytest

from authsvc import errors as e
from authsvc.values.wechat import MiniProgram
from authsvc.wechat.client import WeChatClient, session_signature
from authsvc.wechat.errcodes import ERRORS, PHONE_ENDPOINT, kind_of
from authsvc.wechat.transport import Transport
from tests.conftest import APPID
from tests.harness.simulator import Simulator

STABLE, PLAIN = "/cgi-bin/stable_token", "/cgi-bin/token"


@pytest.fixture
def wechat(own_simulator: Simulator) -> Simulator:
    own_simulator.call("POST", "/control/reset")
    return own_simulator


@pytest.fixture
def app(app_secret: str) -> MiniProgram:
    return MiniProgram(APPID, app_secret, "audience")


@pytest.fixture
def client(wechat: Simulator) -> WeChatClient:
    return WeChatClient(Transport(wechat.url, max_in_flight=20))


@pytest.fixture
def token(client: WeChatClient, app: MiniProgram) -> str:
    return client.fetch_access_token(app).token


def test_the_stable_token_is_asked_for_in_normal_mode_with_a_sized_json_body(
    client: WeChatClient, wechat: Simulator, app: MiniProgram
) -> None:
    fetched = client.fetch_access_token(app)
    assert (fetched.token, fetched.expires_in, fetched.source) == (
        wechat.tokens()["access_token"],
        7200,
        "stable_token",
    )
    assert fetched.token not in repr(fetched)
    (call,) = wechat.journal(path=STABLE)
    assert (call["method"], call["query"]) == ("POST", {})
    assert call["body"] == {"grant_type": "client_credential", "appid": APPID, "secret": "***"}


def test_the_old_endpoint_is_used_by_setting(wechat: Simulator, app: MiniProgram) -> None:
    fetched = WeChatClient(Transport(wechat.url, max_in_flight=1), "token").fetch_access_token(app)
    assert (fetched.token, fetched.source) == (wechat.tokens("token")["access_token"], "token")
    assert [call["method"] for call in wechat.journal(path=PLAIN)] == ["GET"]


def test_a_wrong_secret_is_our_misconfiguration(client: WeChatClient, app: MiniProgram) -> None:
    with pytest.raises(e.WeChatMisconfigured) as caught:
        client.fetch_access_token(MiniProgram(APPID, "not-the-right-secret", "audience"))
    assert (type(caught.value), caught.value.errcode) == (e.WeChatMisconfigured, 40125)


def test_the_address_that_wechat_refuses_is_kept_for_the_operator(
    client: WeChatClient, wechat: Simulator, app: MiniProgram
) -> None:
    wechat.call("POST", "/control/settings", {"ip_allow_list": ["192.0.2.1"]})
    with pytest.raises(e.WeChatMisconfigured) as caught:
        client.fetch_access_token(app)
    assert "invalid ip 127.0.0.1" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        '{"access_token":"70_a"}',
        '{"expires_in":7200}',
        '{"access_token":"","expires_in":7200}',
        '{"access_token":5,"expires_in":7200}',
        '{"access_token":"70_a\\nb","expires_in":7200}',
        '{"access_token":"70_a","expires_in":"7200"}',
        '{"access_token":"70_a","expires_in":0}',
        '{"access_token":"70_a","expires_in":true}',
        "",
    ],
)
def test_an_answer_without_a_usable_token_is_refused(
    client: WeChatClient, wechat: Simulator, app: MiniProgram, body: str
) -> None:
    wechat.fault({"kind": "raw", "body": body}, path=STABLE, times=None)
    with pytest.raises(e.WeChatBadAnswer):
        client.fetch_access_token(app)
    assert len(wechat.journal(path=STABLE)) <= 2


def test_a_life_longer_than_wechats_is_not_believed(client: WeChatClient, wechat: Simulator, app: MiniProgram) -> None:
    wechat.fault({"kind": "raw", "body": '{"access_token":"70_a","expires_in":99999999}'}, path=STABLE)
    assert client.fetch_access_token(app).expires_in == 7200


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "errcode", "errcode": -1},
        {"kind": "http_status", "status": 502},
        {"kind": "reset"},
        {"kind": "hang", "seconds": 0.1},
        {"kind": "cut", "at": 5},
    ],
    ids=lambda fault: fault["kind"],
)
def test_which_calls_are_repeated_after_which_trouble(
    client: WeChatClient, wechat: Simulator, app: MiniProgram, token: str, fault: dict
) -> None:
    """stable_token may be asked twice; a phone code and the old token endpoint only when nothing was done."""
    is_busy = fault["kind"] == "errcode"
    plain = WeChatClient(Transport(wechat.url, max_in_flight=1), "token")
    code = wechat.phone_code("lan")
    wechat.clear()
    for path, call, repeats in (
        (STABLE, lambda: client.fetch_access_token(app), True),
        (PLAIN, lambda: plain.fetch_access_token(app), is_busy),
        (PHONE_ENDPOINT, lambda: client.phone_number(app, token, code), is_busy),
    ):
        wechat.fault({**fault, "consume": False}, path=path)
        if repeats:
            call()
        else:
            with pytest.raises(e.WeChatNoAnswer):
                call()
        assert len(wechat.journal(path=path)) == (2 if repeats else 1), path


def test_a_phone_code_becomes_a_number(client: WeChatClient, wechat: Simulator, app: MiniProgram, token: str) -> None:
    lan = wechat.call("GET", "/control/users/lan")
    phone = client.phone_number(app, token, wechat.phone_code("lan"))
    assert (phone.country_code, phone.national) == ("86", lan["phone"])
    assert lan["phone"] not in repr(phone)
    (call,) = wechat.journal(path=PHONE_ENDPOINT)
    assert (call["query"], set(call["body"])) == ({"access_token": "***"}, {"code"})


def test_a_country_code_may_come_as_a_number_and_foreign_numbers_are_kept_apart(
    client: WeChatClient, wechat: Simulator, app: MiniProgram, token: str
) -> None:
    wechat.call("POST", "/control/settings", {"country_code_as_number": True})
    phone = client.phone_number(app, token, wechat.phone_code("joe", phone="2025550123", country_code="1"))
    assert (phone.country_code, phone.national) == ("1", "2025550123")


def test_the_openid_is_sent_when_it_is_known(
    client: WeChatClient, wechat: Simulator, app: MiniProgram, token: str
) -> None:
    lan, mei = (client.code2session(app, wechat.code(user)).openid for user in ("lan", "mei"))
    code = wechat.phone_code("lan")
    with pytest.raises(e.PhoneCodeInvalid):
        client.phone_number(app, token, code, mei)
    assert client.phone_number(app, token, code, lan).country_code == "86"


@pytest.mark.parametrize(
    "watermark", [False, {"appid": "wxba5fad812f8e6fb9", "timestamp": 5}, {"appid": APPID}, {"timestamp": 5}]
)
def test_a_watermark_that_is_not_ours_is_refused(
    client: WeChatClient, wechat: Simulator, app: MiniProgram, token: str, watermark: object
) -> None:
    with pytest.raises(e.WeChatBadAnswer):
        client.phone_number(app, token, wechat.phone_code("lan", watermark=watermark))


@pytest.mark.parametrize(
    "info",
    [
        None,
        [],
        {},
        {"purePhoneNumber": "13580006666"},
        {"purePhoneNumber": 13580006666, "countryCode": "86"},
        {"purePhoneNumber": "13580006666", "countryCode": True},
        {"purePhoneNumber": "13580006666", "countryCode": None},
    ],
)
def test_an_unusable_number_is_refused(
    client: WeChatClient, wechat: Simulator, app: MiniProgram, token: str, info: object
) -> None:
    if isinstance(info, dict):
        info = {**info, "watermark": {"appid": APPID, "timestamp": 1}}
    body = json.dumps({"errcode": 0, "errmsg": "ok", "phone_info": info})
    wechat.fault({"kind": "raw", "body": body}, path=PHONE_ENDPOINT)
    with pytest.raises(e.WeChatBadAnswer):
        client.phone_number(app, token, "0" * 64)


def test_the_two_kinds_of_code_sent_to_the_wrong_place_are_told_by_name(
    client: WeChatClient, wechat: Simulator, app: MiniProgram, token: str
) -> None:
    with pytest.raises(e.PhoneCodeIsLoginCode) as phone:
        client.phone_number(app, token, wechat.code("lan"))
    with pytest.raises(e.LoginCodeIsPhoneCode) as login:
        client.code2session(app, wechat.phone_code("lan"))
    assert (phone.value.error, login.value.error) == ("wx_phone_code_is_login_code", "wx_code_is_phone_code")
    assert (phone.value.errcode, login.value.errcode) == (40029, 40029)
    with pytest.raises(e.PhoneCodeInvalid) as plain:
        client.phone_number(app, token, "0" * 64)
    assert (type(plain.value), plain.value.action) == (e.PhoneCodeInvalid, "tap_again")


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
def test_a_dead_token_is_told_apart_from_a_wrong_secret(errcode: int) -> None:
    assert kind_of(PHONE_ENDPOINT, errcode) is e.AccessTokenRejected
    assert kind_of("/wxa/checksession", errcode) is e.AccessTokenRejected
    for path in (STABLE, PLAIN, "/sns/jscode2session"):
        assert kind_of(path, errcode) is e.WeChatMisconfigured


@pytest.mark.parametrize("errcode", [code for code in ERRORS if code not in (40003, 40029, 40163, 41008)])
def test_other_codes_mean_the_same_at_every_endpoint(errcode: int) -> None:
    if errcode not in (40001, 40014, 42001):
        assert kind_of(PHONE_ENDPOINT, errcode) is kind_of(STABLE, errcode) is ERRORS[errcode]


@pytest.mark.parametrize("kill", ["kill", "expire"])
def test_a_token_that_died_is_reported_as_such(
    client: WeChatClient, wechat: Simulator, app: MiniProgram, token: str, kill: str
) -> None:
    wechat.call("POST", f"/control/tokens/{kill}", {})
    with pytest.raises(e.AccessTokenRejected) as caught:
        client.phone_number(app, token, "0" * 64)
    assert token not in str(caught.value)


@pytest.mark.parametrize(
    ("key", "signature"),
    [
        ("o0q0otL8aEzpcZL/FT9WsQ==", "46e043c5525c2d817c44be603d30837a808a1d930d038f6fdc3e62a201fed128"),
        ("tiihtNczf5v6AKRyjwEUhQ==", "7154f9f8b4b76b92f541cbf0e37d48840fa06e5e42da92a6f80168a1516a4735"),
    ],
)
def test_the_session_signature_vectors(key: str, signature: str) -> None:
    assert session_signature(key) == signature


def test_the_key_of_wechats_own_example_is_the_text_and_not_the_bytes() -> None:
    """Tutorial 用户登录态签名: with this message it publishes this signature; ours differs in the message only."""
    key, message = "o0q0otL8aEzpcZL/FT9WsQ==", b'{"foo":"bar"}'
    published = "654571f79995b2ce1e149e53c0a33dc39c0a74090db514261454e8dbe432aa0b"
    assert hmac.new(key.encode(), message, hashlib.sha256).hexdigest() == published
    assert hmac.new(key.encode(), b"", hashlib.sha256).hexdigest() == session_signature(key)


def test_a_session_key_is_checked_and_reset(
    client: WeChatClient, wechat: Simulator, app: MiniProgram, token: str
) -> None:
    session = client.code2session(app, wechat.code("lan"))
    assert client.check_session(token, session.openid, session.session_key)
    fresh = client.reset_session_key(token, session.openid, session.session_key)
    assert (fresh.openid, fresh.session_key != session.session_key) == (session.openid, True)
    assert not client.check_session(token, session.openid, session.session_key)
    assert client.check_session(token, session.openid, fresh.session_key)
    with pytest.raises(e.SessionKeyStale):
        client.reset_session_key(token, session.openid, session.session_key)
