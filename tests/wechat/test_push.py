"""Message push against WeChat's own worked example and the vectors of other people's libraries."""

import base64
import dataclasses
import json

import pytest

from authsvc.errors import PushRejected
from authsvc.values.wechat import MiniProgram, PushQuery, PushSecrets
from authsvc.wechat.push import PushReader

# WeChat page 消息推送.
OFFICIAL = MiniProgram("wxba5fad812f8e6fb9", "x" * 32, "aud")
OFFICIAL_KEY = base64.b64decode("A" * 43 + "=")
SAFE = PushQuery(
    signature="6c5c811b55cc85e0e1b54100749188c20beb3f5d",
    timestamp="1714112445",
    nonce="415670741",
    msg_signature="046e02f8204d34f8ba5fa3b1db94908f3df2e9b3",
)
SEALED = (
    "+qdx1OKCy+5JPCBFWw70tm0fJGb2Jmeia4FCB7kao+/Q5c/ohsOzQHi8khUOb05JCpj0JB4RvQMkUyus8TPxLKJGQqcvZqzDpVzazhZv6JsXUnnR"
    "8XGT740XgXZUXQ7vJVnAG+tE8NUd4yFyjPy7GgiaviNrlCTj+l5kdfMuFUPpRSrfMZuMcp3Fn2Pede2IuQrKEYwKSqFIZoNqJ4M8EajAsjLY2km3"
    "2IIjdf8YL/P50F7mStwntrA2cPDrM1kb6mOcfBgRtWygb3VIYnSeOBrebufAlr7F9mFUPAJGj04="
)
# w7corp/easywechat, tests/Kernel/EncryptorTest.php: XML in safe mode.
XML_APP = MiniProgram("wxb11529c136998cb6", "x" * 32, "aud")
XML_KEY = base64.b64decode("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG=")
XML_QUERY = PushQuery("", "1458300676", "260774613", "4f3ad57b6989f09f4eb392acce4f9e93942ed890")
XML_SEALED = (
    "rTNFcsut4LfGuAFKEUVVpwcaCOTJzOd9twZdIW910jb3k+iicx2uvhttIZ3Qg9Qgty3BEF2xbOrz6boTfb30dMomcgrkTqdFPwnhqbk+kIQ7rZiw"
    "ny9D7NUrTgA5kpX3KsZvrXzUZyP2x9YOlxbgm572lmxKvM7HAQQhIQ/p6HBmoY30bGXFK0BtIu1pW9TjhOYrLQoU18nWYjWqDA1ynkmOytpv7QRI"
    "1P1+0NoxL0q2zO1DgeSvnE8CZGo/o5Ap/WHK5W2RAsinpzN4/LjPnmB6U01I5XCoJoC0GK/yMZycd2Oh8Nq6+wBkC1U85oy0ktOY4nLvsQMLrour"
    "mMGdZHuTbqpeJ8Ao/5PRYJ+WBvRUwPfGKBL2+2IKZF49vAJqkcGWSHGE76ZN2erXeuNazf/o9o3lIE3q739o4c8t9QGPe31GT2Go/rOz1BsrASwv"
    "auNulCh+++yz+CQzBIuikA=="
)


def official(*keys: bytes) -> PushReader:
    return PushReader(OFFICIAL, PushSecrets("AAAAA", keys))


def safe_body(sealed: str = SEALED) -> bytes:
    return json.dumps({"ToUserName": "gh_97417a04a28d", "Encrypt": sealed}).encode()


def test_the_trial_of_the_address() -> None:
    trial = PushQuery("f464b24fc39322e44b38aa78f5edd27bd1441696", "1714036504", "1514711492")
    official().check_address(trial)
    with pytest.raises(PushRejected):
        official().check_address(dataclasses.replace(trial, nonce="1514711493"))


def test_a_plain_message() -> None:
    query = PushQuery("899cf89e464efb63f54ddac96b0a0a235f53aa78", "1714037059", "486452656")
    body = {"ToUserName": "gh_97417a04a28d", "CreateTime": 1714037059, "MsgType": "event", "Event": "debug_demo"}
    event = official().read(query, json.dumps(body).encode())
    assert (event.name, event.created_at, event.openid) == ("debug_demo", 1714037059, None)


def test_an_encrypted_message_in_json() -> None:
    event = official(OFFICIAL_KEY).read(SAFE, safe_body())
    assert (event.name, event.sender, event.created_at) == ("debug_demo", "o9AgO5Kd5ggOC-bXrbNODIiE3bGY", 1714112445)


def test_an_encrypted_message_in_xml() -> None:
    body = f"<xml><ToUserName>asdasdasd</ToUserName><Encrypt><![CDATA[{XML_SEALED}]]></Encrypt></xml>".encode()
    event = PushReader(XML_APP, PushSecrets("pamtest", (XML_KEY,))).read(XML_QUERY, body)
    assert (event.name, event.sender, event.created_at) == ("text", "asdasdasdsadasd", 1234567898)


def test_the_key_before_opens_while_keys_change() -> None:
    assert official(bytes(range(32)), OFFICIAL_KEY).read(SAFE, safe_body()).name == "debug_demo"


def test_plain_members_beside_a_ciphertext_do_not_count() -> None:
    body = json.dumps({"Event": "user_authorization_cancellation", "OpenID": "o", "Encrypt": SEALED}).encode()
    assert official(OFFICIAL_KEY).read(SAFE, body).name == "debug_demo"


def altered(position: int) -> str:
    other = "A" if SEALED[position] != "A" else "B"
    return SEALED[:position] + other + SEALED[position + 1 :]


BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]><xml><Encrypt>&b;</Encrypt></xml>'


@pytest.mark.parametrize(
    "reader, query, body",
    [
        (official(OFFICIAL_KEY), SAFE, safe_body(altered(5))),
        (official(OFFICIAL_KEY), dataclasses.replace(SAFE, msg_signature=SAFE.signature), safe_body()),
        (official(OFFICIAL_KEY), dataclasses.replace(SAFE, msg_signature=""), safe_body()),
        (official(OFFICIAL_KEY), SAFE, b'{"Event": "user_authorization_cancellation", "OpenID": "o"}'),
        (official(bytes(range(32))), SAFE, safe_body()),
        (official(), SAFE, safe_body()),
        (PushReader(XML_APP, PushSecrets("AAAAA", (OFFICIAL_KEY,))), SAFE, safe_body()),
        (official(OFFICIAL_KEY), SAFE, b""),
        (official(OFFICIAL_KEY), SAFE, b"[]"),
        (official(OFFICIAL_KEY), SAFE, b"\xff\xfe"),
        (official(OFFICIAL_KEY), SAFE, b"[" * 8000),
        (official(OFFICIAL_KEY), SAFE, b"<xml><Encrypt></xml>"),
        (official(OFFICIAL_KEY), SAFE, BOMB),
        (official(OFFICIAL_KEY), SAFE, b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><xml/>'),
    ],
    ids=[
        "altered ciphertext",
        "the plain signature for the message's",
        "no signature",
        "plain where keys are set",
        "unknown key",
        "encrypted where no key is set",
        "another appid",
        "nothing",
        "a list",
        "no text",
        "deep",
        "broken XML",
        "entity bomb",
        "outside entity",
    ],
)
def test_what_is_not_wechats_is_refused_alike(reader: PushReader, query: PushQuery, body: bytes) -> None:
    with pytest.raises(PushRejected):
        reader.read(query, body)


def test_a_message_about_another_mini_program_is_refused() -> None:
    query = PushQuery("899cf89e464efb63f54ddac96b0a0a235f53aa78", "1714037059", "486452656")
    with pytest.raises(PushRejected):
        official().read(query, b'{"Event": "user_authorization_revoke", "AppID": "wx51a051a000000001"}')


@pytest.mark.parametrize("text, numbers", [("8", {8}), ("6,8;19", {6, 8, 19}), ("", set()), ("none", set())])
def test_revoked_things_are_numbers_with_anything_between(text: str, numbers: set[int]) -> None:
    query = PushQuery("899cf89e464efb63f54ddac96b0a0a235f53aa78", "1714037059", "486452656")
    body = json.dumps({" Event": "user_authorization_revoke", " OpenID": "oX", "RevokeInfo": text}).encode()
    event = official().read(query, body)
    assert (event.openid, event.revoked) == ("oX", frozenset(numbers))
