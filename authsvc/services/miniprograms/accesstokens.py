"""Calls to WeChat that need an access_token, and providing it to the company's other services."""

import logging
from collections.abc import Callable
from typing import TypeVar

from authsvc.errors import AccessTokenRejected, WeChatMisconfigured
from authsvc.services.miniprograms.apps import Apps
from authsvc.tokenstore.store import AccessTokenStore
from authsvc.values.wechat import FetchedToken, MiniProgram, TokenStatus

logger = logging.getLogger(__name__)

T = TypeVar("T")


class AccessTokens:
    """Provides the access_token of a mini program."""

    def __init__(self, store: AccessTokenStore, apps: Apps) -> None:
        self._store = store
        self._apps = apps

    def call(self, app: MiniProgram, work: Callable[[str], T]) -> T:
        """Call ``work`` with a live access_token and return its result.

        If WeChat rejects that token, it is replaced (once for all callers that notice at the same time) and ``work``
        runs once more; WeChat has not looked at the rest of such a request. A second rejection is not caused by the
        token and raises WeChatMisconfigured. Also raises AccessTokenUnavailable, WeChatQuotaExhausted, and what
        ``work`` raises.
        """
        token = self._store.get(app)
        try:
            return work(token)
        except AccessTokenRejected as rejection:
            logger.info("access_token of %s rejected: %s", app.appid, rejection)
        token = self._store.replace(app, token)
        try:
            return work(token)
        except AccessTokenRejected as rejection:
            detail = f"the replaced access_token is rejected too: {rejection}"
            raise WeChatMisconfigured(detail, rejection.errcode, rejection.errmsg) from None

    def lend(self, appid: str | None) -> FetchedToken:
        """Return a live access_token and its remaining seconds. Raises UnknownApp, or as ``call`` does."""
        return self._store.lend(self._apps.choose(appid, None))

    def replace(self, appid: str | None, rejected: str) -> FetchedToken:
        """Return a token to replace one that WeChat rejected for another service. Raises as ``lend`` does."""
        app = self._apps.choose(appid, None)
        self._store.replace(app, rejected)
        return self._store.lend(app)

    def peek(self, appid: str | None) -> TokenStatus:
        """Return the status of the stored token, without the token. Raises UnknownApp."""
        return self._store.peek(self._apps.choose(appid, None))

    def refresh(self, appid: str | None) -> TokenStatus:
        """Fetch a token from WeChat now, and return its status. Raises as ``lend`` does."""
        app = self._apps.choose(appid, None)
        self._store.refresh(app)
        return self._store.peek(app)
