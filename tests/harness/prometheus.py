"""Debian's Prometheus, which scrapes a service every second with our rules, and what a test asks of it."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.harness.databases import REQUIRED
from tests.harness.nginx import DEPLOY
from tests.harness.processes import Process, free_port
from tests.harness.service import Service
from tests.harness.waiting import wait_until

PROGRAM, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")


def skip_without_prometheus() -> None:
    """Skip, with how to have it; a failure where services are required."""
    if PROGRAM is None or PROMTOOL is None:
        sentence = "skipped: no prometheus or promtool here (install the package prometheus)"
        pytest.fail(sentence) if REQUIRED else pytest.skip(sentence)


class Prometheus:
    """A server with a folder of its own. ``credential`` is one with the scope ``metrics``."""

    def __init__(self, folder: Path, service: Service, credential: str) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        scrape = {
            "job_name": "authsvc",
            "authorization": {"credentials": credential},
            "static_configs": [{"targets": [f"127.0.0.1:{service.port}"]}],
        }
        settings = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(DEPLOY / "alerts.yml")],
            "scrape_configs": [scrape],
        }
        # JSON is YAML.
        (folder / "prometheus.toml").write_text(json.dumps(settings), encoding="utf-8")
        listening = f"--web.listen-address={self.url.removeprefix('http://')}"
        data = f"--storage.tsdb.path={folder}/data"
        self.process = Process(
            [str(PROGRAM), f"--config.file={folder}/prometheus.toml", data, listening],
            log=folder / "prometheus.out",
            env=dict(os.environ),
            cwd=folder,
        )
        self.process.wait_for(f"{self.url}/-/healthy")
        # It answers 503 until it has read its data.
        wait_until(lambda: requests.get(f"{self.url}/-/ready", timeout=5).ok, 20)

    def asked(self, query: str) -> list[dict[str, Any]]:
        """The series that a query gives now."""
        answer = requests.get(f"{self.url}/api/v1/query", params={"query": query}, timeout=10).json()
        assert answer["status"] == "success", (query, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def value(self, query: str) -> float:
        """The one value that a query gives now."""
        (series,) = self.asked(query)
        return float(series["value"][1])

    def rules(self) -> list[dict[str, Any]]:
        """The alert rules, with their states."""
        groups = requests.get(f"{self.url}/api/v1/rules", timeout=10).json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def wait_for_scrapes(self, count: int) -> None:
        """Return when this many more scrapes have succeeded."""
        before = float(len(self._scrapes()))
        wait_until(lambda: len(self._scrapes()) >= before + count, 30)

    def _scrapes(self) -> list[list[Any]]:
        found = self.asked('up{job="authsvc"}[5m]')
        return [at for series in found for at in series["values"] if at[1] == "1"]
