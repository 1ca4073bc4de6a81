"""docs/virtual-payment.md as it stands there: both order services, the mini program, authsvc and the simulator."""

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import APPID
from tests.harness import node
from tests.harness.leaks import Canaries
from tests.harness.node import Stage
from tests.harness.places import ROOT
from tests.harness.processes import Process, free_port
from tests.harness.service import ISSUER, Service
from tests.harness.simulator import Simulator

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stage(run_folder: Path, shared_simulator: Simulator, start_service: Callable[..., Service]) -> Stage:
    return node.set_stage("payment", run_folder, shared_simulator, start_service)


@pytest.fixture(scope="module")
def orders(stage: Stage, canaries: Canaries, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The address of the order service in each language."""
    folder = tmp_path_factory.mktemp("orders")
    (folder / "node_modules").symlink_to(node.VERIFIER / "node_modules")
    programs = {
        "Python": ("orders.py", [sys.executable, "-m", "flask", "--app", "orders", "run", "--port"]),
        "Node": ("orders.mjs", [node.ready_node(node.VERIFIER), "orders.mjs"]),
    }
    scopes = ("--scope", "session_sign", "--scope", "introspect")
    made = stage.service.flask("authsvc", "services", "add", "orders", *scopes, shows_secret=True).strip()
    kept = {name: value for name, value in os.environ.items() if name != "FLASK_APP"}
    environment = {
        **kept,
        "AUTHSVC_CREDENTIAL": canaries.never("credential orders", made),
        "WX_PAYMENT_APP_KEY": "12345",
        "PYTHONPATH": str(ROOT / "verifier"),
    }
    started, addresses = [], {}
    for language, (file, command) in programs.items():
        (folder / file).write_text(printed(file, stage.service))
        port = str(free_port())
        program = Process([*command, port], log=folder / f"{file}.log", env={**environment, "PORT": port}, cwd=folder)
        addresses[language] = f"http://127.0.0.1:{port}"
        program.wait_for(f"{addresses[language]}/orders")
        started.append(program)
    yield addresses
    for program in started:
        program.stop()


def printed(file: str, service: Service) -> str:
    """Return a block of the page; only the address to ask is this machine's, the issuer stays the public one."""
    page = (ROOT / "docs" / "virtual-payment.md").read_text(encoding="utf-8")
    found = re.search(rf"^```\w+\n((?:#|//) {re.escape(file)}\n.*?)^```$", page, re.M | re.S)
    assert found, file
    text = re.sub(r'^(LOGIN|const login) = (["\']).*\2$', rf"\1 = \2{service.url}\2", found[1], flags=re.M)
    text = text.replace(", credential=", f', base_url="{service.url}", poll_seconds=0.1, credential=')
    return text.replace("https://login.example.com", ISSUER).replace("wx0123456789abcdef", APPID)


@pytest.mark.usefixtures("simulator")
def test_the_recipe_pays_and_a_replaced_key_costs_one_silent_login(stage: Stage, orders: dict[str, str]) -> None:
    stage.play("payment.test.js", orders=orders)


@pytest.mark.slow
@pytest.mark.usefixtures("simulator")
def test_a_kit_that_signs_in_for_each_of_them_fails(stage: Stage) -> None:
    twin = {"file": "auth.js", "text": "record.session && life.logins !== logins", "by": "false"}
    with pytest.raises(AssertionError, match="✖ thirty at once share the login"):
        stage.play("payment.test.js", only="thirty at once", twin=twin, orders={})
