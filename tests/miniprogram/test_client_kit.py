"""The client kit under miniprogram/: its own tests run in Node against real processes."""

import gzip
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import APPID
from tests.harness import node
from tests.harness.node import Stage
from tests.harness.places import ROOT
from tests.harness.service import Service
from tests.harness.simulator import Simulator

PACKAGE = ROOT / "miniprogram"
KIT = PACKAGE / "demo" / "authsvc"


@pytest.fixture(scope="module")
def stage(run_folder: Path, shared_simulator: Simulator, start_service: Callable[..., Service]) -> Stage:
    """A service whose clock the scripts move."""
    settings = {"SCAN_SIGN_IN_PAGE": "pages/scan/scan", "WX_TOURIST_APP": APPID}
    return node.set_stage("kit", run_folder, shared_simulator, start_service, settings=settings)


@pytest.mark.usefixtures("simulator")
def test_the_kit_keeps_its_promises(stage: Stage) -> None:
    result = stage.play("kit.test.js")
    assert len(result["users"]) > 30


@pytest.mark.usefixtures("simulator")
def test_a_token_goes_to_listed_hosts_alone(stage: Stage) -> None:
    stage.play("hosts.test.js")


@pytest.mark.usefixtures("simulator")
def test_step_up_needs_no_line_of_the_mini_program(stage: Stage) -> None:
    stage.play("stepup.test.js")


@pytest.mark.usefixtures("simulator")
def test_a_kit_that_sends_the_code_after_a_logout_fails(stage: Stage) -> None:
    text = "if (generation !== life.generation) throw loggedOut();\n          return work"
    twin = {"file": "auth.js", "text": text, "by": "return work"}
    with pytest.raises(AssertionError, match="✖ a logout during it wins"):
        stage.play("stepup.test.js", only="a logout during it wins", twin=twin)


@pytest.mark.usefixtures("simulator")
def test_a_kit_that_lets_the_phone_follow_redirects_fails(stage: Stage) -> None:
    twin = {"file": "calls.js", "text": 'if (token) sent.redirect = "manual"', "by": 'sent.redirect = "follow"'}
    with pytest.raises(AssertionError, match="✖ a redirect is not followed"):
        stage.play("hosts.test.js", only="a redirect is not followed", twin=twin)


@pytest.mark.usefixtures("simulator")
def test_the_demo_does_what_a_person_expects(stage: Stage) -> None:
    stage.play("demo.test.js")


@pytest.mark.usefixtures("simulator")
def test_the_guides_code_works_as_printed(stage: Stage) -> None:
    stage.play("guide.test.js")


@pytest.mark.usefixtures("simulator")
def test_a_kit_that_refreshes_whenever_asked_fails(stage: Stage) -> None:
    twin = {"file": "life.js", "text": "if (!flights[name])", "by": "if (true)"}
    with pytest.raises(AssertionError, match="✖ fifty requests meet an expired token at once"):
        stage.play("kit.test.js", only="fifty", twin=twin)


@pytest.mark.slow
def test_kit_and_demo_agree_with_the_types_of_wechat_and_use_nothing_that_a_phone_lacks() -> None:
    # Of the language, tsconfig.json knows ES5 and Promise; of the rest, what miniprogram-api-typings declares.
    in_package("typescript/bin/tsc", "--project", ".")


def test_the_kit_is_es5() -> None:
    for file in KIT.glob("*.js"):
        in_package("acorn/bin/acorn", "--ecma5", "--silent", str(file))


def test_the_npm_package_holds_the_kit_and_depends_on_nothing(figures: Callable[[str], None]) -> None:
    node.plain_node()
    npm = str(shutil.which("npm"))
    packed = subprocess.run(
        [npm, "pack", "--dry-run", "--json", "--ignore-scripts"],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    files = {entry["path"] for entry in json.loads(packed.stdout)[0]["files"]}
    kit = {f"demo/authsvc/{file.name}" for file in KIT.iterdir()}
    assert files == kit | {"package.json", "LICENSE", "README.md", "README.zh-CN.md"}
    described = json.loads((PACKAGE / "package.json").read_text())
    assert not {"dependencies", "scripts.install", "scripts.postinstall"} & described.keys()
    assert (PACKAGE / described["main"]).parent == PACKAGE / described["miniprogram"] == KIT
    sources = [file.read_bytes() for file in sorted(KIT.glob("*.js"))]
    squeezed = len(gzip.compress(b"".join(sources)))
    figures(f"client kit: {sum(map(len, sources)):,} bytes of JavaScript with its comments, {squeezed:,} gzipped")


@pytest.fixture(scope="module")
def wechat_tools() -> Path:
    """WeChat's npm builder and compilers: a thousand packages, so installed by hand, and in CI."""
    return node.large_packages("wechat")


def compiled(tools: Path, project: Path, consumer: Path) -> subprocess.CompletedProcess[str]:
    """Run WeChat's tools over a project, and over an empty folder that is to consume the kit."""
    consumer.mkdir()
    npm = [str(shutil.which("npm")), "pack", "--silent", "--ignore-scripts", f"--pack-destination={consumer}"]
    tgz = subprocess.run(npm, cwd=PACKAGE, capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    given = {"project": str(project), "consumer": str(consumer), "tgz": str(consumer / tgz)}
    return subprocess.run(
        [node.plain_node(), "compile.js"],
        cwd=tools,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
def test_wechats_own_tools_take_the_demo_and_the_package(
    wechat_tools: Path, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    done = compiled(wechat_tools, PACKAGE, tmp_path / "consumer")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    pages = json.loads((PACKAGE / "demo" / "app.json").read_text())["pages"]
    assert {f"{page}.js" for page in pages} | {"app.js", "authsvc/auth.js"} <= set(found["compiled"])
    assert {file.name for file in KIT.glob("*.js")} <= set(found["npm"])
    size = sum(size for file, size in found["compiled"].items() if file.startswith("authsvc/"))
    figures(
        f"WeChat's compiler: {len(found['compiled'])} files of the demo; the kit is {size:,} bytes as it is uploaded"
    )


@pytest.mark.parametrize(
    ("file", "text", "by", "said"),
    [
        ("pages/login/login.wxml", "</view>", "</button>", "login.wxml"),
        ("app.json", "pages/login/login", "pages/login/missing", "pages/login/missing"),
    ],
)
@pytest.mark.slow
def test_wechats_own_tools_refuse_a_demo_that_is_broken(
    wechat_tools: Path, tmp_path: Path, file: str, text: str, by: str, said: str
) -> None:
    project = tmp_path / "project"
    shutil.copytree(PACKAGE, project, ignore=shutil.ignore_patterns("node_modules"))
    broken = project / "demo" / file
    broken.write_text(broken.read_text().replace(text, by, 1))
    done = compiled(wechat_tools, project, tmp_path / "consumer")
    assert done.returncode == 1
    assert said in done.stderr


def in_package(program: str, *arguments: str) -> None:
    """Run one of the package's development tools; fail with what it says."""
    found = node.ready_node(PACKAGE)
    done = subprocess.run(
        [found, f"node_modules/{program}", *arguments],
        cwd=PACKAGE,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
