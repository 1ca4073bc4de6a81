"""The OpenAPI 3.1 document, generated from the declarations of the routes."""

from collections.abc import Iterable
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from flask import current_app

from authsvc import __version__
from authsvc.errors import error_kinds
from authsvc.web import bodies
from authsvc.web.contracts import CONTRACTS
from authsvc.web.openapi.examples import add_examples
from authsvc.web.openapi.operations import describe
from authsvc.web.routing import Operation, declared

_KEY = "authsvc-openapi"
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A person's access token"},
    "basic": {"type": "http", "scheme": "basic", "description": "A service's credential: name and secret"},
    "operator": {"type": "http", "scheme": "bearer", "description": "An operator's credential: name.secret"},
    "credential": {"type": "http", "scheme": "bearer", "description": "The same in one piece: name.secret"},
}
_INTRODUCTION = """\
A self-hosted login service for WeChat mini programs.

Each operation has two tags: its subject, and its contract, which is the shape of requests and answers. `native` is
authsvc's own; the others are those of existing front ends.

## Errors

| `error` | sentence | `action` |
|---|---|---|
"""
_SUBJECTS = {
    "auth": "Signing in, and the sessions that follow.",
    "people": "A person's own profile, identities, consents and data.",
    "phone": "Phone numbers that WeChat has verified.",
    "invites": "Invite codes, and who came with them.",
    "qrcode": "Mini-program codes (小程序码) that carry an invite code, and their pictures.",
    "scan to sign in": "Signing a browser in with a phone.",
    "discovery": "What other services read in order to verify tokens.",
    "ops": "Health and metrics, for operators.",
    "internal": "For the company's other services, with a service credential.",
    "operator": "For the people of support and marketing, with an operator's credential.",
    "wechat": "Messages that WeChat pushes.",
    "oauth": "Introspection and revocation of tokens, in the shapes of the RFCs.",
    "gateway": "For a proxy that asks whether a request is signed in.",
}


def document() -> bytes:
    """Return the document of the current app as JSON. The first call generates it, which takes about 50 ms."""
    extensions = current_app.extensions
    if _KEY not in extensions:
        extensions[_KEY] = bodies.as_json(_document(declared(current_app), extensions["authsvc-metadata"]["issuer"]))
    made: bytes = extensions[_KEY]
    return made


def _document(routes: Iterable[tuple[str, str, Operation]], server: str) -> dict[str, Any]:
    plugin = MarshmallowPlugin()
    spec = APISpec("authsvc", __version__, "3.1.0", plugins=[plugin], info=_info(), servers=[{"url": server}])
    for name, scheme in _SCHEMES.items():
        spec.components.security_scheme(name, scheme)
    tags = set()
    for method, path, operation in routes:
        if operation.contract.for_browsers:
            continue
        described = describe(path, method, operation)
        tags |= set(described["tags"])
        spec.path(path, operations={method.lower(): described})
    for tag in _tags():
        if tag["name"] in tags:
            spec.tag(tag)
    _constrain(spec, plugin)
    made: dict[str, Any] = spec.to_dict()
    add_examples(made)
    return made


def _info() -> dict[str, Any]:
    rows = (f"| `{kind.error}` | {kind.zh}<br>{kind.en} | `{kind.action}` |\n" for kind in error_kinds())
    return {
        "description": _INTRODUCTION + "".join(rows),
        "contact": {"name": "authsvc"},
        "license": {"name": "MIT", "identifier": "MIT"},
    }


def _tags() -> list[dict[str, str]]:
    contracts = {contract.name: f"The contract {contract.name}." for contract in CONTRACTS}
    return [{"name": name, "description": text} for name, text in {**_SUBJECTS, **contracts}.items()]


def _constrain(spec: APISpec, plugin: MarshmallowPlugin) -> None:
    """Add what a schema says about several members together, which fields cannot express."""
    assert plugin.converter is not None  # noqa: S101 (it exists as soon as the plugin belongs to a document)
    for key, name in plugin.converter.refs.items():
        spec.components.schemas[name].update(getattr(key[0], "constraints", {}))
