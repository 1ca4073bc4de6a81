"""The key file: made once, private from its first byte, and refused when it is not what it should be."""

import json
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from authsvc.signing.keyfile import create_key_file
from authsvc.signing.keyset import BadKeys, KeySet
from tests.harness.forging import thumbprint

P256 = ec.generate_private_key(ec.SECP256R1())
MODES = Path("keys") / "signing.json"


def private_jwk(key: ECKey | None = None) -> dict[str, Any]:
    return json.loads(json.dumps((key or ECKey.generate_key("P-256", private=True)).as_dict(private=True)))


def key_file(folder: Path, content: Any, mode: int = 0o600) -> Path:
    path = folder / "signing.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(mode)
    return path


def signing(jwk: dict[str, Any], *published: dict[str, Any]) -> dict[str, Any]:
    return {"keys": [{"state": "signing", "jwk": jwk}, *({"state": "published", "jwk": key} for key in published)]}


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_for_its_owner_alone_whatever_the_umask(tmp_path: Path, umask: None) -> None:
    path = tmp_path / MODES
    assert create_key_file(path) is True
    assert (mode_of(path), mode_of(path.parent)) == (0o600, 0o700)
    assert [entry.name for entry in path.parent.iterdir()] == ["signing.json"]


def test_a_new_file_loads(tmp_path: Path) -> None:
    create_key_file(tmp_path / MODES)
    keys = KeySet.load(tmp_path / MODES)
    (public,) = keys.jwks["keys"]
    assert keys.signing_kid == public["kid"] == thumbprint(public)
    assert set(keys.public_keys) == {keys.signing_kid}
    assert keys.signing_key.public_key() == keys.public_keys[keys.signing_kid]


def test_a_second_time_nothing_is_overwritten(tmp_path: Path) -> None:
    path = tmp_path / MODES
    create_key_file(path)
    before = path.read_bytes()
    assert create_key_file(path) is False
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["signing.json"]


@pytest.mark.parametrize("content", ["", "not keys at all"])
def test_not_even_a_broken_file_is_overwritten(tmp_path: Path, content: str) -> None:
    path = key_file(tmp_path, content)
    assert create_key_file(path) is False
    assert path.read_text() == content


def test_of_many_who_make_the_file_at_once_one_does(tmp_path: Path) -> None:
    path, start, made = tmp_path / MODES, threading.Barrier(12), []

    def make() -> None:
        start.wait()
        made.append(create_key_file(path))

    threads = [threading.Thread(target=make) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(made) == [False] * 11 + [True]
    assert KeySet.load(path).jwks["keys"]


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o644, 0o660, 0o666, 0o777, 0o601], ids=oct)
def test_a_file_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    path = key_file(tmp_path, signing(private_jwk()), mode)
    with pytest.raises(BadKeys, match=f"mode {mode:04o}.*chmod 600"):
        KeySet.load(path)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o700], ids=oct)
def test_a_file_of_its_owner_alone_is_read(tmp_path: Path, mode: int) -> None:
    assert KeySet.load(key_file(tmp_path, signing(private_jwk()), mode))


def test_a_missing_file_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(BadKeys, match="run: authsvc init"):
        KeySet.load(tmp_path / "signing.json")


EC_KEY = private_jwk()
PUBLIC = {name: value for name, value in EC_KEY.items() if name != "d"}
BAD_FILES: dict[str, Any] = {
    "empty": "",
    "not JSON": "{",
    "not ASCII": '{"keys": "鍵"}',
    "null": None,
    "a number": 5,
    "an array": [],
    "no keys": {},
    "keys null": {"keys": None},
    "keys a text": {"keys": "abc"},
    "no key at all": {"keys": []},
    "a key without state": {"keys": [{"jwk": EC_KEY}]},
    "a state nobody knows": {"keys": [{"state": "signing", "jwk": EC_KEY}, {"state": "singing", "jwk": private_jwk()}]},
    "a time in words": {"keys": [{"state": "signing", "since": "today", "jwk": EC_KEY}]},
    "a state in a list": {"keys": [{"state": ["signing"], "jwk": EC_KEY}]},
    "a key without jwk": {"keys": [{"state": "signing"}]},
    "jwk null": {"keys": [{"state": "signing", "jwk": None}]},
    "jwk a text": {"keys": [{"state": "signing", "jwk": "eyJ"}]},
    "jwk a number": {"keys": [{"state": "signing", "jwk": 5}]},
    "jwk an array": {"keys": [{"state": "signing", "jwk": []}]},
    "jwk empty": {"keys": [{"state": "signing", "jwk": {}}]},
    "a key that is not an object": {"keys": ["signing"]},
    "no signing key": {"keys": [{"state": "published", "jwk": EC_KEY}]},
    "two signing keys": {"keys": [{"state": "signing", "jwk": EC_KEY}, {"state": "signing", "jwk": private_jwk()}]},
    "one key twice": signing(EC_KEY, EC_KEY),
    "a public key": signing(PUBLIC),
    "a published public key": signing(EC_KEY, {**private_jwk(), "d": None}),
    "a number for x": signing({**EC_KEY, "x": 1}),
    "null for y": signing({**EC_KEY, "y": None}),
    "a list for d": signing({**EC_KEY, "d": [EC_KEY["d"]]}),
    "no base64 in x": signing({**EC_KEY, "x": "*" * 43}),
    "a point off the curve": signing({**EC_KEY, "x": EC_KEY["y"]}),
    "d of another key": signing({**EC_KEY, "d": private_jwk()["d"]}),
    "an unknown curve": signing({**EC_KEY, "crv": "P-999"}),
    "a curve that is a number": signing({**EC_KEY, "crv": 256}),
    "P-384": signing(private_jwk(ECKey.generate_key("P-384", private=True))),
    "secp256k1": signing(private_jwk(ECKey.generate_key("secp256k1", private=True))),
    "RSA": signing(RSAKey.generate_key(2048, private=True).as_dict(private=True)),
    "Ed25519": signing(OKPKey.generate_key("Ed25519", private=True).as_dict(private=True)),
    "a shared secret": signing(OctKey.generate_key(256, private=True).as_dict(private=True)),
    "deeply nested": '{"keys":' + "[" * 2000 + "]" * 2000 + "}",
}


@pytest.mark.parametrize("content", BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_bad_file_is_refused_by_name_and_not_quoted(tmp_path: Path, content: Any) -> None:
    path = key_file(tmp_path, content)
    with pytest.raises(BadKeys) as refused:
        KeySet.load(path)
    assert str(path) in str(refused.value)
    assert EC_KEY["d"] not in str(refused.value) and refused.value.__cause__ is None


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "signing.json").mkdir(mode=0o700)
    with pytest.raises(BadKeys, match="not a readable key file"):
        KeySet.load(tmp_path / "signing.json")


def test_one_key_signs_and_all_are_published(tmp_path: Path) -> None:
    next_key, old_key = private_jwk(), private_jwk()
    keys = KeySet.load(key_file(tmp_path, signing(EC_KEY, next_key, old_key)))
    assert keys.signing_kid == thumbprint(EC_KEY)
    assert [key["kid"] for key in keys.jwks["keys"]] == [thumbprint(key) for key in (EC_KEY, next_key, old_key)]
    assert set(keys.public_keys) == {thumbprint(key) for key in (EC_KEY, next_key, old_key)}


def test_only_what_a_verifier_needs_is_published_and_keys_are_named_by_their_thumbprint(tmp_path: Path) -> None:
    stored = {**EC_KEY, "kid": "by-hand", "note": "rotated by mei", "use": "sig", "key_ops": ["sign"]}
    keys = KeySet.load(key_file(tmp_path, signing(stored)))
    assert keys.jwks == {
        "keys": [
            {
                **{name: EC_KEY[name] for name in ("kty", "crv", "x", "y")},
                "kid": thumbprint(EC_KEY),
                "use": "sig",
                "alg": "ES256",
            }
        ]
    }


def pem(key: Any, *, password: bytes | None = None, format: PrivateFormat = PrivateFormat.PKCS8) -> str:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, format, encryption).decode()


@pytest.mark.parametrize("format", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_from_the_settings_is_used(format: PrivateFormat) -> None:
    keys = KeySet.from_pem(pem(P256, format=format))
    assert keys.signing_kid == thumbprint(keys.jwks["keys"][0])
    assert keys.signing_key.private_numbers() == P256.private_numbers()


def test_a_key_from_the_settings_may_stand_on_one_line() -> None:
    keys = KeySet.from_pem(pem(P256).replace("\n", "\\n"))
    assert keys.signing_key.private_numbers() == P256.private_numbers()


BAD_PEMS = {
    "empty": "",
    "a word": "secret-words",
    "half of it": pem(P256)[:100],
    "a public key": P256.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    "an encrypted key": pem(P256, password=b"password"),
    "P-384": pem(ec.generate_private_key(ec.SECP384R1())),
    "RSA": pem(rsa.generate_private_key(65537, 2048)),
    "a JWK": json.dumps(EC_KEY),
}


@pytest.mark.parametrize("text", BAD_PEMS.values(), ids=BAD_PEMS.keys())
def test_a_setting_that_is_no_private_p256_key_is_refused_by_its_name(text: str) -> None:
    with pytest.raises(BadKeys, match=r"^JWT_PRIVATE_KEY ") as refused:
        KeySet.from_pem(text)
    assert not text or text not in str(refused.value)


def test_no_private_member_stands_in_the_repr(tmp_path: Path) -> None:
    keys = KeySet.load(key_file(tmp_path, signing(EC_KEY)))
    assert EC_KEY["d"] not in repr(keys) and str(keys.signing_key.private_numbers().private_value) not in repr(keys)
