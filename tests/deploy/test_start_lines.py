"""What a service says of itself when it starts, and which settings it refuses together."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

import authsvc
from authsvc.config import BadSettings, Settings
from tests.harness.places import NEWEST, ROOT
from tests.harness.service import Service
from tests.harness.waiting import wait_until

GOOD = {
    "WX_APPID": "wx0123456789abcdef",
    "WX_SECRET": "0f3c9a7be21d45c6a8b90e1f2d3c4b5a",
    "PUBLIC_BASE_URL": "https://login.example.com",
    "SECRET_KEYS": "l5TzJ0VxKqsk3dUEOcZ2Y1rWmQ8bN7aHgPfvIeXoD4A",
}


def said(service: Service) -> list[str]:
    """The messages of the start, in order."""
    lines = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    return [line["message"] for line in lines if line["logger"] == "authsvc.serving.beginning"]


def test_a_start_says_once_what_runs_where_and_by_which_settings(start_briefly: Callable[..., Service]) -> None:
    service = start_briefly("lines", workers=2)
    instance = service.folder / "instance"
    wait_until(lambda: any("migrated" in line for line in said(service)))
    first, database, places, proxies, sources, off, migrated = said(service)
    assert first == f"authsvc {authsvc.__version__}: 2 gevent workers, public address https://login.example.test"
    assert database == f"database: SQLite, {instance / 'authsvc.db'}"
    for place in (
        f"access_token in {instance}/access_token",
        f"counted in {instance}/ratelimits",
        f"pictures in {instance}",
    ):
        assert place in places
    assert proxies == "proxies believed: 0 (TRUSTED_PROXIES)"
    assert sources.startswith("settings from environment: ACCESS_LOG, ") and "WX_SECRET" in sources
    assert service.environment["SECRET_KEYS"] not in " ".join(said(service))
    assert off.startswith("off: ") and "message push (WX_PUSH_TOKEN)" in off and "rate limits of export" in off
    assert migrated == f"database: migrated ({NEWEST})"
    assert service.call("GET", "/healthz").json() == {"status": "ok", "version": authsvc.__version__}


def test_what_lacks_a_migration_says_so(start_briefly: Callable[..., Service]) -> None:
    service = start_briefly("unmigrated-lines", workers=1, migrated=False)
    wait_until(lambda: f"database: at migration none, not {NEWEST}; run: authsvc db upgrade" in said(service))


def test_a_proxy_that_nobody_has_told_of_is_named_once(start_briefly: Callable[..., Service]) -> None:
    service = start_briefly("proxied", workers=1)
    for _ in range(3):
        requests.get(f"{service.url}/healthz", headers={"X-Forwarded-For": "203.0.113.7"}, timeout=10)
    assert service.log.read_text().count("but TRUSTED_PROXIES is 0: no client's address is known") == 1


@pytest.mark.parametrize(
    "more, names",
    [
        ({"WX_API_BASE": "http://127.0.0.1:8089"}, ["WX_API_BASE"]),
        ({"WX_API_BASE": "https://localhost"}, ["WX_API_BASE"]),
        ({"WX_APPID": "wx51a051a000000001"}, ["WX_APPID"]),
    ],
)
def test_practice_under_a_public_address_is_refused(more: dict[str, str], names: list[str]) -> None:
    with pytest.raises(BadSettings) as refused:
        Settings.from_env({**GOOD, **more})
    assert [line.split()[0] for line in str(refused.value).splitlines()] == names
    for near in ("http://127.0.0.1:8000", "http://192.168.1.7:8000", "https://login.example.test", "https://10.0.0.7"):
        Settings.from_env({**GOOD, **more, "PUBLIC_BASE_URL": near})


def test_the_newest_release_of_the_changelog_is_the_version() -> None:
    """Before the first release, there is no heading with a number."""
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert [heading for heading in headings if heading != "Unreleased"][:1] in ([], [authsvc.__version__])
    assert headings.count("Unreleased") <= 1 and "Unreleased" not in headings[1:]
    package = json.loads(Path(ROOT, "miniprogram", "package.json").read_text())
    assert package["version"] == authsvc.__version__
