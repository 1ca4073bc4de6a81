"""Reads the JSON bodies of the two tool interfaces; unknown names and wrong types get 400."""

from typing import Any

from flask import abort, request
from marshmallow import Schema, ValidationError, fields, validate

from authsvc.wxsim.sealing import BadKey, decode_key


def load(schema: Schema) -> dict[str, Any]:
    """Return the request's JSON object as loaded by ``schema``; a missing body is an empty object.

    Raises marshmallow's ValidationError, which the app answers with 400 and the wrong fields.
    """
    body = request.get_json(silent=True) if request.data else {}
    if not isinstance(body, dict):
        abort(400, "the body must be a JSON object, sent as application/json")
    loaded: dict[str, Any] = schema.load(body)
    return loaded


def check_key(text: str) -> None:
    """Raise ValidationError unless ``text`` is base64 of 16 bytes (session_key, iv)."""
    try:
        decode_key(text)
    except BadKey as error:
        raise ValidationError(str(error)) from None


def name_field(**more: Any) -> fields.String:
    """Return a field for a short text that names something."""
    return fields.String(validate=validate.Length(min=1, max=128), **more)


def key_field(**more: Any) -> fields.String:
    """Return a field for a session_key or iv; None if missing."""
    return fields.String(validate=check_key, load_default=None, **more)


def seconds_field(**more: Any) -> fields.Float:
    """Return a field for a duration in seconds."""
    return fields.Float(validate=validate.Range(min=0), **more)
