"""What an endpoint is asked: the request's fields, secrets in clear, and the journal entry for notes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from authsvc.wxsim.errors import WeChatRefusal
from authsvc.wxsim.journal import Call
from authsvc.wxsim.state import App, World


@dataclass(frozen=True)
class Asked:
    """A request to an endpoint.

    `body` is the JSON object of a POST, empty when there is none; `text` is as sent.
    """

    query: dict[str, str] = field(repr=False)
    text: str = field(repr=False)
    body: dict[str, Any] = field(repr=False)
    call: Call


def require_object(asked: Asked) -> dict[str, Any]:
    """Return the JSON object of a POST. Raises `WeChatRefusal` 44002 (empty) or 47001 (not a JSON object)."""
    if not asked.text:
        raise WeChatRefusal(44002)
    try:
        parsed = json.loads(asked.text)
    except ValueError:
        raise WeChatRefusal(47001) from None
    if not isinstance(parsed, dict):
        raise WeChatRefusal(47001)
    return parsed


def require_app(world: World, appid: str, secret: str) -> App:
    """Return the app that knows `secret`. Raises `WeChatRefusal` 40013 or 40125, in this order."""
    app = world.find_app(appid)
    if app is None:
        raise WeChatRefusal(40013)
    if secret != app.secret:
        raise WeChatRefusal(40125)
    return app
