"""The rules of the house, held over the syntax tree: who may import whom, and what nobody writes."""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import authsvc
from authsvc.db.models import db

PACKAGE = Path(authsvc.__file__).parent
ROOT = PACKAGE.parent
# A distribution of its own, for programs that have nothing else of the house.
VERIFIER = ROOT / "verifier" / "authsvc_verifier"
MODULES = sorted(PACKAGE.rglob("*.py"))
WRITTEN_HERE = [*MODULES, *sorted(VERIFIER.rglob("*.py"))]
ADAPTERS = ("wechat", "webhooks", "tokenstore", "picturestore", "imaging", "signing", "db")
ROOMS = ("web", "services", *ADAPTERS, "cli", "doctor", "serving", "demo", "wxsim", "verify")
# Programs beside the service.
APART = {"wxsim", "demo"}
# Files beside the rooms that every room may use.
LEAVES = (
    *("values", "errors", "clock", "sealing", "metrics", "privatefolder", "networks"),
    *("connections", "redispool", "cpus", "strictjson"),
)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def name_of(path: Path) -> str:
    """``authsvc/web/routes/auth.py`` → ``authsvc.web.routes.auth``."""
    top, name = (VERIFIER, VERIFIER.name) if path.is_relative_to(VERIFIER) else (PACKAGE, "authsvc")
    parts = [name, *path.relative_to(top).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Yield every module and member that a file imports, anywhere in it, by its full name."""
    package = name_of(path) if path.name == "__init__.py" else name_of(path).rpartition(".")[0]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            yield from (f"{base}.{alias.name}" for alias in node.names)


def is_in(name: str, module: str) -> bool:
    return name == module or name.startswith(f"{module}.")


def breaches(folder: str, banned: tuple[str, ...], allowed: tuple[str, ...] = ()) -> list[str]:
    """Return "file imports name" for everything under ``folder`` (a room or a file) that it may not import."""
    here = PACKAGE / folder
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in ([here] if here.suffix else sorted(here.rglob("*.py")))
        for name in imports(path)
        if any(is_in(name, module) for module in banned) and not any(is_in(name, module) for module in allowed)
    ]


def rooms_but(*allowed: str) -> tuple[str, ...]:
    return tuple(f"authsvc.{room}" for room in (*ROOMS, "app", "parts", "config") if room not in allowed)


ARROWS: dict[str, tuple[str, ...]] = {
    # leaves
    "values": (*rooms_but(), "authsvc.errors", "authsvc.logs", "flask", "sqlalchemy", "requests", "marshmallow"),
    "errors.py": (*rooms_but(), "authsvc.values", "authsvc.logs", "flask", "werkzeug", "sqlalchemy", "requests"),
    "clock.py": (*rooms_but(), "flask"),
    "sealing.py": (*rooms_but(), "flask", "sqlalchemy"),
    "privatefolder.py": (*rooms_but(), "authsvc.errors", "flask"),
    "config": (*rooms_but("config"), "flask", "sqlalchemy", "requests"),
    "logs.py": (*rooms_but(), "flask", "sqlalchemy", "requests"),
    "networks.py": (*rooms_but(), "flask", "sqlalchemy", "requests"),
    "connections.py": (*rooms_but(), "flask", "sqlalchemy", "requests", "urllib3", "redis"),
    "redispool.py": (*rooms_but(), "flask", "sqlalchemy", "requests", "urllib3"),
    "strictjson.py": (*rooms_but(), "flask", "sqlalchemy", "requests"),
    "cpus.py": (*rooms_but(), "flask", "sqlalchemy", "requests"),
    "metrics.py": (*rooms_but(), "flask", "sqlalchemy", "requests"),
    # adapters: never each other, never those who use them
    "wechat": (*rooms_but("wechat"), "flask", "werkzeug", "sqlalchemy", "marshmallow", "redis"),
    "webhooks": (*rooms_but("webhooks"), "flask", "werkzeug", "sqlalchemy", "marshmallow", "redis"),
    "tokenstore": (*rooms_but("tokenstore"), "flask", "werkzeug", "sqlalchemy", "marshmallow", "requests"),
    "picturestore": (*rooms_but("picturestore"), "flask", "werkzeug", "sqlalchemy", "marshmallow", "requests", "redis"),
    "imaging": (*rooms_but("imaging"), "flask", "werkzeug", "sqlalchemy", "marshmallow", "requests", "redis"),
    "signing": (*rooms_but("signing"), "sqlalchemy", "marshmallow", "requests", "redis"),
    "db": (*rooms_but("db"), "flask", "werkzeug", "marshmallow", "requests", "redis", "flask_jwt_extended", "jwt"),
    # what the product does
    "services": (
        *rooms_but("services", *ADAPTERS),
        *("flask", "werkzeug", "marshmallow", "requests", "urllib3", "redis", "flask_jwt_extended", "flask_sqlalchemy"),
        *("alembic", "sqlalchemy"),
    ),
    # HTTP in, HTTP out
    "web": (
        *rooms_but("web", "services", "signing"),
        *("sqlalchemy", "flask_sqlalchemy", "alembic", "requests", "urllib3", "redis", "Crypto"),
    ),
    "cli": ("authsvc.wxsim",),
    # works where the house cannot be built, and knows no routes
    "doctor": (
        *rooms_but("doctor", "config", "services", "wechat", "signing", "db"),
        *("flask", "werkzeug", "sqlalchemy", "marshmallow"),
    ),
    # gunicorn's master: it starts the rooms, and its workers patch for gevent what they load
    "serving": (
        *rooms_but("serving", "config", "signing", "db"),
        "flask",
        "sqlalchemy",
        "requests",
        "urllib3",
        "redis",
    ),
    "demo": (*rooms_but("demo", "serving"), "flask", "sqlalchemy"),
}
# Fewer words than the rule forbids, each with its reason.
EXCEPTIONS: dict[str, tuple[str, ...]] = {
    "services": ("sqlalchemy.Connection",),  # the type that queries are handed; nothing is called on it
    "web": ("authsvc.signing.tokens.TokenChecker",),  # what the guard hands a token to
    "db": ("flask.current_app",),  # migrations run on the app's own engine
}


@pytest.mark.parametrize("room, banned", ARROWS.items(), ids=ARROWS.keys())
def test_no_arrow_points_the_wrong_way(room: str, banned: tuple[str, ...]) -> None:
    assert breaches(room, banned, EXCEPTIONS.get(room, ())) == []


def test_the_exceptions_are_used_where_they_were_made_for() -> None:
    assert breaches("services", ("sqlalchemy",), ("sqlalchemy.Connection",)) == []
    assert {line.split()[0] for line in breaches("web", ("authsvc.signing",))} == {"authsvc/web/guards.py"}
    assert {line.split()[0] for line in breaches("db", ("flask",))} == {"authsvc/db/migrations/env.py"}


# The subjects of ``services``, each with those that it may build on. The first three are files, of every subject's.
_BASE = ("audit", "changes", "knownby", "numbers", "miniprograms", "invites")
_STAYING = (*_BASE, "accounts", "sessions", "qrcodes")
SUBJECTS: dict[str, tuple[str, ...]] = {
    "changes": (),
    "audit": ("changes",),
    "knownby": (),
    "numbers": (),
    "miniprograms": ("audit", "numbers"),
    "invites": ("audit", "knownby"),
    "accounts": _BASE,
    "sessions": (*_BASE, "accounts"),
    "qrcodes": (*_BASE, "accounts"),
    "phones": _STAYING,
    "people": _STAYING,
    "signin": (*_STAYING, "phones", "people"),
    "operator": (*_STAYING, "phones", "people"),
    "siblings": (*_STAYING, "phones", "people"),
}


def test_every_subject_builds_on_those_below_it_alone() -> None:
    rooms = PACKAGE / "services"
    found = {path.stem for path in rooms.iterdir() if path.stem not in ("__init__", "__pycache__")}
    assert found == set(SUBJECTS)
    for subject, below in SUBJECTS.items():
        others = tuple(f"authsvc.services.{other}" for other in SUBJECTS if other not in (subject, *below))
        place = f"services/{subject}" if (rooms / subject).is_dir() else f"services/{subject}.py"
        assert breaches(place, others) == []


def test_queries_are_named_after_tables() -> None:
    tables = set(db.metadata.tables)
    several = {"invite_batches"}  # codes by the batch: their own file, of the table of codes
    assert {path.stem for path in (PACKAGE / "db" / "queries").glob("*.py")} - {"__init__"} - several <= tables


def test_nobody_imports_the_simulator_and_it_imports_nobody() -> None:
    outside = [path for path in MODULES if "wxsim" not in path.parts]
    assert [f"{path}: {name}" for path in outside for name in imports(path) if is_in(name, "authsvc.wxsim")] == []
    inside = sorted((PACKAGE / "wxsim").rglob("*.py"))
    assert len(inside) > 10
    foreign = [
        f"{path}: {name}"
        for path in inside
        for name in imports(path)
        if is_in(name, "authsvc") and not is_in(name, "authsvc.wxsim")
    ]
    assert foreign == []


def test_the_verifier_is_alone_in_the_world_and_nobody_here_leans_on_it() -> None:
    known = {
        (path.name, name.partition(".")[0])
        for path in WRITTEN_HERE
        if path.is_relative_to(VERIFIER)
        for name in imports(path)
    }
    foreign = {(file, top) for file, top in known if top not in sys.stdlib_module_names}
    assert {top for _, top in foreign} == {"authsvc_verifier", "jwt", "cryptography", "requests", "urllib3", "flask"}
    assert {file for file, top in foreign if top == "flask"} == {"flask.py"}
    # Its old name, and no more: the verifier need not be installed where authsvc is.
    assert users_of("authsvc_verifier") == {"verify/__init__.py", "verify/flask.py"}
    alias = [name for path in sorted((PACKAGE / "verify").rglob("*.py")) for name in imports(path)]
    assert {name.partition(".")[0] for name in alias} == {"authsvc_verifier", "warnings"}


def test_segno_is_the_simulators_alone() -> None:
    """It is in the extra ``sim``, so authsvc must start without it."""
    inside = sorted((PACKAGE / "wxsim").rglob("*.py"))
    assert {path.name for path in inside for name in imports(path) if is_in(name, "segno")} == {"wxacodes.py"}
    assert users_of("segno") == set()


def users_of(*modules: str) -> set[str]:
    """The files of the service that import any of these."""
    return {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if APART.isdisjoint(path.parts)
        for name in imports(path)
        if any(is_in(name, module) for module in modules)
    }


def rooms_of(files: set[str]) -> set[str]:
    return {file.split("/")[0] for file in files}


def test_tokens_are_signed_and_read_in_one_room_alone() -> None:
    files = users_of("flask_jwt_extended", "jwt", "joserfc", "cryptography.hazmat.primitives.asymmetric")
    assert {file for file in files if not file.startswith("signing/")} <= {"web/guards.py"}


# What finds out who asks, by a credential or a session.
WHO_ASKS = ("authenticate", "service_credentials", "authorization", "of_credential", "of_session")


def test_who_may_enter_is_asked_at_the_door_alone() -> None:
    """A view gets who asks from what it declares; none looks at a credential by hand."""
    assert users_of("authsvc.web.guards") == {"web/openapi/operations.py", "web/routing.py"}
    assert breaches("web/openapi/operations.py", ("authsvc.web.guards",), ("authsvc.web.guards.STEP_UP_HEADER",)) == []
    asked = {
        str(path.relative_to(PACKAGE))
        for path in MODULES
        if path.is_relative_to(PACKAGE / "web")
        for node in ast.walk(tree_of(path))
        if (isinstance(node, ast.Constant) and node.value in ("Authorization", "authsvc-tokens"))
        or (isinstance(node, ast.Attribute) and node.attr in WHO_ASKS)
    }
    assert asked == {"web/guards.py"}


def test_the_database_has_one_door() -> None:
    engine_side = {
        file
        for file in users_of("sqlalchemy", "flask_sqlalchemy", "pymysql", "sqlite3", "alembic")
        if not file.startswith("db/") and breaches(file, ("sqlalchemy", "flask_sqlalchemy"), ("sqlalchemy.Connection",))
    }
    assert engine_side == set()
    assert rooms_of(users_of("pymysql", "MySQLdb", "sqlite3", "alembic")) <= {"db"}
    assert users_of("flask_migrate") <= {"app.py", "cli/migrations.py"}


def test_wechat_has_one_door() -> None:
    found = users_of("requests", "urllib3", "httpx", "http.client", "urllib.request")
    # Messages to other services are not WeChat's.
    # The doctor asks the public address, which is not WeChat, and WeChat for its clock, without a secret.
    assert rooms_of(found - {"doctor/fetching.py", "webhooks/sender.py"}) <= {"wechat"}
    assert rooms_of(users_of("Crypto")) <= {"wechat"}


def test_pictures_are_decoded_in_one_process_alone() -> None:
    """Nothing that a worker runs has Pillow, nor what imports it."""
    assert users_of("PIL") == {"imaging/drawing.py", "imaging/__main__.py"}
    assert users_of("authsvc.imaging.drawing") == {"imaging/__main__.py"}


def test_http_lives_at_the_edge() -> None:
    assert rooms_of(users_of("flask", "werkzeug", "marshmallow", "apispec")) <= {
        "web",
        "app.py",
        "signing",
        "db",
        "cli",
        "wsgi.py",
    }
    assert users_of("marshmallow", "apispec", "werkzeug") == {
        file for file in users_of("marshmallow", "apispec", "werkzeug") if file.startswith("web/")
    }


def test_only_the_root_and_the_command_line_see_the_whole_house() -> None:
    assert users_of("authsvc.app") == {"wsgi.py"}
    assert users_of("authsvc.wsgi") == set()
    assert users_of("authsvc.demo") == {"cli/demo.py"}
    assert rooms_of(users_of("authsvc.parts")) == {"app.py"}
    assert rooms_of(users_of("authsvc.doctor")) == {"cli", "doctor"}
    assert rooms_of(users_of("authsvc.config")) <= {
        "app.py",
        "wsgi.py",
        "parts.py",
        "cli",
        "config",
        "serving",
        "doctor",
    }


# Few need them, and they would cost every worker's start half as much again (docs/decisions.md).
LATE = {
    "authsvc/app.py: flask_migrate",
    "authsvc/app.py: authsvc.db.models",
    "authsvc/app.py: authsvc",  # redispool
    "authsvc/app.py: authsvc.web.rediscounter",
    "authsvc/parts.py: authsvc.tokenstore.redisshelf",
}


def test_nothing_is_imported_inside_a_function() -> None:
    """A cycle broken that way is a thing in the wrong room."""
    late = {
        f"{path.relative_to(ROOT)}: {inner.module if isinstance(inner, ast.ImportFrom) else ast.unparse(inner)}"
        for path in WRITTEN_HERE
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    }
    assert late == LATE


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_nobody_prints() -> None:
    assert [
        f"{path}: {name}" for path in WRITTEN_HERE for name, _ in calls(path) if name in ("print", "pprint.pprint")
    ] == []


def test_nobody_turns_certificates_off_follows_redirects_or_trusts_the_environment_for_proxies() -> None:
    outside = [path for path in WRITTEN_HERE if "wxsim" not in path.parts]
    switches = {"verify": False, "allow_redirects": True, "trust_env": True}
    found = [
        f"{path}: {name}({keyword.arg}={keyword.value.value})"
        for path in outside
        for name, call in calls(path)
        for keyword in call.keywords
        if keyword.arg in switches
        and isinstance(keyword.value, ast.Constant)
        and keyword.value.value is switches[keyword.arg]
    ]
    assert found == []


def test_nobody_asks_whether_wechat_is_simulated() -> None:
    outside = [path for path in WRITTEN_HERE if APART.isdisjoint(path.parts) and path != PACKAGE / "cli" / "demo.py"]
    words = {
        node.id if isinstance(node, ast.Name) else node.attr
        for path in outside
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Name | ast.Attribute)
    }
    assert {word for word in words if "simul" in word.lower() or "wxsim" in word.lower()} == set()


def test_errors_know_no_http() -> None:
    words = {
        node.id if isinstance(node, ast.Name) else node.attr
        for node in ast.walk(tree_of(PACKAGE / "errors.py"))
        if isinstance(node, ast.Name | ast.Attribute)
    }
    assert {word for word in words if "status" in word.lower() or "http" in word.lower()} == set()


def test_a_file_stays_small_enough_to_read() -> None:
    # A catalogue is read by its names, not from top to bottom.
    words = PACKAGE / "web" / "routes" / "console" / "words.py"
    catalogues = {PACKAGE / "errors.py", PACKAGE / "parts.py", PACKAGE / "db" / "models.py", words}
    long = [path for path in WRITTEN_HERE if len(path.read_text(encoding="utf-8").splitlines()) > 400]
    assert [str(path) for path in long if path not in catalogues] == []


def test_every_module_function_and_class_that_others_see_says_what_it_promises() -> None:
    silent = [
        f"{path.relative_to(ROOT)}: {getattr(node, 'name', 'the module')}"
        for path in WRITTEN_HERE
        if "migrations" not in path.parts
        for node in public_things(tree_of(path))
        if ast.get_docstring(node) is None
    ]
    assert silent == []


Documented = ast.Module | ast.ClassDef | ast.FunctionDef


def public_things(tree: ast.Module) -> Iterator[Documented]:
    yield tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def test_the_scan_sees_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that never saw a breach proves nothing."""
    planted = tmp_path / "services" / "planted.py"
    planted.parent.mkdir()
    planted.write_text(
        "from flask import request\ndef late():\n    import authsvc.web.errors\n    from ..wxsim import world\n"
    )
    here = sys.modules[__name__]
    monkeypatch.setattr(here, "PACKAGE", tmp_path)
    monkeypatch.setattr(here, "ROOT", tmp_path)
    assert list(imports(planted)) == ["flask.request", "authsvc.web.errors", "authsvc.wxsim.world"]
    assert breaches("services", ARROWS["services"], EXCEPTIONS["services"]) == [
        "services/planted.py imports flask.request",
        "services/planted.py imports authsvc.web.errors",
        "services/planted.py imports authsvc.wxsim.world",
    ]
