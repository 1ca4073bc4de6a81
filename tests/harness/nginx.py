"""nginx with a file of deploy/, pointed at the programs of this run."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.harness.databases import REQUIRED
from tests.harness.places import ROOT
from tests.harness.processes import Process, free_port

DEPLOY = ROOT / "deploy"
PROGRAM = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def in_front_of(folder: Path, *ports: int, changes: Mapping[str, str] | None = None) -> "Nginx":
    """deploy/nginx.conf in front of authsvc on these ports of this machine, without TLS."""
    line = re.search(r"server 127\.0\.0\.1:8000(.*;)", (DEPLOY / "nginx.conf").read_text(encoding="utf-8"))
    assert line, "nginx.conf has no upstream"
    servers = " ".join(f"server 127.0.0.1:{port}{line[1]}" for port in ports)
    return Nginx(
        folder,
        "nginx.conf",
        {line[0]: servers, "server_name login.example.com": "server_name 127.0.0.1", **(changes or {})},
    )


class Nginx:
    """nginx on a port of its own. Needs a name of deploy/, and what is to be put in place of which text there.

    ``pair`` is a certificate and its key; without them it speaks plain HTTP.
    """

    def __init__(
        self, folder: Path, name: str, changes: Mapping[str, str], pair: tuple[Path, Path] | None = None
    ) -> None:
        self.folder = folder
        port = free_port()
        self.port = port
        self.url = f"{'https' if pair else 'http'}://127.0.0.1:{port}"
        text = (DEPLOY / name).read_text(encoding="utf-8")
        # The certificate is the administrator's; addresses and paths are this run's.
        if pair:
            text = re.sub(r"/etc/nginx/tls/\S+\.crt", str(pair[0]), text)
            text = re.sub(r"/etc/nginx/tls/\S+\.key", str(pair[1]), text)
        else:
            text = re.sub(r"^ *ssl_\w+ .*$", "", text, flags=re.MULTILINE)
        address = f"127.0.0.1:{port}{' ssl' if pair else ''}"
        for old, new in {**changes, "443 ssl": address, "/var/log/nginx": str(folder)}.items():
            assert old in text, f"{old} is not in {name}"
            text = text.replace(old, new)
        (folder / "authsvc.conf").write_text(text, encoding="utf-8")
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
        # As root its workers would be nobody, who may not write here; others are told that the line means nothing.
        main = f"user root; pid {folder}/pid; daemon off; worker_processes 1; error_log stderr crit; "
        # As deploy/README.md sets it; Debian's 768 are few for crowds of slow clients.
        main += "worker_rlimit_nofile 16384; events { worker_connections 8192; }"
        (folder / "main.conf").write_text(f"{main} http {{ {temporary} include {folder}/authsvc.conf; }}\n")
        self._command = [str(PROGRAM), "-e", "stderr", "-p", str(folder), "-c", str(folder / "main.conf")]

    def start(self) -> Process:
        """Check the configuration and start; the caller stops what is returned."""
        checked = subprocess.run([*self._command, "-t"], capture_output=True, text=True, timeout=20, check=False)
        assert checked.returncode == 0, checked.stderr
        log = self.folder / "nginx.out"
        process = Process(self._command, log=log, env={"PATH": "/usr/bin"}, cwd=self.folder)
        process.wait_until(self._listens)
        return process

    def _listens(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 2):
            return True
        return False


def skip_without_nginx() -> None:
    """Skip, with how to have it; a failure where services are required."""
    if PROGRAM is None:
        sentence = "skipped: no nginx here (install it)"
        pytest.fail(sentence) if REQUIRED else pytest.skip(sentence)
