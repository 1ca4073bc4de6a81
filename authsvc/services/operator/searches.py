"""What an operator searched, for addresses of pages.

It may be a phone number or an openid, and addresses stay in browsers and in the logs of proxies. So an address holds a
search only sealed.
"""

from authsvc.sealing import Sealer


class Searches:
    """Seals and opens searches."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, text: str) -> str:
        """Return what stands for a search in an address."""
        return self._sealer.seal(text)

    def open(self, sealed: str) -> str | None:
        """Return the search, or None if it was not sealed here."""
        return self._sealer.open(sealed)
