"""The published document as other people's tools read it: linters find nothing, and generated clients sign in."""

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.harness.node import ready_node
from tests.harness.service import Service
from tests.harness.simulator import Simulator

NODE = Path(__file__).with_name("node")
MADE = NODE / "made"
DOCUMENT = MADE / "openapi.json"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def document(sqlite_service: Service) -> Path:
    MADE.mkdir(exist_ok=True)
    DOCUMENT.write_text(json.dumps(sqlite_service.call("GET", "/openapi.json").json(), indent=1))
    return DOCUMENT


def tool(name: str, *arguments: str) -> str:
    """Run a tool of the folder; return what it printed."""
    ready_node(NODE)
    command = [str(NODE / "node_modules" / ".bin" / name), *arguments]
    done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


LINTERS = {
    "spectral": (("lint", "made/openapi.json", "--fail-severity", "hint"), "No results"),
    "redocly": (("lint", "made/openapi.json", "--extends", "recommended"), "Your API description is valid"),
}


@pytest.mark.parametrize("name", LINTERS)
def test_a_linter_with_its_standard_rules_finds_nothing(name: str) -> None:
    arguments, verdict = LINTERS[name]
    said = tool(name, *arguments)
    assert verdict in said and "You have" not in said, said  # redocly: "You have 3 warnings."


GENERATORS = {
    "typed_fetch": ("openapi-typescript", "made/openapi.json", "-o", "made/types.ts"),
    "generated_sdk": ("openapi-ts", "-i", "./made/openapi.json", "-o", "made/sdk"),
}
STRICT = ("--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler")


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generated_client_compiles_and_signs_in(sqlite_service: Service, simulator: Simulator, name: str) -> None:
    tool(*GENERATORS[name])
    tool("tsc", *STRICT, "--lib", "es2022,dom,dom.iterable", "--noEmit", f"{name}.ts")
    tool("esbuild", f"{name}.ts", "--bundle", "--platform=node", "--format=esm", f"--outfile=made/{name}.mjs")
    command = [ready_node(NODE), f"made/{name}.mjs", sqlite_service.url, simulator.code(f"generated-{name}")]
    done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "signed in", done.stdout + done.stderr


@pytest.fixture
def python_client(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none"]
    command += ["--path", str(document), "--output-path", str(tmp_path / "made_for_python")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("made_for_python")
    for name in [name for name in sys.modules if name.startswith("made_for_python")]:
        del sys.modules[name]


def test_a_client_for_python_signs_in(sqlite_service: Service, simulator: Simulator, python_client: Any) -> None:
    login = importlib.import_module("made_for_python.api.auth.post_api_v1_auth_login")
    see = importlib.import_module("made_for_python.api.people.get_api_v1_me")
    models = importlib.import_module("made_for_python.models")
    with python_client.Client(base_url=sqlite_service.url) as anonymous:
        answer = login.sync(client=anonymous, body=models.NativeLogin(code=simulator.code("generated-python")))
    assert isinstance(answer, models.NativeLoginAnswer)
    token = answer.data.access_token
    with python_client.AuthenticatedClient(base_url=sqlite_service.url, token=token) as signed_in:
        assert see.sync(client=signed_in).data.id == answer.data.user.id
