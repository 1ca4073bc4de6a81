"""WXBizDataCrypt against the published vectors, and against everything that must not open."""

import base64
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad
from hypothesis import example, given, settings
from hypothesis import strategies as st

from authsvc.errors import DataRejected
from authsvc.wechat.wxbizdatacrypt import MAX_CIPHERTEXT_BYTES, WXBizDataCrypt, signature_matches
from tests.harness import vectors
from tests.harness.vectors import APPID, IV, PROFILE, SESSION_KEY, SIGNATURES, VECTORS, Vector

WATERMARK = {"appid": APPID, "timestamp": vectors.TIMESTAMP}


def seal(padded: bytes) -> str:
    """Encrypt bytes that are padded already, under the key and iv of the vectors."""
    cipher = AES.new(base64.b64decode(SESSION_KEY), AES.MODE_CBC, base64.b64decode(IV))
    return base64.b64encode(cipher.encrypt(padded)).decode()


def sealed_text(text: str | bytes) -> str:
    return seal(pad(text.encode() if isinstance(text, str) else text, AES.block_size))


def sealed_ending_in(tail: bytes) -> str:
    """Good JSON, blanks, and ``tail`` where the padding should be."""
    text = json.dumps({"watermark": WATERMARK}).encode()
    return seal(text + b" " * (-(len(text) + len(tail)) % AES.block_size) + tail)


def sealed_json(value: Any) -> str:
    return sealed_text(json.dumps(value))


def zeros(size: int) -> str:
    """The base64 text of that many zero bytes."""
    return base64.b64encode(bytes(size)).decode()


def nested(levels: int) -> Any:
    """A value in which objects and lists lie ``levels`` deep."""
    return json.loads("[" * levels + "]" * levels)


def of_ciphertext_bytes(size: int) -> str:
    """A payload that is right in everything and fills ``size`` bytes of ciphertext."""
    empty = json.dumps({"watermark": WATERMARK, "filler": ""})
    return sealed_json({"watermark": WATERMARK, "filler": "x" * (size - 1 - len(empty))})


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_every_published_vector_opens_to_its_plaintext(vector: Vector) -> None:
    assert WXBizDataCrypt(APPID, SESSION_KEY).decrypt(vector.encrypted_data, IV) == json.loads(vector.plaintext)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector.name)
def test_the_published_plaintexts_encrypt_to_the_published_ciphertexts(vector: Vector) -> None:
    assert sealed_text(vector.plaintext) == vector.encrypted_data


@pytest.mark.parametrize("tail", [b"\x04" * 4, b"\x01", b"\x10" * 16], ids=len)
def test_pkcs7_padding_of_any_length_opens(tail: bytes) -> None:
    assert WXBizDataCrypt(APPID, SESSION_KEY).decrypt(sealed_ending_in(tail), IV) == {"watermark": WATERMARK}


@pytest.mark.parametrize("payload", [nested(7), "x", 1, None], ids=["7 lists in an object", "text", "number", "null"])
def test_eight_levels_and_any_scalar_open(payload: Any) -> None:
    whole = {"watermark": WATERMARK, "value": payload}
    assert WXBizDataCrypt(APPID, SESSION_KEY).decrypt(sealed_json(whole), IV) == whole


def test_the_longest_ciphertext_opens() -> None:
    sealed = of_ciphertext_bytes(MAX_CIPHERTEXT_BYTES)
    assert len(base64.b64decode(sealed)) == MAX_CIPHERTEXT_BYTES
    assert WXBizDataCrypt(APPID, SESSION_KEY).decrypt(sealed, IV)["watermark"] == WATERMARK


DATA = PROFILE.encrypted_data
PADDED = pad(PROFILE.plaintext.encode(), AES.block_size)
LONG_INTEGER = f'{{"n":{"9" * 5000},"watermark":{json.dumps(WATERMARK)}}}'
ONE_KEY, URL_SAFE = zeros(16), DATA.replace("+", "-").replace("/", "_")

# name: (session_key, iv, encryptedData)
REFUSED: dict[str, tuple[str, str, str]] = {
    "an SDK's fixture that never opened": (vectors.BROKEN_SESSION_KEY, vectors.BROKEN_IV, vectors.BROKEN_DATA),
    "another key": (ONE_KEY, IV, DATA),
    "another iv": (SESSION_KEY, ONE_KEY, DATA),
    "another app's watermark": (SESSION_KEY, IV, sealed_json({"watermark": {**WATERMARK, "appid": APPID[:-1] + "c"}})),
    "an appid in capitals": (SESSION_KEY, IV, sealed_json({"watermark": {**WATERMARK, "appid": APPID.upper()}})),
    "padding byte 0": (SESSION_KEY, IV, seal(PADDED[:-1] + b"\0")),
    "padding byte 17": (SESSION_KEY, IV, seal(PADDED[:-1] + b"\x11")),
    "a whole block of 17": (SESSION_KEY, IV, seal(PADDED + b"\x11" * 16)),
    "padding byte 255": (SESSION_KEY, IV, seal(PADDED[:-1] + b"\xff")),
    "padding bytes that differ": (SESSION_KEY, IV, seal(PADDED[:-2] + b"\x06\x07")),
    # From here on, whoever strips padding without checking it finds good JSON below.
    "17 bytes of 17": (SESSION_KEY, IV, sealed_ending_in(b"\x11" * 17)),
    "four bytes, two of them right": (SESSION_KEY, IV, sealed_ending_in(b"\x01\x02\x04\x04")),
    "four bytes, the first one wrong": (SESSION_KEY, IV, sealed_ending_in(b"\x05\x04\x04\x04")),
    "four bytes of ANSI X9.23": (SESSION_KEY, IV, sealed_ending_in(b"\0\0\0\x04")),
    "four bytes of ISO 7816": (SESSION_KEY, IV, sealed_ending_in(b"\x80\0\0\0")),
    "four zeros": (SESSION_KEY, IV, sealed_ending_in(b"\0\0\0\0")),
    "blanks for padding": (SESSION_KEY, IV, sealed_ending_in(b"    ")),
    "line breaks for padding": (SESSION_KEY, IV, sealed_ending_in(b"\n" * 9)),
    "no padding": (SESSION_KEY, IV, seal(b'{"watermark":{}}')),
    "only padding": (SESSION_KEY, IV, seal(b"\x10" * 16)),
    "bad UTF-8": (SESSION_KEY, IV, sealed_text(b'{"a":"\xff","watermark":' + json.dumps(WATERMARK).encode() + b"}")),
    "UTF-8 cut short": (SESSION_KEY, IV, sealed_text("鹿".encode()[:2])),
    "UTF-16": (SESSION_KEY, IV, sealed_text(PROFILE.plaintext.encode("utf-16"))),
    "a byte order mark": (SESSION_KEY, IV, sealed_text("\ufeff" + PROFILE.plaintext)),
    "an array": (SESSION_KEY, IV, sealed_json([{"watermark": WATERMARK}])),
    "a text": (SESSION_KEY, IV, sealed_json("watermark")),
    "a number": (SESSION_KEY, IV, sealed_json(5)),
    "null": (SESSION_KEY, IV, sealed_json(None)),
    "half an object": (SESSION_KEY, IV, sealed_text(PROFILE.plaintext[:-1])),
    "two objects": (SESSION_KEY, IV, sealed_text(PROFILE.plaintext * 2)),
    "NaN": (SESSION_KEY, IV, sealed_json({"watermark": WATERMARK, "value": float("nan")})),
    "infinity": (SESSION_KEY, IV, sealed_text(f'{{"watermark":{json.dumps(WATERMARK)},"value":1e400}}')),
    "an integer of 5,000 digits": (SESSION_KEY, IV, sealed_text(LONG_INTEGER)),
    "no watermark": (SESSION_KEY, IV, sealed_json({"openId": "o"})),
    "a watermark without appid": (SESSION_KEY, IV, sealed_json({"watermark": {"timestamp": 1}})),
    "a watermark of text": (SESSION_KEY, IV, sealed_json({"watermark": APPID})),
    "a watermark of null": (SESSION_KEY, IV, sealed_json({"watermark": None})),
    "a watermark in a list": (SESSION_KEY, IV, sealed_json({"watermark": [WATERMARK]})),
    "an appid in a list": (SESSION_KEY, IV, sealed_json({"watermark": {"appid": [APPID]}})),
    **{
        f"{levels + 1} levels": (SESSION_KEY, IV, sealed_json({"watermark": WATERMARK, "value": nested(levels)}))
        for levels in (8, 100, 400, 700)
    },
    "4,000 levels": (SESSION_KEY, IV, sealed_text("[" * 4000 + "]" * 4000)),
    "4,000 levels of objects, cut": (SESSION_KEY, IV, sealed_text('{"":' * 2000)),
    "8,208 bytes": (SESSION_KEY, IV, of_ciphertext_bytes(MAX_CIPHERTEXT_BYTES + AES.block_size)),
    "8,193 bytes": (SESSION_KEY, IV, zeros(8193)),
    "15 bytes": (SESSION_KEY, IV, zeros(15)),
    "17 bytes": (SESSION_KEY, IV, zeros(17)),
    "no bytes": (SESSION_KEY, IV, ""),
    "cut by one byte": (SESSION_KEY, IV, base64.b64encode(base64.b64decode(DATA)[:-1]).decode()),
    "cut by one block": (SESSION_KEY, IV, base64.b64encode(base64.b64decode(DATA)[:-16]).decode()),
    "url-safe base64": (SESSION_KEY, IV, URL_SAFE),
    "base64 without its padding": (SESSION_KEY, IV, DATA.rstrip("=")),
    "base64 with more padding": (SESSION_KEY, IV, DATA + "="),
    "base64 in two pieces": (SESSION_KEY, IV, DATA + DATA),
    **{
        f"{name} in base64": (SESSION_KEY, IV, DATA[:40] + foreign + DATA[40:])
        for name, foreign in {
            "a blank": " ",
            "a line break": "\n",
            "a star": "*",
            "a full-width letter": "Ａ",
            "NUL": "\0",
            "a lone surrogate": "\ud800",
        }.items()
    },
    "base64 with blanks around it": (SESSION_KEY, IV, f" {DATA}\n"),
    **{
        f"a key of {size} bytes": (zeros(size), IV, DATA) for size in (0, 1, 15, 17, 24, 32)
    },
    **{
        f"an iv of {size} bytes": (SESSION_KEY, zeros(size), DATA) for size in (0, 12, 15, 17)
    },
    "a key that is not base64": ("not base64 at all!", IV, DATA),
    "a url-safe key": ("tiihtNczf5v6AKRyjwEU-Q==", IV, DATA),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED.values(), ids=REFUSED.keys())
def test_what_does_not_hold_is_refused_and_every_refusal_looks_alike(case: tuple[str, str, str]) -> None:
    session_key, iv, encrypted_data = case
    with pytest.raises(DataRejected) as refused:
        WXBizDataCrypt(APPID, session_key).decrypt(encrypted_data, iv)
    error = refused.value
    assert (type(error), str(error), error.args, error.__cause__, error.retry_after) == (
        DataRejected,
        "",
        (),
        None,
        None,
    )
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize("place", range(16))
def test_no_changed_byte_of_the_last_block_tells_bad_padding_from_bad_json(place: int) -> None:
    sealed = bytearray(base64.b64decode(DATA))
    sealed[-32 + place] ^= 0x55
    with pytest.raises(DataRejected) as refused:
        WXBizDataCrypt(APPID, SESSION_KEY).decrypt(base64.b64encode(sealed).decode(), IV)
    assert str(refused.value) == ""


BLOCK = st.binary(min_size=16, max_size=16)
ENCODED = st.binary(max_size=100).map(lambda raw: base64.b64encode(raw).decode())


def outcome(work: Callable[[], object]) -> None:
    """Nothing but an object or DataRejected may come out."""
    with contextlib.suppress(DataRejected):
        assert isinstance(work(), dict)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(key=st.text() | ENCODED, iv=st.text() | ENCODED, data=st.text() | ENCODED)
@example(key=SESSION_KEY, iv=IV, data="\ud800")
def test_whatever_comes_in_only_our_refusal_comes_out(key: str, iv: str, data: str) -> None:
    outcome(lambda: WXBizDataCrypt(APPID, key).decrypt(data, iv))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(key=BLOCK, iv=BLOCK, blocks=st.lists(BLOCK, min_size=1, max_size=8))
def test_whatever_the_cipher_yields_only_our_refusal_comes_out(key: bytes, iv: bytes, blocks: list[bytes]) -> None:
    key_text, iv_text, data = (base64.b64encode(raw).decode() for raw in (key, iv, b"".join(blocks)))
    outcome(lambda: WXBizDataCrypt(APPID, key_text).decrypt(data, iv_text))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(plaintext=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
@example(plaintext=b'{"watermark":{"appid":"' + APPID.encode() + b'"},"deep":' + b"[" * 800 + b"]" * 800 + b"}")
def test_whatever_lies_inside_a_sound_padding_only_our_refusal_comes_out(plaintext: bytes) -> None:
    outcome(lambda: WXBizDataCrypt(APPID, SESSION_KEY).decrypt(sealed_text(plaintext), IV))


SCALAR = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(payload=st.dictionaries(st.text(max_size=20), SCALAR | st.text(max_size=50), max_size=5))
def test_what_a_phone_seals_opens_unchanged(payload: dict[str, Any]) -> None:
    whole = {**payload, "watermark": WATERMARK}
    assert WXBizDataCrypt(APPID, SESSION_KEY).decrypt(sealed_json(whole), IV) == whole


@pytest.mark.parametrize("raw_data, session_key, signature", SIGNATURES, ids=["published", "with Chinese"])
def test_a_published_signature_of_raw_data_matches(raw_data: str, session_key: str, signature: str) -> None:
    assert signature_matches(raw_data, signature, session_key)


@pytest.mark.parametrize("raw_data, session_key, signature", SIGNATURES, ids=["published", "with Chinese"])
def test_no_neighbour_of_a_published_signature_matches(raw_data: str, session_key: str, signature: str) -> None:
    for other in (raw_data + " ", raw_data[:-1], raw_data.replace("Band", "Bend").replace("林", "木")):
        assert not signature_matches(other, signature, session_key)
    for other in (signature.upper(), signature[:-1], signature + "0", "", "é" * 40):
        assert not signature_matches(raw_data, other, session_key)
    assert not signature_matches(raw_data, signature, ONE_KEY)
