"""A name server that never answers, for one program: in a mount namespace that has its own /etc/resolv.conf."""

import shlex
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# Of the loopback network, but nobody's.
_ADDRESS = "127.0.0.153"


@contextmanager
def silent_name_server(folder: Path) -> Iterator[tuple[str, ...]]:
    """Yield what a command has to be run within. Skips where neither port 53 nor a namespace is to be had."""
    resolv_conf = folder / "resolv.conf"
    resolv_conf.write_text(f"nameserver {_ADDRESS}\n")
    script = f'mount --bind {shlex.quote(str(resolv_conf))} /etc/resolv.conf && exec "$@"'
    within = ("unshare", "-m", "sh", "-c", script, "sh")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        try:
            silent.bind((_ADDRESS, 53))
            subprocess.run([*within, "true"], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("skipped: only root may listen on port 53 and change a program's /etc/resolv.conf")
        yield within
