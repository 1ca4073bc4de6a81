"""One GET to an address, as anybody would send it: headers included, nothing followed, five seconds at most."""

import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as TimeoutOfPool
from urllib3.util import Retry, Timeout

from authsvc import strictjson
from authsvc.connections import NotConnected, deadline
from authsvc.wechat.deadline import DeadlineAdapter

SECONDS = 5.0
_CONNECT_SECONDS = 3.0
_MOST_BYTES = 256 * 1024
_ONCE = Retry(total=False, redirect=False)


class Unfetched(Exception):
    """There is no answer; the text says why, without the address."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer. ``at`` is the local time (seconds UTC) in the middle of the call, ``seconds`` its duration.

    ``peer`` is the IP address that answered, and ``expires_at`` the end of its certificate (seconds UTC), if known.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    at: float
    seconds: float
    peer: str | None = None
    expires_at: float | None = None

    def json(self) -> dict[str, Any] | None:
        """Return the JSON object in the body, or None if there is none."""
        try:
            found = strictjson.read(self.body.decode("utf-8"))
        except ValueError:
            return None
        return found if isinstance(found, dict) else None


def fetch(
    base_url: str,
    path: str,
    *,
    proxy: str | None = None,
    ca_file: Path | None = None,
    headers: Mapping[str, str] | None = None,
) -> Fetched:
    """Return the answer to GET ``base_url`` + ``path``, with any status. Raises Unfetched."""
    adapter = DeadlineAdapter(str(ca_file or DEFAULT_CA_BUNDLE_PATH), connections=1)
    pool, prefix = adapter.pool_for(base_url, proxy)
    began, clock = time.time(), time.monotonic()
    try:
        with deadline(SECONDS):
            response = pool.urlopen(
                "GET",
                prefix + path,
                headers={"Accept": "*/*", "Accept-Encoding": "identity", **(headers or {})},
                retries=_ONCE,
                timeout=Timeout(connect=_CONNECT_SECONDS, read=SECONDS),
                preload_content=False,
                assert_same_host=False,
            )
            peer, expires_at = _facing(response)
            body = response.read(_MOST_BYTES + 1, decode_content=False)
            response.close()
    except NotConnected as failure:
        raise Unfetched(f"the proxy: {failure}" if failure.at_proxy else str(failure)) from None
    except (TimeoutError, TimeoutOfPool):
        raise Unfetched("no answer in time") from None
    except (HTTPError, OSError, ValueError) as error:
        raise Unfetched(f"the answer broke off ({type(error).__name__})") from None
    finally:
        pool.close()
    took = time.monotonic() - clock
    if len(body) > _MOST_BYTES:
        raise Unfetched("the answer is too long")
    return Fetched(response.status, response.headers, body, began + took / 2, took, peer, expires_at)


def _facing(response: Any) -> tuple[str | None, float | None]:
    """Return the address of the other side, and the end of its certificate."""
    sock = getattr(response.connection, "sock", None)
    if sock is None:
        return None, None
    peer = sock.getpeername()
    certificate = sock.getpeercert() if hasattr(sock, "getpeercert") else None
    ends = certificate.get("notAfter") if certificate else None
    return (
        str(peer[0]) if isinstance(peer, tuple) else None,
        float(ssl.cert_time_to_seconds(ends)) if isinstance(ends, str) else None,
    )
