"""The verification recipes of the documentation, run as they stand there against the real service."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import APPID
from tests.harness.databases import REQUIRED
from tests.harness.forging import Forger
from tests.harness.service import ISSUER, Service
from tests.harness.simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "tests" / "recipes"


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


def verdicts(command: list[str], *given: str, cwd: Path, env: dict[str, str] | None = None) -> list[str]:
    """Run a program that prints the JSON of one verdict per argument."""
    done = subprocess.run([*command, *given], cwd=cwd, capture_output=True, text=True, timeout=60, check=False, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_python_recipe_knows_the_user_and_refuses_a_forgery(
    simulator: Simulator, service: Service, tmp_path: Path
) -> None:
    user, good, forged = tokens(simulator, service)
    caller = """
import json, sys

def verdict(token):
    try:
        return user_of(token)
    except jwt.PyJWTError as error:
        return type(error).__name__

print(json.dumps([verdict(token) for token in sys.argv[1:]]))
"""
    (tmp_path / "recipe.py").write_text(recipe("import jwt", service) + caller)
    found = verdicts([sys.executable, "recipe.py"], good, forged, "rubbish", cwd=tmp_path)
    assert found == [user, "InvalidSignatureError", "DecodeError"]


def test_the_node_recipe_knows_the_user_and_refuses_a_forgery(simulator: Simulator, service: Service) -> None:
    if not shutil.which("node") or not (RECIPES / "node_modules" / "jose").is_dir():
        sentence = "skipped: no Node with jose here (install Node 20 and npm, then run scripts/test)"
        pytest.fail(sentence) if REQUIRED else pytest.skip(sentence)
    user, good, forged = tokens(simulator, service)
    caller = """
const verdict = (token) => userOf(token).catch((error) => error.code)
console.log(JSON.stringify(await Promise.all(process.argv.slice(1).map(verdict))))
"""
    text = recipe("import { createRemoteJWKSet", service) + caller
    found = verdicts(["node", "--input-type=module", "-e", text, "--"], good, forged, "rubbish", cwd=RECIPES)
    assert found == [user, "ERR_JWS_SIGNATURE_VERIFICATION_FAILED", "ERR_JWS_INVALID"]


ASK = """
import json, sys, time

def status(token, wanted):
    headers = {"Authorization": "Bearer " + token} if token else {}
    give_up = time.monotonic() + 10
    while True:
        answer = app.test_client().get("/orders", headers=headers)
        if answer.status_code == wanted or time.monotonic() > give_up:
            return [answer.status_code, answer.json.get("user")]
        time.sleep(0.05)

print(json.dumps([status(token, int(wanted)) for token, wanted in zip(sys.argv[1::2], sys.argv[2::2])]))
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
    given = [good, "200", forged, "401", "rubbish", "401", "", "401", ended, "401"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "AUTHSVC_CREDENTIAL": credential.strip()}
    found = verdicts([sys.executable, "recipe.py"], *given, cwd=tmp_path, env=env)
    service.flask("authsvc", "services", "remove", "recipe")
    assert found == [[200, user], *[[401, None]] * 4]


def test_the_flask_jwt_extended_recipe_knows_the_user_and_refuses_a_forgery(
    simulator: Simulator, service: Service, tmp_path: Path
) -> None:
    user, good, forged = tokens(simulator, service)
    key_file = service.folder / "instance" / "keys" / "signing.json"
    forger = Forger(good, good, 0, key_file, None)
    others = [forger.with_header(typ="revocations+jwt"), forger.with_header(kid="k" * 43), forger.with_header(kid=...)]
    others += [forger.with_claims(aud="wx51a051a000000001"), forger.with_claims(iss="https://login.example.org")]
    (tmp_path / "recipe.py").write_text(
        recipe("import jwt\nfrom flask import Flask", service, "docs/verifying.md") + ASK
    )
    wanted = {good: "200", forged: "422", "rubbish": "422", "": "401", forger.with_claims(exp=1): "401"}
    given = [part for pair in {**wanted, **dict.fromkeys(others, "422")}.items() for part in pair]
    found = verdicts([sys.executable, "recipe.py"], *given, cwd=tmp_path)
    assert found == [[200, user], [422, None], [422, None], [401, None], [401, None], *[[422, None]] * 5]
