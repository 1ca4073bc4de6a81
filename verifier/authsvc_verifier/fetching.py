"""Fetches from authsvc only: one host, over TLS or on this machine, with limits for time and size."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import requests
import urllib3

from authsvc_verifier.errors import FetchFailed
from authsvc_verifier.timelimit import LimitedAdapter, TimeLimit

_LOOPBACK_HOSTS = {"127.0.0.1", "::1", "localhost"}
_SECONDS = 5
_AT_ONCE = 64 * 1024


class Fetcher:
    """Fetches below one base address. Used by one thread at a time."""

    def __init__(self, base_url: str, ca_file: str | None) -> None:
        """Raises ValueError unless the address is https, or http on this machine."""
        parts = urlsplit(base_url)
        if not (
            (parts.scheme == "https" and parts.hostname)
            or (parts.scheme == "http" and parts.hostname in _LOOPBACK_HOSTS)
        ):
            raise ValueError("the address of authsvc must be https, or http on this machine")
        self._base_url = base_url.rstrip("/")
        self._ca_file = ca_file
        self.reset()

    def reset(self) -> None:
        """Drop all connections, because after a fork they belong to the parent."""
        self._limit = TimeLimit(_SECONDS)
        self._session = requests.Session()
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, LimitedAdapter(self._limit))
        # The environment may have proxies, and a .netrc whose password would replace our credential.
        self._session.trust_env = False

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(
        self, path: str, most: int, headers: Mapping[str, str], query: Mapping[str, int] | None = None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        """Return status (200 or 304), body of at most ``most`` bytes, and headers. Raises FetchFailed."""
        try:
            with self._limit:
                found = self._get(path, most, headers, query)
                if self._limit.is_over:  # an answer without a length ends where it is cut off
                    raise TimeoutError
                return found
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            said = f"took longer than {_SECONDS} seconds" if self._limit.is_over else type(error).__name__
            raise FetchFailed(f"{path} could not be fetched: {said}") from None

    def _get(
        self, path: str, most: int, headers: Mapping[str, str], query: Mapping[str, int] | None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        with self._session.get(
            self._base_url + path,
            params=query,
            headers=dict(headers),
            timeout=_SECONDS,
            stream=True,
            allow_redirects=False,
            verify=self._ca_file or True,
        ) as answer:
            if answer.status_code not in (200, 304):
                raise FetchFailed(f"{path} answered {answer.status_code}")
            return answer.status_code, _body(answer.raw, most, path), answer.headers


def _body(raw: urllib3.HTTPResponse, most: int, path: str) -> bytes:
    body = bytearray()
    # Not read(), which would read all of it, whatever its size.
    while chunk := raw.read1(_AT_ONCE, decode_content=True):
        body += chunk
        if len(body) > most:
            raise FetchFailed(f"{path} is larger than {most} bytes")
    return bytes(body)
