"""What routes declare: no address without a word on who may enter, and who may is pinned here for what is public."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import pytest
from flask import Blueprint, Flask

from authsvc.app import create_app
from authsvc.cli.routes import routes
from authsvc.config import Settings
from authsvc.signing.keyfile import create_key_file
from authsvc.values.limits import LimitedKind
from authsvc.web.contracts.native import NATIVE
from authsvc.web.routing import Operation, UndeclaredRoute, add, declared, refuse_undeclared
from authsvc.web.who import PERSON, PERSON_EVEN_EXPIRED, PUBLIC, Public, Service
from tests.harness.places import ROOT

ENVIRONMENT = {
    "WX_APPID": "wx4f4bc4dec97d474b",
    "WX_SECRET": "5e884898da28047151d0e56f8dc62927",
    "PUBLIC_BASE_URL": "https://login.example.test",
    "SECRET_KEYS": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
    "SCAN_SIGN_IN_PAGE": "pages/scan/scan",
    "CONSOLE": "1",
    "LOG_LEVEL": "ERROR",
}
# Whoever knows the address may call these, and the door asks for nothing. A new one is added here by hand, or the test
# fails: that is what it is for.
OPEN = {
    "GET /healthz",
    "GET /readyz",
    # the doctor, by its proof
    "GET /.well-known/authsvc-arrival",
    # what this is
    "GET /",
    # what other services verify tokens with
    "GET /.well-known/jwks.json",
    "GET /.well-known/openid-configuration",
    "GET /openapi.json",
    # signing in: a code of WeChat's, a ticket or a refresh token in the request says who it is
    "POST /api/v1/auth/login",
    "POST /api/v1/auth/wx-login",
    "POST /api/v1/sessions/refresh",
    "POST /auth/mp_login",
    "POST /mp_login",
    "GET /login/wechatLogin",
    "POST /login/wechatLogin",
    "POST /user/wxlogin",
    "GET /wx/login",
    "POST /wx/login",
    # a browser that has nobody yet
    "GET /signin",
    "GET /signin/{name}",
    "GET /signin/pictures/{name}",
    "POST /api/v1/scan-sign-ins/start",
    "POST /api/v1/scan-sign-ins/poll",
    # an operator who is to sign in
    "GET /console/sign-in",
    "POST /console/sign-in",
    "GET /console/console.css",
    # before a login, or for whoever was given the name
    "GET /api/v1/invites/check",
    "GET /avatars/{name}",
    "GET /qrcodes/{name}",
    # WeChat, by its signature
    "GET /wechat/push",
    "POST /wechat/push",
    "GET /wechat/push/{appid}",
    "POST /wechat/push/{appid}",
}
OPEN_BUT_KNOWS_PEOPLE = {"GET /wx/phone"}


@contextmanager
def built(folder: Path, **changes: str) -> Iterator[Flask]:
    create_key_file(folder / "keys" / "signing.json")
    app = create_app(Settings.from_env({**ENVIRONMENT, "INSTANCE_PATH": str(folder), **changes}))
    yield app
    app.extensions["authsvc-database"].close()


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with built(tmp_path_factory.mktemp("routes")) as made:
        yield made


def test_what_is_public_is_pinned(app: Flask) -> None:
    found: dict[Public, set[str]] = {Public(knows): set() for knows in (False, True)}
    for method, path, operation in declared(app):
        if isinstance(operation.who, Public):
            found[operation.who].add(f"{method} {path}")
    assert found == {Public(): OPEN, Public(knows_people=True): OPEN_BUT_KNOWS_PEOPLE}


def test_only_one_route_takes_a_token_that_has_run_out(app: Flask) -> None:
    renewing = [path for _, path, operation in declared(app) if operation.who == PERSON_EVEN_EXPIRED]
    assert renewing == ["/api/v1/auth/refresh"]


def test_every_address_is_declared(app: Flask) -> None:
    refuse_undeclared(app)
    assert len({rule.endpoint for rule in app.url_map.iter_rules()}) == len(list(app.url_map.iter_rules())) > 50


# --- what does not start --------------------------------------------------------------------------------------------


def test_a_route_beside_the_door_is_named() -> None:
    beside = Flask("beside", static_folder=None)
    refuse_undeclared(beside)
    forgotten = Blueprint("forgotten", __name__)
    forgotten.add_url_rule("/forgotten/<name>", "one", lambda name: name)
    forgotten.add_url_rule("/also", "another", lambda: "", methods=["POST"])
    beside.register_blueprint(forgotten)
    with pytest.raises(UndeclaredRoute, match=r"^/also, /forgotten/<name>: not declared who may enter; .* add "):
        refuse_undeclared(beside)


def test_authsvc_does_not_start_with_a_route_beside_the_door(tmp_path: Path) -> None:
    create_key_file(tmp_path / "keys" / "signing.json")
    planted = "authsvc.app.ops.get('/forgotten')(lambda: 'anybody')"
    done = subprocess.run(
        [sys.executable, "-c", f"import authsvc.app; {planted}; import wsgi"],
        env={**ENVIRONMENT, "INSTANCE_PATH": str(tmp_path), "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 4
    assert done.stderr.startswith("authsvc does not start:\n/forgotten: not declared who may enter")
    assert "Traceback" not in done.stderr


def test_a_declaration_without_the_word_is_none() -> None:
    with pytest.raises(TypeError, match="'who'"):
        Operation(NATIVE, summary="Something", answer=None)  # type: ignore[call-arg]


@pytest.mark.parametrize("who", [PUBLIC, PERSON_EVEN_EXPIRED, Service("metrics")], ids=str)
def test_step_up_is_for_people_whose_session_lives(who: object) -> None:
    with pytest.raises(ValueError, match="Something: step-up is for a person"):
        Operation(NATIVE, who, "Something", None, step_up=True)  # type: ignore[arg-type]
    assert Operation(NATIVE, PERSON, "Something", None, step_up=True)


def test_an_address_added_behind_the_door_is_declared(app: Flask) -> None:
    other = Flask("other", static_folder=None)
    other.extensions.update(app.extensions)
    blueprint = Blueprint("more", __name__, url_prefix="/more")
    operation = Operation(NATIVE, Service("revoke"), "Something", None)
    add(blueprint, "GET POST", "/<int:number>", operation, lambda service, number: {})
    other.register_blueprint(blueprint)
    refuse_undeclared(other)
    assert list(declared(other)) == [(method, "/more/{number}", operation) for method in ("GET", "POST")]


# --- the table ------------------------------------------------------------------------------------------------------


def printed(app: Flask, *options: str) -> str:
    done = app.test_cli_runner().invoke(routes, list(options))
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_table_says_of_every_route_who_may_and_what_holds(app: Flask) -> None:
    head, *lines = printed(app).splitlines()
    assert head.split("  ")[0] == "method" and head.endswith("summary")
    assert len(lines) == len(list(declared(app)))
    told = [" ".join(line.split()) for line in lines]
    for line in (
        "GET /healthz public no health native Check whether the process answers",
        "GET /metrics service(metrics) no request native Metrics of all workers, with a service credential",
        "GET /wx/phone public or person no phone detail The number behind a code of the phone button",
        "POST /api/v1/me/close person yes request native Close the account, which is erased after a cooling-off period",
        "POST /api/v1/sessions/logout person sometimes request native End this session, all others, or all",
        "POST /api/v1/auth/refresh person, even with an expired token no refresh code_message_data"
        " Get a new token for the latest one, which may have expired",
    ):
        assert line in told


def test_the_table_is_json_for_other_tools(app: Flask) -> None:
    rows = json.loads(printed(app, "--json"))
    assert [(row["path"], row["method"]) for row in rows] == sorted((path, method) for method, path, _ in declared(app))
    assert {row["limit"] for row in rows} == set(get_args(LimitedKind))
    assert {row["step_up"] for row in rows} == {"no", "yes", "sometimes"}
    public = {f"{row['method']} {row['path']}" for row in rows if row["who_may"] == "public"}
    assert public == OPEN


def test_the_table_needs_no_database_and_holds_what_is_served(tmp_path: Path) -> None:
    with built(tmp_path, DATABASE_URL="mysql://nobody:x@127.0.0.1:1/nowhere", CONTRACTS="detail") as narrow:
        shapes = {row["contract"] for row in json.loads(printed(narrow, "--json"))}
    assert shapes == {"native", "detail", "oauth", "console"}
