"""Sealed data: the vectors WeChat and the big SDKs publish, and what the phone interface makes."""

import base64
import hashlib
import json
import time

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import unpad

OFFICIAL_KEY = "tiihtNczf5v6AKRyjwEUhQ=="
OFFICIAL_IV = "r7BXXKkLb8qrSNn05n0qiA=="
OFFICIAL_OPENID = "oGZUI0egBJY1zhBYw2KhdUfwVJJE"
OFFICIAL_UNIONID = "ocMvos6NjeKLIBqg5Mr9QjxrP1FA"
OFFICIAL_PROFILE = {
    "nickName": "Band",
    "gender": 1,
    "language": "zh_CN",
    "city": "Guangzhou",
    "province": "Guangdong",
    "country": "CN",
    "avatarUrl": "http://wx.qlogo.cn/mmopen/vi_32/aSKcBBPpibyKNicHNTMM0qJVh8Kjgiak2AHWr8MHM4WgMEm7GFhsf8OYrySdbvAMvT"
    "sw3mo8ibKicsnfN5pRjl1p8HQ/0",
}
OFFICIAL_SEALED = (
    "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS9uT5geRa0W4oTOb1WT7fJlAC+oNPdbB+3hVbJSRg"
    "v+4lGOETKUQz6OYStslQ142dNCuabNPGBzlooOmB231qMM85d2/fV6ChevvXvQP8Hkue1poOFtnEtpyxVLW1zAo6/1Xx1COxFvrc2d7U"
    "L/lmHInNlxuacJXwu0fjpXfz/YqYzBIBzD6WUfTIF9GRHpOn/Hz7saL8xz+W//FRAUid1OksQaQx4CMs8LOddcQhULW4ucetDf96JcR3"
    "g0gfRK4PC7E/r7Z6xNrXd2UIeorGj5Ef7b1pJAYB6Y5anaHqZ9J6nKEBvB4DnNLIVWSgARns/8wR2SiRS7MNACwTyrGvt9ts8p12PKFd"
    "lqYTopNHR1Vf7XjfhQlVsAJdNiKdYmYVoKlaRv85IfVunYzO0IKXsyl7JCUjCpoG20f0a04COwfneQAGGwd5oa+T8yO5hzuyDb/Xcxxm"
    "K01EpqOyuxINew=="
)
OFFICIAL_STAMP = 1477314187


def opened(answer, session_key):
    key, iv, sealed = (base64.b64decode(t) for t in (session_key, answer["iv"], answer["encryptedData"]))
    return unpad(AES.new(key, AES.MODE_CBC, iv).decrypt(sealed), 16).decode()


@pytest.fixture
def official(sim):
    """WeChat's own sample user, installed in the simulator."""
    sim.put_user(
        "band",
        appid=sim.official,
        openid=OFFICIAL_OPENID,
        unionid=OFFICIAL_UNIONID,
        session_key=OFFICIAL_KEY,
        profile=OFFICIAL_PROFILE,
    )
    return {"user": "band", "appid": sim.official, "iv": OFFICIAL_IV, "timestamp": OFFICIAL_STAMP}


def test_the_official_sample_comes_out_byte_for_byte(sim, official):
    answer = sim.phone("userinfo", **official)
    assert answer["encryptedData"] == OFFICIAL_SEALED
    assert answer["iv"] == OFFICIAL_IV


def test_the_official_plaintext_sealed_again_gives_the_same_base64(sim, official):
    plaintext = opened({"iv": OFFICIAL_IV, "encryptedData": OFFICIAL_SEALED}, OFFICIAL_KEY)
    assert json.loads(plaintext)["openId"] == OFFICIAL_OPENID
    assert sim.phone("encrypt", payload=plaintext, **official)["encryptedData"] == OFFICIAL_SEALED


def test_the_official_user_logs_in_with_the_official_key_until_rotation_is_forced(sim, official):
    code = sim.login("band", appid=sim.official)
    assert sim.exchange(code, appid=sim.official).json() == {
        "session_key": OFFICIAL_KEY,
        "openid": OFFICIAL_OPENID,
        "unionid": OFFICIAL_UNIONID,
    }
    sim.control("clock", advance=10_000)
    code = sim.login("band", appid=sim.official)
    assert sim.exchange(code, appid=sim.official).json()["session_key"] == OFFICIAL_KEY
    code = sim.login("band", appid=sim.official, rotate=True)
    assert sim.exchange(code, appid=sim.official).json()["session_key"] != OFFICIAL_KEY


def test_the_phone_vector(sim, official):
    sealed = sim.phone("phonenumber", phone="13580006666", **official)["encryptedData"]
    assert sealed == (
        "xT8p8W6jIVdEWQ+ccHuD2bmG5RSiwg14VWRFw/UGVh6Aj+jDIadafJ4xdCIBQ/uxDiyw/MZWvpFyRn3pP3xxVfNQxFtzghvK+Pj5JQI7"
        "x412Zc+UKBdZyt5yiQboroSxabTum1k4MMOlnoCxhJ46cxPDT2EuLbNUf2McwNtGO0/9E+Xj/ZwENw48ucueL3UqNoKpXxFYvqH6eawr"
        "R2MXnA=="
    )


def test_the_group_vector(sim, official):
    payload = {"openGId": "tGZUI0egBJY1zhBYw2KhdUfwVJJE"}
    assert sim.phone("encrypt", payload=payload, **official)["encryptedData"] == (
        "R8kMfFR56LTU88IqEbAjBwiDc29VD8uKtClBrT3OvPF1DEdM8UmsERnQCGTBZcBgT4mHSX1fyBThEH8oELHQSSFF3t1pKuSPJEHQjnd/"
        "BJUflzecB/KIUV9CedN4bj2JyDnyKkRyAjepZbmtEMQXYg=="
    )


@pytest.mark.parametrize(
    ("key", "signature", "profile"),
    [
        (
            "HyVFkGl5F5OQWJZZaNzBBg==",
            "75e81ceda165f4ffa64f4068af58c64b8f54b88c",
            {
                **OFFICIAL_PROFILE,
                "avatarUrl": "http://wx.qlogo.cn/mmopen/vi_32/1vZvI39NWFQ9XM4LtQpFrQJ1xlgZxx3w7bQxKARol6503Iuswjjn6nIGB"
                "iaycAjAtpujxyzYsrztuuICqIM5ibXQ/0",
            },
        ),
        (
            "GtYYez5b/M5HhT4L7n31gQ==",
            "8fde625b7640734a13c071c05d792b5cef21cf89",
            {
                "nickName": "Xavier-Lam林",
                "gender": 1,
                "language": "zh_CN",
                "city": "Ningde",
                "province": "Fujian",
                "country": "China",
                "avatarUrl": "https://wx.qlogo.cn/mmopen/vi_32/vTxUxcbjcZ8t9eU6YfXBwRU89KS9uRILEDro01MTYp7UKYsyTjLFMIVhB"
                "0AlBuEvLHbhmO3OpaHw5zwlSetuLg/132",
            },
        ),
    ],
)
def test_the_raw_data_signature_vectors(sim, key, signature, profile):
    answer = sim.phone("userinfo", session_key=key, profile=profile)
    assert answer["signature"] == signature
    assert answer["userInfo"] == profile


def test_userinfo_is_sealed_with_the_current_key_and_signed(sim):
    key = sim.exchange(sim.login()).json()["session_key"]
    answer = sim.phone("userinfo")
    payload = json.loads(opened(answer, key))
    assert answer["errMsg"] == "getUserInfo:ok"
    assert answer["signature"] == hashlib.sha1((answer["rawData"] + key).encode()).hexdigest()
    assert json.loads(answer["rawData"]) == answer["userInfo"]
    assert payload["watermark"]["appid"] == sim.appid
    assert abs(payload["watermark"]["timestamp"] - time.time()) < 5
    assert {name: payload[name] for name in answer["userInfo"]} == answer["userInfo"]
    assert payload["openId"] and "unionId" not in payload


def test_a_login_kills_what_was_sealed_before_it(sim):
    old = sim.exchange(sim.login()).json()["session_key"]
    new = sim.exchange(sim.login(rotate=True)).json()["session_key"]
    answer = sim.phone("userinfo")
    assert json.loads(opened(answer, new))["openId"]
    with pytest.raises(ValueError):
        json.loads(opened(answer, old))


def test_get_user_profile_tells_neither_openid_nor_unionid(sim):
    key = sim.exchange(sim.login(appid=sim.bound), appid=sim.bound).json()["session_key"]
    info = json.loads(opened(sim.phone("userinfo", appid=sim.bound), key))
    profile = json.loads(opened(sim.phone("userinfo", appid=sim.bound, kind="getUserProfile"), key))
    assert {"openId", "unionId"} <= set(info)
    assert set(info) - set(profile) == {"openId", "unionId"}


def test_the_placeholder_of_todays_versions(sim):
    sim.login()
    assert sim.phone("userinfo", placeholder=True)["userInfo"]["nickName"] == "微信用户"


def test_profiles_and_phones_are_the_same_in_every_run_and_differ_between_users(sim):
    before = sim.put_user("alice")
    bob = sim.put_user("bob")
    sim.control("reset")
    assert sim.put_user("alice") == before
    assert before["phone"] != bob["phone"]


def test_the_phone_button_gives_a_code_without_login_and_sealed_data_after_one(sim):
    assert set(sim.phone("phonenumber")) == {"errMsg", "code"}
    key = sim.exchange(sim.login()).json()["session_key"]
    answer = sim.phone("phonenumber", phone="5551234", country_code="1")
    payload = json.loads(opened(answer, key))
    assert len(answer["code"]) == 64
    assert (payload["phoneNumber"], payload["purePhoneNumber"], payload["countryCode"]) == (
        "15551234",
        "5551234",
        "1",
    )
    assert sim.refusal(answer["code"]) == 40029


def test_sealing_before_any_login_is_refused(sim):
    reply = sim.post("/phone/userinfo", appid=sim.appid, user="nobody")
    assert (reply.status_code, "login first" in reply.json()["error"]) == (409, True)


def test_the_watermark_can_be_wrong_or_missing(sim):
    key = sim.exchange(sim.login()).json()["session_key"]

    def sealed(**more):
        return json.loads(opened(sim.phone("encrypt", payload={"a": 1}, **more), key))

    assert sealed(watermark={"appid": "wxother"}) == {"a": 1, "watermark": {"appid": "wxother"}}
    assert sealed(watermark=False) == {"a": 1}
    assert sealed(timestamp=5)["watermark"] == {"timestamp": 5, "appid": sim.appid}


@pytest.mark.parametrize("body", [{"user": "a"}, {"user": "a", "appid": "wx51a051a000000001", "iv": "short"}])
def test_a_bad_request_to_a_tool_says_which_field(sim, body):
    reply = sim.post("/phone/userinfo", **body)
    assert reply.status_code == 400
    assert set(reply.json()["fields"]) <= {"appid", "iv"}


def test_an_unknown_app_is_refused(sim):
    assert sim.post("/phone/login", appid="wx51a051a0ffffffff", user="a").status_code == 404
