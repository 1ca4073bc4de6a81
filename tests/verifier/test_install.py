"""The verifier as another service gets it: by pip, into an environment that has nothing else."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.harness.databases import REQUIRED
from tests.harness.publisher import AUDIENCE, ISSUER, Publisher
from tests.verifier.test_processes import FOLDER, NEEDED

PIP = ("-m", "pip", "--disable-pip-version-check", "--no-input", "-q")
VERIFY = """
import json, sys
from importlib.metadata import distributions
from importlib.util import find_spec
from authsvc_verifier import TokenRefused, Verifier

url, issuer, audience, token = sys.argv[1:]
verifier = Verifier(issuer, audience, base_url=url, background=False)
try:
    forged = verifier.verify(token[:-8] + "AAAAAAAA").user_id
except TokenRefused:
    forged = "refused"
print(json.dumps({
    "packages": sorted(found.name.lower().replace("_", "-") for found in distributions()),
    "user": verifier.verify(token).user_id,
    "forged": forged,
    "house": find_spec("authsvc") is not None,
}))
"""


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.slow
def test_pip_brings_the_verifier_and_what_it_needs_and_nothing_of_authsvc(tmp_path: Path, publisher: Publisher) -> None:
    fetched = run(sys.executable, *PIP, "download", "--no-deps", "-d", tmp_path / "fetched", "idna", cwd=tmp_path)
    if fetched.returncode:
        sentence = "pip reaches no package index here, so the verifier cannot be installed into an empty environment"
        pytest.fail(f"{sentence}:\n{fetched.stderr}") if REQUIRED else pytest.skip(sentence)
    # A copy: building leaves folders behind. Nothing that an earlier build left may get into this one.
    litter = shutil.ignore_patterns("build", "*.egg-info", "__pycache__")
    shutil.copytree(FOLDER, tmp_path / "verifier", ignore=litter)
    assert run(sys.executable, "-m", "venv", tmp_path / "venv", cwd=tmp_path).returncode == 0
    python = tmp_path / "venv" / "bin" / "python"
    installed = run(python, *PIP, "install", "./verifier", cwd=tmp_path)
    assert installed.returncode == 0, installed.stderr
    publisher.clock.moment = time.time()  # the verifier there looks at the machine's
    verified = run(python, "-I", "-c", VERIFY, publisher.url, ISSUER, AUDIENCE, publisher.token(), cwd=tmp_path)
    assert verified.returncode == 0, verified.stderr
    found = json.loads(verified.stdout)
    assert set(found["packages"]) - {"pip", "setuptools"} <= {*NEEDED, "pycparser", "authsvc-verifier"}
    assert {"authsvc-verifier", "pyjwt", "cryptography", "requests"} <= set(found["packages"])
    assert (found["user"], found["forged"], found["house"]) == ("7", "refused", False)
