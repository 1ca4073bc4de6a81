"""A worker loads what it serves with, and leaves to others what only they need: all of it costs every start."""

import os
import subprocess
import sys
from pathlib import Path

from authsvc.signing.keyfile import create_key_file
from tests.harness.places import ROOT
from tests.harness.processes import free_port

# Migrations and their models, Redis, a bucket, pictures, and the command line.
FOR_OTHERS = {
    *("alembic", "flask_migrate", "mako", "pygments", "flask_sqlalchemy", "sqlalchemy.orm", "authsvc.db.models"),
    *("redis", "redis.asyncio", "limits", "boto3", "botocore", "PIL", "authsvc.imaging.drawing", "authsvc.cli"),
    *("authsvc.wxsim", "authsvc_verifier", "sqlalchemy.dialects.postgresql", "unittest", "pydoc", "setuptools"),
}
SERVED_WITH = {"authsvc.app", "flask", "sqlalchemy", "requests", "sqlalchemy.dialects.sqlite"}


def loaded(folder: Path, **settings: str) -> set[str]:
    """The modules of a process that has made the app as a worker does."""
    create_key_file(folder / "instance" / "keys" / "signing.json")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("WX_", "FLASK_"))},
        "PYTHONPATH": str(ROOT),
        "WX_APPID": "wx4f4bc4dec97d474b",
        "WX_SECRET": "5e884898da28047151d0e56f8dc62927",
        "PUBLIC_BASE_URL": "https://login.example.test",
        "SECRET_KEYS": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8",
        "LOG_LEVEL": "ERROR",
        **settings,
    }
    script = "import sys, wsgi; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_a_worker_loads_nothing_that_only_others_need(tmp_path: Path) -> None:
    found = loaded(tmp_path)
    assert found >= SERVED_WITH
    assert found & FOR_OTHERS == set()


def test_with_redis_it_loads_what_that_takes(tmp_path: Path) -> None:
    """As well as showing that the look above sees what is there."""
    found = loaded(tmp_path, REDIS_URL=f"redis://127.0.0.1:{free_port()}/0")
    assert found & FOR_OTHERS == {"redis", "redis.asyncio", "limits"}


def test_nothing_is_collected_during_the_start_and_what_it_made_is_left_alone() -> None:
    script = f"""
import gc, runpy
hooks = runpy.run_path({str(ROOT / "gunicorn.conf.py")!r})
hooks["post_fork"](None, None)
while_starting = gc.isenabled()
made = [[] for _ in range(1000)]
hooks["post_worker_init"](None)
print(while_starting, gc.isenabled(), gc.get_freeze_count() > 1000, len(gc.get_objects()) < 100)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True", "True"]
