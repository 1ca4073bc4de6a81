"""A WeChat that knows everybody and answers at once: for loads under which the simulator would be what is measured.

    python -m tests.harness.quickwechat PORT

The code ``u<number>n<anything>`` is of the user of that number, as often as it is sent.
"""

import asyncio
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.harness.places import ROOT
from tests.harness.processes import Process, free_port

_CODE = re.compile(rb"js_code=u(\d+)n")


class _Connection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        found = _CODE.search(data)
        body = b'{"errcode":40029,"errmsg":"invalid code"}'
        if found:
            body = b'{"session_key":"MDEyMzQ1Njc4OWFiY2RlZg==","openid":"o%027d"}' % int(found[1])
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


@contextmanager
def quick_wechat(folder: Path) -> Iterator[tuple[str, Process]]:
    """The address and the process of a running one."""
    port = free_port()
    command = [sys.executable, "-m", "tests.harness.quickwechat", str(port)]
    process = Process(command, log=folder / "wechat.log", env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT)
    url = f"http://127.0.0.1:{port}"
    try:
        process.wait_for(url)
        yield url, process
    finally:
        process.kill()


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Connection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
