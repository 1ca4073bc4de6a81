"""Tokens that are not ours, or not as we made them, open nothing, and nobody learns which of their faults was seen."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from joserfc import jwe
from joserfc.jwk import ECKey

from authsvc.services.operator.credentials import ServiceCredentials
from authsvc.signing.tokens import CLOCK_LEEWAY_SECONDS
from tests.harness import forging
from tests.harness.forging import Forger, Listener, b64, by_ec, by_hmac, compact, flipped, unb64, unsigned
from tests.harness.inprocess import beside
from tests.harness.leaks import Canaries
from tests.harness.service import ISSUER, Service
from tests.harness.simulator import Simulator

GUARDED = "/api/v1/user/profile"
REFUSAL = {"code": 401, "message": "请先登录", "error": "Unauthorized"}
BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

OWN_EC = ec.generate_private_key(ec.SECP256R1())
OWN_P384 = ec.generate_private_key(ec.SECP384R1())
OWN_P521 = ec.generate_private_key(ec.SECP521R1())
OWN_K1 = ec.generate_private_key(ec.SECP256K1())
OWN_RSA = rsa.generate_private_key(65537, 2048)
OWN_ED = ed25519.Ed25519PrivateKey.generate()
OWN_JWK = {**ECKey.import_key(OWN_EC.public_key()).as_dict(), "kid": "forged", "alg": "ES256", "use": "sig"}


def own_certificate() -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "login.example.test")])
    day = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, OWN_EC.public_key(), 1, day, day + timedelta(days=9000))
    return b64(builder.sign(OWN_EC, SHA256()).public_bytes(Encoding.DER))


def encrypted(forger: Forger) -> str:
    """A JWE to our public key, whose header claims to be one of our tokens."""
    key = ECKey.import_key(forger.service_key.public_key())
    header = {"alg": "ECDH-ES", "enc": "A128GCM", "typ": "at+jwt", "kid": forger.header["kid"]}
    return jwe.encrypt_compact(header, forging.json_bytes(forger.claims), key)


def respelled(forger: Forger, part: int) -> str:
    """The same bytes in another spelling: other spare bits in the last base64 character of a part."""
    parts = forger.token.split(".")
    for last in BASE64URL:
        spelling = parts[part][:-1] + last
        if spelling != parts[part] and unb64(spelling) == unb64(parts[part]):
            return ".".join([*parts[:part], spelling, *parts[part + 1 :]])
    return f"{forger.token}=="  # three whole characters: nothing to spare in this part


Forgery = Callable[[Forger], str]

UNSIGNED: dict[str, Forgery] = {
    f"alg {spelling!r}": lambda f, spelling=spelling: f.with_header(unsigned, alg=spelling)
    for spelling in ("none", "None", "NONE", "nOnE", "none ", " none", "", None, "n\u00f6ne", ["none"], {}, 0, ...)
}
UNSIGNED |= {
    "alg none, signature kept": lambda f: f.with_header(lambda _: f.signature, alg="none"),
    "alg none, no kid": lambda f: f.with_header(unsigned, alg="none", kid=...),
    "alg none, only two parts": lambda f: f.with_header(unsigned, alg="none").rstrip("."),
    "alg given twice": lambda f: compact(
        b'{"alg":"ES256","typ":"at+jwt","kid":"' + f.header["kid"].encode() + b'","alg":"none"}', f.claims, unsigned
    ),
}

PUBLIC_KEY_AS_SECRET: dict[str, Callable[[Forger], bytes]] = {
    "PEM": lambda f: f.public_bytes(Encoding.PEM),
    "PEM without its last newline": lambda f: f.public_bytes(Encoding.PEM).strip(),
    "DER": lambda f: f.public_bytes(Encoding.DER),
    "JWK text": lambda f: forging.json_bytes(f.public_jwk),
    "nothing": lambda f: b"",
}
SYMMETRIC: dict[str, Forgery] = {
    f"HS{bits} keyed by {name}": lambda f, bits=bits, secret=secret: f.with_header(
        by_hmac(secret(f), bits), alg=f"HS{bits}"
    )
    for bits in ("256", "384", "512")
    for name, secret in PUBLIC_KEY_AS_SECRET.items()
}

OTHER_ALGORITHMS: dict[str, Forgery] = {
    "RS256": lambda f: f.with_header(forging.by_rsa(OWN_RSA), alg="RS256"),
    "PS256": lambda f: f.with_header(forging.by_pss(OWN_RSA), alg="PS256"),
    "ES384": lambda f: f.with_header(by_ec(OWN_P384, "384"), alg="ES384"),
    "ES512": lambda f: f.with_header(by_ec(OWN_P521, "512"), alg="ES512"),
    "ES256K": lambda f: f.with_header(by_ec(OWN_K1), alg="ES256K"),
    "EdDSA": lambda f: f.with_header(forging.by_ed25519(OWN_ED), alg="EdDSA"),
    "ES256 by another key": lambda f: f.with_header(by_ec(OWN_EC)),
    **{
        f"{alg} over the service's own ES256 signature": lambda f, alg=alg: f.with_header(alg=alg)
        for alg in ("RS256", "PS256", "ES384", "ES256K", "EdDSA", "HS256", "es256")
    },
}

OWN_KEYS: dict[str, Forgery] = {
    "own jwk": lambda f: f.with_header(by_ec(OWN_EC), jwk=OWN_JWK),
    "own jwk, no kid": lambda f: f.with_header(by_ec(OWN_EC), jwk=OWN_JWK, kid=...),
    "own jwk, its kid": lambda f: f.with_header(by_ec(OWN_EC), jwk=OWN_JWK, kid="forged"),
    "jku": lambda f: f.with_header(by_ec(OWN_EC), jku=f"{f.listener.url}/jwks.json", kid="forged"),
    "jku, our kid": lambda f: f.with_header(by_ec(OWN_EC), jku=f"{f.listener.url}/jwks.json"),
    "jku that begins as ours": lambda f: f.with_header(by_ec(OWN_EC), jku=f"{ISSUER}@{f.listener.url[7:]}/jwks.json"),
    "x5u": lambda f: f.with_header(by_ec(OWN_EC), x5u=f"{f.listener.url}/chain.pem"),
    "x5c": lambda f: f.with_header(by_ec(OWN_EC), x5c=[own_certificate()]),
    "x5c, no kid": lambda f: f.with_header(by_ec(OWN_EC), x5c=[own_certificate()], kid=...),
    "iss of the forger": lambda f: compact(
        {**f.header, "kid": "forged"}, {**f.claims, "iss": f.listener.url}, by_ec(OWN_EC)
    ),
}

HEADERS: dict[str, Forgery] = {
    "crit of a known claim": lambda f: f.with_header(crit=["exp"]),
    "crit of nothing": lambda f: f.with_header(crit=[]),
    "crit null": lambda f: f.with_header(crit=None),
    "crit of an unknown extension": lambda f: f.with_header(crit=["moon"], moon="full"),
    "b64 false": lambda f: f.with_header(b64=False),
    "b64 false, and crit": lambda f: f.with_header(b64=False, crit=["b64"]),
    "b64 true": lambda f: f.with_header(b64=True),
    **{
        f"kid {name}": lambda f, kid=kid: f.with_header(kid=kid)
        for name, kid in {
            "missing": ...,
            "null": None,
            "empty": "",
            "unknown": "A" * 43,
            "path traversal": "../../../../../../dev/null",
            "absolute path": "/dev/null",
            "SQL": "x' UNION SELECT 'secret' -- ",
            "command": "key; sleep 5",
            "array": ["a"],
            "object": {"a": 1},
            "number": 0,
            "true": True,
            "5 KB": "k" * 5000,
            "lone surrogate": "\ud800",
            "NUL": "\0",
        }.items()
    },
    "kid URL": lambda f: f.with_header(kid=f"{f.listener.url}/key"),
    "kid in capitals": lambda f: f.with_header(kid=f.header["kid"].swapcase()),
    "kid with a blank": lambda f: f.with_header(kid=f.header["kid"] + " "),
    "kid in an array": lambda f: f.with_header(kid=[f.header["kid"]]),
    "kid of /dev/null, HS256 by nothing": lambda f: f.with_header(by_hmac(b""), alg="HS256", kid="/dev/null"),
    **{
        f"typ {typ!r}": lambda f, typ=typ: f.with_header(typ=typ)
        for typ in ("JWT", "jwt", "refresh+jwt", "id+jwt", "application/at+jwt", "AT+JWT", "", None, ["at+jwt"], ...)
    },
    "header an array": lambda f: compact([f.header], f.claims, by_ec(f.service_key)),
    "header null": lambda f: compact(b"null", f.claims, by_ec(f.service_key)),
    "header not JSON": lambda f: compact(b"{alg:ES256}", f.claims, by_ec(f.service_key)),
    "header empty": lambda f: compact(b"", f.claims, by_ec(f.service_key)),
    "header bad UTF-8": lambda f: compact(b'{"alg":"ES256\xff"}', f.claims, by_ec(f.service_key)),
    "header 1,000 deep": lambda f: compact(b"[" * 1000 + b"]" * 1000, f.claims, by_ec(f.service_key)),
}

ABSENT = {"missing": ..., "null": None}
CLAIMS: dict[str, Forgery] = {
    f"{claim} {name}": lambda f, claim=claim, value=value: f.with_claims(**{claim: value})
    for claim, values in {
        "iss": {
            **ABSENT,
            "of another": "https://login.example.org",
            "prefix": ISSUER[:-1],
            "longer": f"{ISSUER}.evil.test",
            "slash": f"{ISSUER}/",
            "capitals": ISSUER.upper(),
            "list": [ISSUER],
            "empty": "",
            "number": 1,
        },
        "aud": {
            **ABSENT,
            "of another app": "wx51a051a000000001",
            "prefix": "wx4f4bc4dec97d474",
            "longer": "wx4f4bc4dec97d474b1",
            "list": ["wx4f4bc4dec97d474b"],
            "list with another": ["wx4f4bc4dec97d474b", "wx51a051a000000001"],
            "empty": "",
            "empty list": [],
            "object": {"wx4f4bc4dec97d474b": 1},
        },
        "exp": {
            **ABSENT,
            "0": 0,
            "negative": -1,
            "text": "9999999999",
            "float": 9999999999.5,
            "1e300": 1e300,
            "true": True,
            "list": [9999999999],
        },
        "iat": {**ABSENT, "text": "1", "float": 1.5, "list": [1]},
        "nbf": {"text": "soon", "list": [1], "null": None},
        "sub": {
            **ABSENT,
            "number": 1,
            "empty": "",
            "zero": "0",
            "negative": "-1",
            "leading zero": "01",
            "full-width digit": "１",
            "trailing blank": "1 ",
            "trailing newline": "1\n",
            "SQL": "1 OR 1=1",
            "20 digits": "9" * 20,
            "19 digits": "9" * 19,
            "list": ["1"],
            "of somebody else": "987654321",
        },
        "sid": {
            **ABSENT,
            "number": 1,
            "empty": "",
            "unknown": "A" * 22,
            "SQL": "' OR '1'='1",
            "wildcard": "%",
            "lone surrogate": "\ud800",
            "NUL": "\0",
            "3 KB": "s" * 3000,
            "list": ["s"],
        },
        "appid": {**ABSENT, "of another app": "wx51a051a000000001", "number": 1, "list": ["wx4f4bc4dec97d474b"]},
        "jti": {**ABSENT, "number": 1, "list": ["j"]},
    }.items()
    for name, value in values.items()
}
CLAIMS |= {
    "exp just past": lambda f: f.with_claims(exp=f.now - CLOCK_LEEWAY_SECONDS - 1),
    "exp an hour ago": lambda f: f.with_claims(exp=f.now - 3600),
    "nbf in an hour": lambda f: f.with_claims(nbf=f.now + 3600),
    "iat in an hour": lambda f: f.with_claims(iat=f.now + 3600),
    **{
        f"{claim} {literal[:9]}": lambda f, claim=claim, literal=literal: f.with_raw_claim(claim, literal)
        for claim in ("exp", "iat", "nbf")
        for literal in ("NaN", "Infinity", "-Infinity", "1e400", "9" * 400, "9" * 4500)
    },
    "payload an array": lambda f: f.with_payload([f.claims]),
    "payload a text": lambda f: f.with_payload("claims"),
    "payload null": lambda f: f.with_payload(b"null"),
    "payload an empty object": lambda f: f.with_payload({}),
    "payload not JSON": lambda f: f.with_payload(b"sub=1"),
    "payload bad UTF-8": lambda f: f.with_payload(forging.json_bytes(f.claims).replace(b"iss", b"is\xff")),
    "payload 900 deep": lambda f: f.with_payload(b'{"a":' + b"[" * 900 + b"]" * 900 + b"}"),
    "payload 2,000 deep": lambda f: f.with_payload(b"[" * 2000 + b"]" * 2000),
    "a token inside a token": lambda f: compact({**f.header, "cty": "JWT"}, f.token.encode(), by_ec(f.service_key)),
}

CHANGED: dict[str, Forgery] = {
    **{
        f"payload byte {place} flipped": lambda f, place=place: ".".join(
            [f.token.split(".")[0], b64(flipped(unb64(f.token.split(".")[1]), place)), f.token.split(".")[2]]
        )
        for place in range(0, 192, 16)
    },
    **{
        f"signature byte {place} flipped": lambda f, place=place: f.with_signature(flipped(f.signature, place))
        for place in (0, 31, 32, 63)
    },
    "signature empty": lambda f: f.with_signature(b""),
    "signature cut by a character": lambda f: f.token[:-1],
    "signature cut by a byte": lambda f: f.with_signature(f.signature[:-1]),
    "signature halved": lambda f: f.with_signature(f.signature[:32]),
    "signature longer": lambda f: f.with_signature(f.signature + b"\0"),
    "signature twice": lambda f: f.with_signature(f.signature * 2),
    "signature of zeros": lambda f: f.with_signature(bytes(64)),
    "signature as DER": lambda f: f.with_header(lambda m: f.service_key.sign(m, ec.ECDSA(SHA256()))),
    "signature of another token": lambda f: f.with_signature(unb64(f.other_token.split(".")[2])),
    "payload of another token": lambda f: ".".join(
        [f.token.split(".")[0], f.other_token.split(".")[1], f.token.split(".")[2]]
    ),
}

SPELLINGS: dict[str, Forgery] = {
    "== behind it": lambda f: f"{f.token}==",
    "= behind it": lambda f: f"{f.token}=",
    "= behind every part": lambda f: f.token.replace(".", "=.") + "=",
    **{f"other spare bits in part {part}": lambda f, part=part: respelled(f, part) for part in range(3)},
    "standard base64": lambda f: f.token.replace("-", "+").replace("_", "/") + "+",
    "a blank in it": lambda f: f"{f.token[:40]} {f.token[40:]}",
    "a tab in it": lambda f: f"{f.token[:40]}\t{f.token[40:]}",
    "a no-break space in it": lambda f: f"{f.token[:40]}\xa0{f.token[40:]}",
    "an escaped newline behind it": lambda f: f"{f.token}%0A",
    "a foreign character in its signature": lambda f: f"{f.token[:-1]}*",
    "quotes around it": lambda f: f'"{f.token}"',
    "a comma and itself": lambda f: f"{f.token},{f.token}",
    "a comma, a blank and itself": lambda f: f"{f.token}, {f.token}",
    "no part": lambda f: "",
    "one part": lambda f: f.token.split(".")[0],
    "one part, the payload": lambda f: f.token.split(".")[1],
    "two parts": lambda f: f.token.rpartition(".")[0],
    "two parts and a dot": lambda f: f.token.rpartition(".")[0] + ".",
    "three empty parts": lambda f: "..",
    "four parts": lambda f: f"{f.token}.{f.token.split('.')[2]}",
    "four parts, the last empty": lambda f: f"{f.token}.",
    "five parts": lambda f: f"{f.token}.x.y",
    "a JWE": encrypted,
    "JSON serialization": lambda f: '{"payload":"' + f.token.split(".")[1] + '"}',
}

ALL = {**UNSIGNED, **SYMMETRIC, **OTHER_ALGORITHMS, **OWN_KEYS, **HEADERS, **CLAIMS, **CHANGED, **SPELLINGS}


@pytest.fixture(scope="module")
def forger(shared_simulator: Simulator, sqlite_service: Service) -> Iterator[Forger]:
    def token() -> str:
        body = {"code": shared_simulator.code("forged-user")}
        return sqlite_service.call("POST", "/api/v1/auth/login", json=body).json()["data"]["access_token"]

    listener = Listener({"keys": [OWN_JWK]})
    key_file = sqlite_service.folder / "instance" / "keys" / "signing.json"
    yield Forger(token(), token(), int(time.time()), key_file, listener)
    listener.stop()


def ask(service: Service, authorization: str) -> requests.Response:
    return service.call("GET", GUARDED, headers={"Authorization": authorization.encode("latin-1", "replace")})


def assert_the_one_refusal(answer: requests.Response) -> None:
    body = answer.json()
    assert body.pop("timestamp")
    assert (answer.status_code, body) == (401, REFUSAL), answer.text
    headers = {name: value for name, value in answer.headers.items() if name not in ("Date", "X-Request-ID")}
    assert headers == {
        "Server": "gunicorn",
        "Connection": "keep-alive",
        "Content-Type": "application/json",
        "Content-Length": str(len(answer.content)),
        "WWW-Authenticate": "Bearer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR", "Bearer  "])
def test_a_good_token_is_accepted_however_the_scheme_is_written(forger: Forger, service: Service, scheme: str) -> None:
    answer = ask(service, f"{scheme} {forger.token}")
    assert (answer.status_code, answer.json()["data"]["id"]) == (200, forger.claims["sub"])


def test_the_forgers_own_hand_is_good_enough(forger: Forger, service: Service) -> None:
    """Or every refusal below would prove nothing: unchanged claims, signed with the service's key, are accepted."""
    for token in (forger.with_claims(), forger.with_header(), forger.with_claims(nbf=forger.now - 1, more="x")):
        assert ask(service, f"Bearer {token}").status_code == 200


def test_there_are_well_over_forty_forgeries() -> None:
    assert len(ALL) > 200


@pytest.mark.parametrize("forge", ALL.values(), ids=ALL.keys())
def test_a_forged_token_gets_the_one_refusal_and_nobody_is_asked_for_keys(
    forger: Forger, service: Service, forge: Forgery
) -> None:
    assert_the_one_refusal(ask(service, f"Bearer {forge(forger)}"))
    assert forger.listener.hits == []


@pytest.fixture(scope="module")
def asking(sqlite_service: Service, canaries: Canaries) -> Iterator[str]:
    """A credential of a service that may ask about tokens."""
    with beside(sqlite_service) as app:
        kept: ServiceCredentials = app.extensions["authsvc"].service_credentials
        yield canaries.never("credential asking", kept.add("asking", ("introspect",)))
        kept.remove("asking")


def test_no_forgery_passes_a_gateway_or_is_told_to_be_active(
    forger: Forger, service: Service, asking: str, figures: Callable[[str], None]
) -> None:
    for name, forge in ALL.items():
        token = forge(forger)
        header = {"Authorization": f"Bearer {token}".encode("latin-1", "replace")}
        assert service.call("GET", "/auth/verify", headers=header).status_code == 401, name
        # A blank behind a token is part of it here, an empty one is no question at all.
        told = service.call("POST", "/oauth/introspect", token=asking, data={"token": token or "-"})
        assert (told.status_code, told.json()) == (200, {"active": False}), name
    assert service.call("POST", "/oauth/introspect", token=asking, data={"token": forger.token}).json()["active"]
    assert forger.listener.hits == []
    figures(f"{len(ALL)} forged tokens at /auth/verify and /oauth/introspect: 0 accepted")


TOO_LONG_FOR_A_HEADER: dict[str, Forgery] = {
    "kid of 10 KB": lambda f: f.with_header(kid="k" * 10_000),
    "1 MB": lambda f: f.with_claims(filler="x" * 750_000),
    "1 MB of nothing": lambda f: "A" * 1_000_000,
}


@pytest.mark.parametrize("forge", TOO_LONG_FOR_A_HEADER.values(), ids=TOO_LONG_FOR_A_HEADER.keys())
def test_what_no_header_may_carry_is_refused_at_the_door(forger: Forger, service: Service, forge: Forgery) -> None:
    with requests.Session() as fresh:  # gunicorn closes such a connection
        try:
            answer = fresh.get(service.url + GUARDED, headers={"Authorization": f"Bearer {forge(forger)}"}, timeout=10)
            assert answer.status_code in (400, 431)
        except requests.ConnectionError:
            pass
    assert ask(service, f"Bearer {forger.token}").status_code == 200


AUTHORIZATIONS = {
    "no scheme": "{}",
    "Basic": "Basic {}",
    "Token": "Token {}",
    "JWT": "JWT {}",
    "DPoP": "DPoP {}",
    "two schemes": "Bearer Bearer {}",
    "no blank": "Bearer{}",
    "a colon": "Bearer: {}",
    "a named token": "Bearer token={}",
    "the scheme alone": "Bearer",
    "nothing": "",
}


@pytest.mark.parametrize("form", AUTHORIZATIONS.values(), ids=AUTHORIZATIONS.keys())
def test_a_good_token_in_another_dress_is_refused(forger: Forger, service: Service, form: str) -> None:
    assert_the_one_refusal(ask(service, form.format(forger.token)))


@pytest.mark.parametrize(
    "place",
    [
        {"params": "access_token"},
        {"cookies": "access_token_cookie"},
        {"headers": "X-Access-Token"},
        {"headers": "Proxy-Authorization"},
        {"json": "access_token"},
    ],
    ids=str,
)
def test_a_good_token_in_another_place_is_not_looked_at(forger: Forger, service: Service, place: dict) -> None:
    ((where, name),) = place.items()
    assert_the_one_refusal(service.call("GET", GUARDED, **{where: {name: forger.token}}))
    bearer = service.call("GET", GUARDED, **{where: {name: f"Bearer {forger.token}"}})
    assert_the_one_refusal(bearer)
