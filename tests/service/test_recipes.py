"""The verification recipes of the README, run as they stand there against the real service."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import APPID
from tests.harness.databases import REQUIRED
from tests.harness.service import ISSUER, Service
from tests.harness.simulator import Simulator

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "tests" / "recipes"


def recipe(opening: str, service: Service) -> str:
    """Return the block of the README that begins so, with its example values replaced by this service's."""
    text = re.search(rf"^```\w+\n({re.escape(opening)}.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S)[1]
    # Only the address to fetch from is this machine's; the issuer to expect stays the public one.
    text = text.replace('f"{ISSUER}/', f'f"{service.url}/').replace("`${issuer}/", f"`{service.url}/")
    return text.replace("https://login.example.com", ISSUER).replace("wx0123456789abcdef", APPID)


def tokens(simulator: Simulator, service: Service) -> tuple[str, str, str]:
    """Return a user id, their token, and the token with another signature."""
    data = service.call("POST", "/api/v1/auth/login", json={"code": simulator.code("qing")}).json()["data"]
    good = data["access_token"]
    other = service.call("POST", "/api/v1/auth/login", json={"code": simulator.code("qing")}).json()["data"]
    return data["user"]["id"], good, good.rsplit(".", 1)[0] + "." + other["access_token"].rsplit(".", 1)[1]


def verdicts(command: list[str], *given: str, cwd: Path) -> list[str]:
    """Run a program that prints the JSON of one verdict per argument."""
    done = subprocess.run([*command, *given], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
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
