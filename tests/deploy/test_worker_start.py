"""A worker loads what it serves with, and leaves to others what only they need: all of it costs every start."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import requests

from authsvc.signing.keyfile import create_key_file
from tests.harness.places import ROOT
from tests.harness.processes import free_port
from tests.harness.service import Service
from tests.harness.waiting import wait_until

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
import gc, runpy, types
worker = types.SimpleNamespace(age=2, wsgi=types.SimpleNamespace(extensions={{"authsvc-keep-watching": print}}))
hooks = runpy.run_path({str(ROOT / "gunicorn.conf.py")!r})
hooks["post_fork"](None, None)
while_starting = gc.isenabled()
made = [[] for _ in range(1000)]
hooks["post_worker_init"](worker)
print(while_starting, gc.isenabled(), gc.get_freeze_count() > 1000, len(gc.get_objects()) < 100)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True", "True"]


def test_after_hup_there_are_new_workers_that_answer(start_briefly: Callable[..., Service]) -> None:
    """What is changed about gunicorn in the master is changed once: its configuration runs again with every HUP."""
    service = start_briefly("hup", workers=1)
    for _ in range(2):
        before = service.workers()
        os.kill(service.process.pid, signal.SIGHUP)
        wait_until(lambda before=before: service.workers() and not set(service.workers()) & set(before), 20)
        # A connection that stays would keep the old worker.
        answer = requests.get(f"{service.url}/healthz", headers={"Connection": "close"}, timeout=20)
        assert (answer.status_code, answer.json()["status"]) == (200, "ok")
