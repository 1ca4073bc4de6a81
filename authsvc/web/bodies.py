"""Reads JSON bodies strictly, and writes JSON answers."""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from flask import Response, request
from marshmallow import Schema, ValidationError

from authsvc import strictjson
from authsvc.errors import (
    BodyNotUtf8,
    BodyTooLarge,
    BoundaryMissing,
    EmptyBody,
    FormDeclaredAsJson,
    FormExpected,
    FormSent,
    InvalidRequest,
    JsonInsideText,
    MalformedBody,
    UnsupportedMediaType,
    UploadMalformed,
)

MAX_BODY_BYTES = 16 * 1024
# For Flask's MAX_CONTENT_LENGTH: Flask silently cuts a chunked body there, so one more byte must be allowed.
READ_BYTES = MAX_BODY_BYTES + 1
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
# The beginning of a form: a name and its value, or the boundary before a part.
_FORM = re.compile(r"[A-Za-z_][A-Za-z0-9_.\[\]%-]{0,80}=|--[^\r\n]{1,100}\r?\ncontent-disposition:", re.IGNORECASE)
# Limits of an upload: parts (wx.uploadFile sends one, and one per entry of its formData), and header bytes per part.
_MOST_PARTS = 20
_MOST_PART_HEAD = 4096
_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}\Z")


def read(schema: Schema) -> dict[str, Any]:
    """Return the body as ``schema`` loads it.

    Raises BodyTooLarge, UnsupportedMediaType, MalformedBody (or their kinds that name the cause, if it is known), or
    InvalidRequest with every wrong field by its dotted name.
    """
    return _load(schema, _json_object())


def _load(schema: Schema, values: dict[str, Any]) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(values)
    except ValidationError as error:
        fields = dict(_flat(error.messages_dict))
        raise InvalidRequest(f"fields {sorted(fields)}", fields=fields) from None
    return loaded


def read_query(schema: Schema) -> dict[str, Any]:
    """Return the query as ``schema`` loads it; unknown parameters are ignored.

    Raises InvalidRequest.
    """
    return _load(schema, {name: request.args[name] for name in request.args if name in schema.fields})


def read_form(schema: Schema) -> dict[str, Any]:
    """Return the form in the body as ``schema`` loads it; unknown and empty parameters are ignored.

    RFC 6749 §3.2 requires that, and forbids duplicates. Raises BodyTooLarge, FormExpected or InvalidRequest.
    """
    data = _data()
    if request.mimetype != "application/x-www-form-urlencoded":
        raise FormExpected("not declared as a form")
    pairs = [(name, value) for name, value in parse_qsl(data.decode("utf-8", "replace")) if name in schema.fields]
    values = dict(pairs)
    if len(values) < len(pairs):
        raise InvalidRequest("a duplicate parameter", fields={name: ["malformed"] for name in values})
    return _load(schema, values)


def form_member(name: str) -> str:
    """Return a member of the form in the body; empty without one, or if it comes twice. Raises BodyTooLarge."""
    data = _data()
    if request.mimetype != "application/x-www-form-urlencoded":
        return ""
    values = [value for key, value in parse_qsl(data.decode("utf-8", "replace")) if key == name]
    return values[0] if len(values) == 1 else ""


def read_upload(part: str, most_bytes: int) -> bytes | None:
    """Return the file in a multipart body of at most ``most_bytes``, or None if there is none.

    Raises UploadMalformed for any other body, BoundaryMissing, BodyTooLarge.
    """
    # Parsing two megabytes of another kind of form takes half a second.
    if request.mimetype != "multipart/form-data":
        raise UploadMalformed("not a multipart form")
    if not request.mimetype_params.get("boundary"):
        raise BoundaryMissing
    request.max_content_length = most_bytes
    # Counted before parsing, which would take long for anything but an upload.
    if not _few_small_parts(request.get_data(), request.mimetype_params.get("boundary", "")):
        return None
    file = request.files.get(part)
    return None if file is None else file.read()


def _few_small_parts(body: bytes, boundary: str) -> bool:
    delimiter = f"--{boundary}".encode()
    if body.count(delimiter) > _MOST_PARTS + 1:  # one closes the last part
        return False
    return all(len(piece.partition(b"\r\n\r\n")[0]) < _MOST_PART_HEAD for piece in body.split(delimiter))


def write(body: Mapping[str, Any], status: int = 200) -> Response:
    """Return ``body`` as a JSON answer, in UTF-8 without escapes.

    Half of a surrogate pair, as in a nickname that was cut through an emoji, has no UTF-8 form and stays an escape.
    """
    return Response(as_json(body), status, mimetype="application/json")


def as_json(body: Mapping[str, Any]) -> bytes:
    """Return ``body`` as ``write`` writes it."""
    return _ENCODER.encode(body).encode("utf-8", "backslashreplace")


def _data() -> bytes:
    data = request.get_data()  # kept: the guard of a page reads the form before the route does
    if len(data) > MAX_BODY_BYTES:
        raise BodyTooLarge
    if request.content_encoding not in (None, "identity"):
        raise UnsupportedMediaType("with a content coding")
    return data


def _json_object() -> dict[str, Any]:
    data = _data()
    if not data:
        raise EmptyBody
    if request.mimetype in _FORMS:
        raise FormSent(request.mimetype)
    if not request.is_json:
        raise UnsupportedMediaType("not declared as JSON")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise BodyNotUtf8 from None
    value = _parsed(text)
    if isinstance(value, str) and value.lstrip().startswith("{"):
        raise JsonInsideText
    if not isinstance(value, dict):
        raise MalformedBody("JSON, but not an object")
    return value


def _parsed(text: str) -> Any:
    try:
        return strictjson.read(text)
    except ValueError:
        if _FORM.match(text):
            raise FormDeclaredAsJson from None
        raise MalformedBody("not JSON") from None


def _flat(messages: Mapping[Any, Any], prefix: str = "") -> list[tuple[str, list[str]]]:
    """Turn marshmallow's nested messages into dotted names. Unknown names from the request are not repeated."""
    found = []
    for name, reasons in messages.items():
        safe = name if isinstance(name, str) and _FIELD_NAME.match(name) else "?"
        path = f"{prefix}{safe}"
        if isinstance(reasons, Mapping):
            found += _flat(reasons, f"{path}.")
        else:
            found.append((path.removesuffix("._schema"), [str(reason) for reason in reasons]))
    return found
