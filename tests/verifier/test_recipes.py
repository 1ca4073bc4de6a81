"""The verification recipes of the documentation, run as they stand there against the real service.

Each of them also runs with a clock five seconds behind at the moment of issue and five ahead at the last of a token's
life, where it takes the token, and with one further off, where it does not.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import APPID
from tests.harness import node, signedin
from tests.harness.forging import Forger
from tests.harness.places import ROOT
from tests.harness.service import ISSUER, Service
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow


def recipe(opening: str, service: Service, page: str = "README.md") -> str:
    """Return the block of a page that begins so, with its example values replaced by this service's."""
    text = re.search(rf"^```\w+\n({re.escape(opening)}.*?)^```$", (ROOT / page).read_text(), re.M | re.S)[1]
    # Only the address to fetch from is this machine's; the issuer to expect stays the public one.
    text = text.replace('f"{ISSUER}/', f'f"{service.url}/').replace("`${issuer}/", f"`{service.url}/")
    text = text.replace(", credential=", f', base_url="{service.url}", poll_seconds=0.1, credential=')
    return text.replace("https://login.example.com", ISSUER).replace("wx0123456789abcdef", APPID)


def tokens(simulator: Simulator, service: Service) -> tuple[str, str, str]:
    """Return a user id, their token, and the token with another signature."""
    data = service.call("POST", "/api/v1/auth/login", json={"code": simulator.code("qing")}).json()["data"]
    good = data["access_token"]
    other = service.call("POST", "/api/v1/auth/login", json={"code": simulator.code("qing")}).json()["data"]
    return data["user"]["id"], good, good.rsplit(".", 1)[0] + "." + other["access_token"].rsplit(".", 1)[1]


LEEWAY, LIFE = 5, 60


def forger(service: Service, token: str) -> Forger:
    """What signs other claims and headers by the service's own key."""
    return Forger(token, token, 0, service.folder / "instance" / "keys" / "signing.json", None)


def clocks(service: Service, token: str) -> tuple[str, dict[str, float]]:
    """Return a token that lives a minute, and moments of a verifier's clock by what they are."""
    issued_at = signedin.claims(token)["iat"]
    moments = {
        "behind": issued_at - LEEWAY,
        "ahead": issued_at + LIFE - 1 + LEEWAY,
        "far behind": issued_at - LEEWAY - 1,
        "far ahead": issued_at + LIFE + LEEWAY,
    }
    return forger(service, token).with_claims(exp=issued_at + LIFE), moments


def verdicts(command: list[str], *given: str, cwd: Path, env: dict[str, str] | None = None) -> list[str]:
    """Run a program that prints the JSON of one verdict per argument."""
    done = subprocess.run([*command, *given], cwd=cwd, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_python_recipe_knows_the_user_and_refuses_a_forgery(
    simulator: Simulator, service: Service, tmp_path: Path
) -> None:
    user, good, forged = tokens(simulator, service)
    brief, moments = clocks(service, good)
    caller = """
import json, sys
import time_machine

def verdict(token):
    try:
        return user_of(token)
    except jwt.PyJWTError as error:
        return type(error).__name__

def verdict_at(token, moment):
    with time_machine.travel(float(moment), tick=False):
        return verdict(token)

brief, *moments = sys.argv[4:]
print(json.dumps([verdict(token) for token in sys.argv[1:4]] + [verdict_at(brief, moment) for moment in moments]))
"""
    (tmp_path / "recipe.py").write_text(recipe("import jwt", service) + caller)
    given = [good, forged, "rubbish", brief, *map(str, moments.values())]
    found = verdicts([sys.executable, "recipe.py"], *given, cwd=tmp_path)
    assert found[:3] == [user, "InvalidSignatureError", "DecodeError"]
    assert dict(zip(moments, found[3:], strict=True)) == {
        "behind": user,
        "ahead": user,
        "far behind": "ImmatureSignatureError",
        "far ahead": "ExpiredSignatureError",
    }


def test_the_node_recipe_knows_the_user_and_refuses_a_forgery(simulator: Simulator, service: Service) -> None:
    program = node.ready_node(node.VERIFIER)
    user, good, forged = tokens(simulator, service)
    brief, moments = clocks(service, good)
    # iat is not looked at here: a clock that is far behind refuses nothing.
    caller = """
const verdict = (token) => userOf(token).catch((error) => error.code)
const found = await Promise.all(process.argv.slice(1, 4).map(verdict))
const Clock = Date
for (const moment of process.argv.slice(5)) {
  globalThis.Date = class extends Clock {
    static now = () => moment * 1000
    constructor(...given) { super(...(given.length ? given : [moment * 1000])) }
  }
  found.push(await verdict(process.argv[4]))
}
console.log(JSON.stringify(found))
"""
    text = recipe("import { createRemoteJWKSet", service, "docs/verifying.md") + caller
    given = [good, forged, "rubbish", brief, *map(str, moments.values())]
    found = verdicts([program, "--input-type=module", "-e", text, "--"], *given, cwd=node.VERIFIER)
    assert found[:3] == [user, "ERR_JWS_SIGNATURE_VERIFICATION_FAILED", "ERR_JWS_INVALID"]
    seen = dict(zip(moments, found[3:], strict=True))
    assert seen == {"behind": user, "ahead": user, "far behind": user, "far ahead": "ERR_JWT_EXPIRED"}


ASK = """
import json, sys, time
import time_machine

def status(token, wanted):
    headers = {"Authorization": "Bearer " + token} if token else {}
    give_up = time.monotonic() + 10
    while True:
        answer = app.test_client().get("/orders", headers=headers)
        if answer.status_code == wanted or time.monotonic() > give_up:
            return [answer.status_code, answer.json.get("user")]
        time.sleep(0.05)

def status_at(token, wanted, moment):
    if not moment:
        return status(token, wanted)
    with time_machine.travel(float(moment), tick=False):
        return status(token, wanted)

print(json.dumps([status_at(token, int(wanted), at) for token, wanted, at in zip(*[iter(sys.argv[1:])] * 3)]))
"""


def test_the_verifiers_recipe_knows_the_user_and_refuses_forgeries_and_who_logged_out(
    simulator: Simulator, service: Service, tmp_path: Path
) -> None:
    user, good, forged = tokens(simulator, service)
    credential = service.flask("authsvc", "services", "add", "recipe", "--scope", "introspect", shows_secret=True)
    service.canaries.never("credential recipe", credential.strip())
    _, ended, _ = tokens(simulator, service)
    assert service.call("POST", "/api/v1/sessions/logout", token=ended).status_code == 200
    (tmp_path / "recipe.py").write_text(recipe("import os", service, "docs/verifying.md") + ASK)
    brief, moments = clocks(service, good)
    wanted = {"behind": "200", "ahead": "200", "far behind": "401", "far ahead": "401"}
    given = [*(good, "200", ""), *(part for token in (forged, "rubbish", "", ended) for part in (token, "401", ""))]
    given += [part for name, status in wanted.items() for part in (brief, status, str(moments[name]))]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "AUTHSVC_CREDENTIAL": credential.strip()}
    found = verdicts([sys.executable, "recipe.py"], *given, cwd=tmp_path, env=env)
    service.flask("authsvc", "services", "remove", "recipe", "--yes")
    assert found[:5] == [[200, user], *[[401, None]] * 4]
    assert found[5:] == [[200, user]] * 2 + [[401, None]] * 2


def test_the_flask_jwt_extended_recipe_knows_the_user_and_refuses_a_forgery(
    simulator: Simulator, service: Service, tmp_path: Path
) -> None:
    user, good, forged = tokens(simulator, service)
    made = forger(service, good)
    others = [made.with_header(typ="revocations+jwt"), made.with_header(kid="k" * 43), made.with_header(kid=...)]
    others += [made.with_claims(aud="wx51a051a000000001"), made.with_claims(iss="https://login.example.org")]
    brief, moments = clocks(service, good)
    (tmp_path / "recipe.py").write_text(
        recipe("import jwt\nfrom flask import Flask", service, "docs/verifying.md") + ASK
    )
    wanted = {good: "200", forged: "422", "rubbish": "422", "": "401", made.with_claims(exp=1): "401"}
    given = [part for pair in {**wanted, **dict.fromkeys(others, "422")}.items() for part in (*pair, "")]
    off = {"behind": "200", "ahead": "200", "far behind": "422", "far ahead": "401"}
    given += [part for name, status in off.items() for part in (brief, status, str(moments[name]))]
    found = verdicts([sys.executable, "recipe.py"], *given, cwd=tmp_path)
    assert found[:10] == [[200, user], [422, None], [422, None], [401, None], [401, None], *[[422, None]] * 5]
    assert found[10:] == [[200, user], [200, user], [422, None], [401, None]]


def test_the_script_that_stands_for_another_service_has_the_same_leeway(simulator: Simulator, service: Service) -> None:
    user, good, forged = tokens(simulator, service)
    brief, moments = clocks(service, good)
    given = [sys.executable, "-c", AT, ISSUER, APPID, f"{service.url}/.well-known/jwks.json"]
    found = verdicts(given, brief, *map(str, moments.values()), cwd=ROOT)
    assert found == [user, user, "ImmatureSignatureError", "ExpiredSignatureError"]
    assert verdicts(given, forged, str(moments["behind"]), cwd=ROOT) == ["InvalidSignatureError"]


AT = """
import json, sys
import jwt, time_machine
from authsvc.demo.another_service import verify

issuer, audience, address, token, *moments = sys.argv[1:]
keys = jwt.PyJWKClient(address)

def verdict(moment):
    with time_machine.travel(float(moment), tick=False):
        try:
            return verify(token, keys, issuer, audience)["sub"]
        except jwt.PyJWTError as error:
            return type(error).__name__

print(json.dumps([verdict(moment) for moment in moments]))
"""


def test_a_gateway_that_asks_has_the_same_leeway_as_authsvc_looks_at_the_token_itself(
    simulator: Simulator, service: Service
) -> None:
    """nginx, Traefik and Envoy's ext_authz judge nothing: what counts are the clocks of authsvc's own machines."""
    _, good, _ = tokens(simulator, service)
    now = int(time.time())
    made = forger(service, good)

    def status(**times: int) -> int:
        answer = service.call("GET", "/auth/verify", params={"audience": APPID}, token=made.with_claims(**times))
        return answer.status_code

    # A second of room each way, as time goes by.
    assert (status(iat=now + LEEWAY), status(exp=now - LEEWAY + 2)) == (204, 204)
    assert (status(iat=now + LEEWAY + 30), status(exp=now - LEEWAY - 1)) == (401, 401)


# What a recipe that checks by itself is known by, and what gives it its five seconds.
LEEWAYS = {
    "jwt.decode_complete(": "leeway=5",
    "jwtVerify(": "clockTolerance: 5",
    "JWT_ALGORITHM=": "JWT_DECODE_LEEWAY=5",
    "jwt_authn": "clock_skew_seconds: 5",
    "  jwt-auth:\n    key:": "lifetime_grace_period: 5",
    "JwtTimestampValidator(": "JwtTimestampValidator(Duration.ofSeconds(5))",
}


def test_every_recipe_on_every_page_says_five_seconds() -> None:
    pages = [ROOT / "README.md", ROOT / "README.zh-CN.md", *(ROOT / "docs").glob("*.md")]
    blocks = [block for page in pages for block in re.findall(r"^```\w+\n(.*?)^```$", page.read_text(), re.M | re.S)]
    seen = {sign: [block for block in blocks if sign in block] for sign in LEEWAYS}
    assert all(seen.values()), seen
    assert [block for sign, found in seen.items() for block in found if LEEWAYS[sign] not in block] == []
