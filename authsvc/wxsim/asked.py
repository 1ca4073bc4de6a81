"""A request to an endpoint: its fields, with secrets in plain text, and its journal entry."""

import json
from dataclasses import dataclass, field
from typing import Any

from authsvc.wxsim.errcodes import WeChatRefusal
from authsvc.wxsim.journal import Call
from authsvc.wxsim.world import App, World


@dataclass(frozen=True, slots=True)
class Asked:
    """A request to an endpoint.

    ``body`` is the JSON object of a POST, empty if there is none; ``text`` is the body as sent.
    """

    query: dict[str, str] = field(repr=False)
    text: str = field(repr=False)
    body: dict[str, Any] = field(repr=False)
    call: Call


def require_object(asked: Asked) -> dict[str, Any]:
    """Return the JSON object of a POST. Raises WeChatRefusal 44002 (empty) or 47001 (not a JSON object)."""
    if not asked.text:
        raise WeChatRefusal(44002)
    parsed = object_of(asked.text)
    if parsed is None:
        raise WeChatRefusal(47001)
    return parsed


def object_of(text: str) -> dict[str, Any] | None:
    """Return the JSON object in a text, or None."""
    try:
        parsed = json.loads(text)
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def require_app(world: World, appid: str, secret: str) -> App:
    """Return the app with this ``secret``. Raises WeChatRefusal 40013 or 40125, in this order."""
    app = world.find_app(appid)
    if app is None:
        raise WeChatRefusal(40013)
    if secret != app.secret:
        raise WeChatRefusal(40125)
    return app
