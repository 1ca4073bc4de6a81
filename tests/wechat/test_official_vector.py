"""WeChat's own sample of encrypted user data, through the whole service, and values that only WeChat could seal."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import requests

from tests.harness import vectors
from tests.harness.leaks import Canaries
from tests.harness.service import Service
from tests.harness.simulator import Simulator

USER = "band"
THIRTY_YEARS = str(30 * 365 * 86400)


@pytest.fixture(scope="module")
def patient_service(start_service: Callable[..., Service]) -> Service:
    """A service that believes data of 2016, when the sample was made."""
    return start_service("official-vector", settings={"WATERMARK_MAX_AGE": THIRTY_YEARS})


@pytest.fixture
def band(simulator: Simulator, canaries: Canaries) -> Simulator:
    """The simulator, where the person of the sample has the sample's openid and session_key."""
    person = {"appid": vectors.APPID, "openid": vectors.OPENID, "session_key": vectors.SESSION_KEY}
    simulator.call("PUT", f"/control/users/{USER}", person)
    canaries.never("session_key of the sample", vectors.SESSION_KEY)
    return simulator


def log_in(service: Service, code: str, encrypted_data: str, iv: str) -> requests.Response:
    sealed = {"encryptedData": encrypted_data, "iv": iv}
    return service.call("POST", "/user/wxlogin", json={"platCode": code, "platUserInfoMap": sealed})


def test_the_official_sample_logs_in_and_its_profile_comes_back_field_for_field(
    band: Simulator, patient_service: Service
) -> None:
    reply = log_in(patient_service, band.code(USER), vectors.PROFILE.encrypted_data, vectors.IV)
    assert reply.status_code == 200, reply.text
    data = reply.json()["data"]
    ours = {name: data.pop(name) for name in ("token", "token_type", "expires_in", "user_id")}
    assert data == json.loads(vectors.PROFILE.plaintext)
    assert (ours["token_type"], ours["expires_in"]) == ("Bearer", 7 * 86400)

    profile = patient_service.call("GET", "/api/v1/user/profile", token=ours["token"]).json()["data"]
    assert (profile["id"], profile["openid"], profile["nickname"]) == (ours["user_id"], vectors.OPENID, "Band")
    assert profile["avatar"] == data["avatarUrl"].replace("http://", "https://")


@pytest.mark.parametrize("vector", vectors.VECTORS[1:], ids=lambda vector: vector.name)
def test_samples_of_other_kinds_come_back_as_they_are(
    band: Simulator, patient_service: Service, vector: vectors.Vector
) -> None:
    data = log_in(patient_service, band.code(USER), vector.encrypted_data, vectors.IV).json()["data"]
    expected = json.loads(vector.plaintext)
    assert {name: data[name] for name in expected} == expected


def test_a_service_with_the_usual_patience_refuses_the_sample(band: Simulator, service: Service) -> None:
    reply = log_in(service, band.code(USER), vectors.PROFILE.encrypted_data, vectors.IV)
    assert (reply.status_code, reply.json()["data"]) == (400, None)


def test_somebody_else_cannot_log_in_with_the_sample(band: Simulator, patient_service: Service) -> None:
    band.call("PUT", "/control/users/thief", {"appid": vectors.APPID, "session_key": vectors.SESSION_KEY})
    reply = log_in(patient_service, band.code("thief"), vectors.PROFILE.encrypted_data, vectors.IV)
    assert (reply.status_code, reply.json()["data"]) == (400, None)


# What a sealed profile may hold besides what one expects: name, and the JSON text of a member's value.
ODD_VALUES: dict[str, tuple[str, str]] = {
    "a nickname cut through an emoji": ("nickName", '"Lan\\ud83c"'),
    "a nickname of control characters": ("nickName", '"\\u0000\\u001b[31m\\r\\n"'),
    "a nickname of 1,000 characters": ("nickName", json.dumps("鹿" * 1000)),
    "a nickname that is a number": ("nickName", "5"),
    "an avatar with an unclosed bracket": ("avatarUrl", '"https://[thirdwx.qlogo.cn/132"'),
    "an avatar that is a script": ("avatarUrl", '"javascript:alert(1)"'),
    "an avatar with a bad port": ("avatarUrl", '"https://thirdwx.qlogo.cn:port/132"'),
    "a gender that is a list": ("gender", "[1]"),
    "a gender that is true": ("gender", "true"),
    "a gender of many digits": ("gender", "9" * 400),
}


@pytest.mark.parametrize("member, value", ODD_VALUES.values(), ids=ODD_VALUES.keys())
def test_odd_values_in_a_sealed_profile_neither_fail_the_login_nor_stay(
    simulator: Simulator, each_service: Service, member: str, value: str
) -> None:
    code = simulator.code("odd")
    watermark = json.dumps({"appid": vectors.APPID, "timestamp": int(time.time())})
    payload = f'{{"{member}":{value},"watermark":{watermark}}}'
    sealed = simulator.call("POST", "/phone/encrypt", {"appid": vectors.APPID, "user": "odd", "payload": payload})
    reply = log_in(each_service, code, sealed["encryptedData"], sealed["iv"])
    assert reply.status_code == 200, reply.text
    data: dict[str, Any] = reply.json()["data"]
    assert data[member] == json.loads(value)

    profile = each_service.call("GET", "/api/v1/user/profile", token=data["token"]).json()["data"]
    assert profile["avatar"] is None
    assert profile["nickname"] is None or (profile["nickname"].isprintable() and len(profile["nickname"]) <= 64)
