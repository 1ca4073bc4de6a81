"""Generated requests against the published document: every answer is one that the document lists, in its shape."""

import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from authsvc.values.limits import LimitedKind
from authsvc.values.operator import ServiceScope
from tests.harness import signedin
from tests.harness.operators import new_operator
from tests.harness.service import Service
from tests.harness.simulator import Simulator

CONFIG = Path(__file__).with_name("schemathesis.toml")
PUSH_TOKEN = "conformance1"
# What would end the session that the others need.
ENDS_THE_SESSION = r"/(logout|auth/refresh|member/refreshToken)"
# Examples for each operation; AUTHSVC_TEST_EXAMPLES=60 makes over 10,000 cases.
EXAMPLES = int(os.environ.get("AUTHSVC_TEST_EXAMPLES", "6"))

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def everything_on(start_service: Callable[..., Service]) -> Service:
    unlimited = {f"RATE_LIMIT_{kind.upper()}": "off" for kind in get_args(LimitedKind)}
    return start_service(
        "conformance", settings={**unlimited, "WX_PUSH_TOKEN": PUSH_TOKEN, "CHANGES_RETENTION_DAYS": "7"}
    )


def conforms(service: Service, folder: Path, *options: str) -> str:
    """Run all checks with a new seed; return the line with the number of cases."""
    seed = os.environ.get("AUTHSVC_TEST_SEED") or str(secrets.randbelow(2**31))
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIG), "run"]
    command += [f"{service.url}/openapi.json", "--url", service.url, "--seed", seed, "--no-color"]
    command += ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES), "--continue-on-failure"]
    done = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, f"seed {seed}\n{done.stdout[-8000:]}\n{done.stderr[-2000:]}"
    cases = [line.strip() for line in done.stdout.splitlines() if " generated," in line]
    return f"seed {seed}: {cases[-1]}"


def as_whom(service: Service, simulator: Simulator, who: str) -> list[str]:
    if who == "nobody":
        return []
    if who == "a person":
        bearer = signedin.native(service, simulator, "conforming").bearer["Authorization"]
        return ["-H", f"Authorization:{bearer}", "--exclude-path-regex", ENDS_THE_SESSION]
    if who == "an operator":
        _, credential = new_operator(service, "owner")
        return ["-H", f"Authorization:Bearer {credential}", "--include-path-regex", "^/operator"]
    scopes = [f"--scope={scope}" for scope in get_args(ServiceScope)]
    added = service.flask(
        "authsvc", "services", "add", f"conforming-{secrets.token_hex(4)}", *scopes, shows_secret=True
    )
    return ["-H", f"Authorization:Bearer {added.split()[-1]}", "--include-path-regex", "^/(internal|oauth|metrics)"]


@pytest.mark.parametrize("who", ["nobody", "a person", "a service", "an operator"])
def test_answers_are_those_of_the_document(
    everything_on: Service, shared_simulator: Simulator, tmp_path: Path, figures: Callable[[str], None], who: str
) -> None:
    options = as_whom(everything_on, shared_simulator, who)
    figures(f"schemathesis as {who}, {conforms(everything_on, tmp_path, *options)}")
