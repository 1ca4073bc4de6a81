"""Faults: what can go wrong with an answer of WeChat, and the queue that applies them in order.

A new kind is one function in ``delivery.py`` and one line in ``KINDS``.
"""

import base64
import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response
from marshmallow import Schema, ValidationError, fields, validate

from authsvc.wxsim import delivery
from authsvc.wxsim.delivery import Answer, Deliver
from authsvc.wxsim.journal import Call

EVERY_PATH = "*"
MAX_MEGABYTES = 2048
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of fault: how it is delivered, its options, and whether it uses up the code by default."""

    deliver: Deliver
    options: Mapping[str, fields.Field[Any]]
    consume: bool


def _seconds(**more: Any) -> fields.Float:
    return fields.Float(validate=validate.Range(min=0), **more)


def _headers() -> fields.Dict:
    return fields.Dict(keys=fields.String(), values=fields.String(), load_default=dict)


def _check_base64(text: str) -> None:
    try:
        base64.b64decode(text, validate=True)
    except ValueError:
        raise ValidationError("not base64") from None


def _megabytes() -> fields.Integer:
    return fields.Integer(required=True, validate=validate.Range(min=1, max=MAX_MEGABYTES))


def _count(**more: Any) -> fields.Integer:
    return fields.Integer(validate=validate.Range(min=0), **more)


KINDS: dict[str, Kind] = {
    "ok": Kind(delivery.plain, {}, consume=True),
    "delay": Kind(delivery.plain, {"seconds": _seconds(required=True)}, consume=True),
    "errcode": Kind(
        delivery.errcode,
        {"errcode": fields.Integer(required=True), "errmsg": fields.String(load_default=None)},
        consume=False,
    ),
    "http_status": Kind(
        delivery.raw,
        {
            "status": fields.Integer(required=True, validate=validate.Range(min=200, max=599)),
            "body": fields.String(load_default=""),
            "content_type": fields.String(load_default="text/html"),
            "headers": _headers(),
        },
        consume=False,
    ),
    "raw": Kind(
        delivery.raw,
        {
            "status": fields.Integer(load_default=200, validate=validate.Range(min=200, max=599)),
            "body": fields.String(),
            "body_base64": fields.String(validate=_check_base64),
            "content_type": fields.String(load_default="text/plain"),
            "headers": _headers(),
        },
        consume=False,
    ),
    "redirect": Kind(
        delivery.redirect,
        {
            "status": fields.Integer(load_default=302, validate=validate.OneOf(_REDIRECTS)),
            "location": fields.String(required=True),
        },
        consume=False,
    ),
    "hang": Kind(delivery.hang, {"seconds": _seconds(load_default=None, allow_none=True)}, consume=True),
    "drip": Kind(
        delivery.drip,
        {
            "interval": _seconds(load_default=0.5),
            "from": fields.String(load_default="headers", validate=validate.OneOf(("headers", "body"))),
        },
        consume=True,
    ),
    "reset": Kind(delivery.reset, {"after_bytes": _count(load_default=0)}, consume=True),
    "cut": Kind(delivery.cut, {"at": _count(required=True)}, consume=True),
    "altered": Kind(
        delivery.altered, {"keep": _count(load_default=None, allow_none=True), "append": fields.String()}, consume=True
    ),
    "gzip_bomb": Kind(delivery.gzip_bomb, {"megabytes": _megabytes()}, consume=True),
    "big": Kind(delivery.big, {"megabytes": _megabytes()}, consume=True),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault for one answer. ``delay`` is seconds before anything is sent."""

    kind: str
    options: Mapping[str, Any]
    consume: bool
    delay: float

    @classmethod
    def parse(cls, raw: Any) -> "Fault":
        """Read ``{"kind": …, its options, "consume"?, "delay"?}``. Raises marshmallow's ValidationError."""
        if not isinstance(raw, Mapping) or raw.get("kind") not in KINDS:
            raise ValidationError({"kind": [f"One of: {', '.join(KINDS)}."]})
        name = raw["kind"]
        common: dict[str, fields.Field[Any]] = {
            "kind": fields.String(),
            "consume": fields.Boolean(load_default=KINDS[name].consume),
            "delay": _seconds(load_default=0.0),
        }
        options = Schema.from_dict({**KINDS[name].options, **common})().load(raw)
        if "body_base64" in options and "body" in options:
            raise ValidationError({"body": ["body or body_base64, not both."]})
        delay = options.pop("delay") + (options["seconds"] if name == "delay" else 0.0)
        return cls(options.pop("kind"), options, options.pop("consume"), delay)

    def deliver(self, answer: Answer, call: Call) -> Response:
        """Send ``answer`` with this fault, and record the outcome in ``call``."""
        return KINDS[self.kind].deliver(answer, self.options, call)


NO_FAULT = Fault("ok", {}, consume=True, delay=0.0)


@dataclass
class QueuedFault:
    """A fault for calls to ``path`` (or ``*``), with ``code`` if given; ``remaining`` None means forever."""

    id: int
    path: str
    code: str | None
    remaining: int | None
    fault: Fault
    applied: int = 0

    def matches(self, path: str, code: str | None) -> bool:
        """Whether it applies to a call."""
        return self.path in (EVERY_PATH, path) and self.code in (None, code)

    def render(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return {
            "id": self.id,
            "path": self.path,
            "code": self.code,
            "remaining": self.remaining,
            "applied": self.applied,
            "fault": {"kind": self.fault.kind, **self.fault.options, "consume": self.fault.consume},
        }


class FaultQueue:
    """Faults in the order of their requests; each call takes the first that matches.

    Safe across threads.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._lock = threading.Lock()
        self._queue: list[QueuedFault] = []
        self._numbers = itertools.count(1)

    def add(self, path: str, code: str | None, times: int | None, fault: Fault) -> QueuedFault:
        """Queue a fault for the next ``times`` matching calls (None: all)."""
        with self._lock:
            self._queue.append(queued := QueuedFault(next(self._numbers), path, code, times, fault))
            return queued

    def take(self, path: str, code: str | None) -> Fault | None:
        """Return the fault for a call that has just arrived, or None; used-up entries leave the queue."""
        with self._lock:
            queued = next((entry for entry in self._queue if entry.matches(path, code)), None)
            if queued is None:
                return None
            queued.applied += 1
            if queued.remaining is not None:
                queued.remaining -= 1
                if queued.remaining == 0:
                    self._queue.remove(queued)
            return queued.fault

    def waiting(self) -> list[QueuedFault]:
        """Return what is queued."""
        with self._lock:
            return list(self._queue)

    def clear(self) -> None:
        """Remove all faults; calls that already hang continue to hang."""
        with self._lock:
            self._queue.clear()
