"""Examples of bodies, answers and query parameters, generated from the schemas.

A member's example comes from its name, and is the same everywhere; a test validates each one against its schema.
"""

from collections.abc import Mapping
from typing import Any

Schema = Mapping[str, Any]

_APPID = "wx51a051a051a051a0"
_OPENID = "oAbC1dEfGhIjKlMnOpQrStUvWxYz"
_CODE = "0a3Xyl000aBcDeFgHi1jKlMnOp0Xyl0k"
_THEN = 1764288000
_JWT = "eyJhbGciOiJFUzI1NiIsImtpZCI6Ii4uLiJ9.eyJzdWIiOiIxNyJ9.c2lnbmF0dXJl"
_AVATAR = "https://thirdwx.qlogo.cn/mmopen/vi_32/example/132"
_NAME = "3q2-7wAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxw.jpg"
_AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) MicroMessenger/8.0.50"

# By the member's name; with the schema's name before it, for members that mean something else there.
_VALUES: dict[str, Any] = {
    "NativeError.code": 400,
    "CodeMsgDataError.code": 400,
    "CodeMessageDataError.code": 400,
    "SuccessDataError.success": False,
    "CodeMessageDataError.error": "Bad Request",
    "CloudUser.created_at": "2025-11-28T00:00:00Z",
    "CloudUser.id": "17",
    "NativeIdentity.id": 17,
    "NativeArrival.number": 1,
    "ScanPoll.id": "9f" * 32,
    "NativeScanStarted.id": "9f" * 32,
    "WxRegister.openid": "sealed-ticket",
    "MergeInto.into": "18",
    "MergeReason.into": "18",
    "MergeReason.reason": "one person with two phones, ticket 4711",
    "Reason.reason": "two people after all, ticket 4711",
    "OperatorMergedIdentity.id": 17,
    "OperatorMergePreview.into": "18",
    "OperatorMergePreview.phone": "moves",
    "OperatorMergePreview.invite": "none",
    "OperatorMergePreview.invite_codes": 1,
    "OperatorMergePreview.invited_people": 3,
    "OperatorMergePreview.code_pictures": 1,
    "NativeChanges.cursor": "1200",
    "NativeChange.into": None,
    "NativeEntry.into": None,
    "NativeEntry.unionid": "o6_bmasdasdsad6_2sgVt7hMZOPfL",
    "NativeEntry.phone": "+8613800138000",
    "OperatorIdentity.id": 17,
    "OperatorInvite.code": "K7XQ2MNP",
    "OperatorEvent.event": "disable",
    "OperatorEvent.detail": "by the operator",
    "OperatorLine.check": "database.reachable",
    "OperatorLine.says": "MariaDB 11.4 answers",
    "OperatorLine.todo": "",
    "OperatorProgram.name": "小店",
    "OperatorProgram.token_failure": None,
    "OperatorService.name": "billing",
    "OperatorService.scopes": ["introspect"],
    "OperatorWebhook.name": "orders",
    "OperatorWebhook.url": "https://orders.example.com/hooks/authsvc",
    "OperatorWebhook.events": ["person.erased"],
    "OperatorWebhook.scopes": [],
    "OperatorDeadMessage.webhook": "orders",
    "OperatorDeadMessage.event": "person.erased",
    "OperatorDeadMessage.error": "HTTP status 500",
    "OperatorWeChatError.error": "wechat_busy",
    "access_token": _JWT,
    "active": True,
    "address": "203.0.113.7",
    "after": "1200",
    "appid": _APPID,
    "asked_at": _THEN,
    "at": _THEN,
    "aud": _APPID,
    "audience": _APPID,
    "avatar": _AVATAR,
    "avatarUrl": _AVATAR,
    "avatar_url": _AVATAR,
    "before": "1200",
    "batch": "spring-2027",
    "calls": 3,
    "checks": {"database": True, "migrations": True, "keys": True},
    "city": "",
    "claimed_phone": None,
    "client_id": _APPID,
    "code": _CODE,
    "consentVersion": "2026-11",
    "closed_at": None,
    "contract": "native",
    "count": 3,
    "country": "",
    "countryCode": "86",
    "created_at": _THEN,
    "day": "2026-11-28",
    "detail": "请求参数有误",
    "device": _AGENT,
    "encryptedData": "CiyLU1Aw2KjvrjMdj8YKliAjtP4gsMZMQmRzooG2xrDcvSnxIMXFufNstNGTyaGS",
    "ended_at": None,
    "endpoint": "/sns/jscode2session",
    "erased_after": _THEN + 1_296_000,
    "error": "invalid_request",
    "error_description": "The request is not valid",
    "event": "login",
    "exp": _THEN + 900,
    "expires_at": _THEN + 900,
    "expires_in": 900,
    "forwarded": ["203.0.113.7"],
    "gender": 0,
    "given_at": _THEN,
    "iat": _THEN,
    "id_token_signing_alg_values_supported": ["ES256"],
    "id": "17",
    "Home.description": "authsvc signs people in to mini programs with WeChat",
    "Home.links": {"health": "/healthz", "openapi": "/openapi.json"},
    "Home.name": "authsvc",
    "Home.version": "0.1.0",
    "into": "18",
    "introspection_endpoint": "https://login.example.com/oauth/introspect",
    "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
    "issuer": "https://login.example.com",
    "invite_code": "K7XQ2MNP",
    "invited_at": _THEN,
    "iss": "https://login.example.com",
    "iv": "r7BXXKkLb8qrSNn05n0qiA==",
    "jwks_uri": "https://login.example.com/.well-known/jwks.json",
    "jti": "Zk3l9mQpT0yXc1Vb2Nn4wg",
    "kid": "d9LXz1Z4bJm0eV7rQfK2sT6uWnYgHcPaXoEiRkMjUvA",
    "lang": "zh-CN",
    "language": "zh_CN",
    "last_login_at": _THEN,
    "last_used_at": _THEN,
    "latest": _THEN,
    "line_color": "07c160",
    "max_uses": 100,
    "merged_ids": ["19"],
    "merged_into": None,
    "message": "ok",
    "msg": "ok",
    "next": None,
    "nickName": "小明",
    "nickname": "小明",
    "number": 1,
    "openId": _OPENID,
    "openapi": "3.1.0",
    "openid": _OPENID,
    "operator": "alice",
    "origin": "https://www.example.com",
    "owner": "17",
    "page": "pages/index/index",
    "phone": "13800138000",
    "phoneCode": "f" * 64,
    "phones": ["+8613800138000"],
    "picture": "data:image/jpeg;base64,/9j/4AAQSkZJRg==",
    "platCode": _CODE,
    "poll_after": 2,
    "province": "",
    "q": "小明",
    "qr_code_url": f"https://login.example.com/qrcodes/{_NAME}",
    "grant_types_supported": [],
    "response_types_supported": [],
    "rawData": '{"nickName":"小明"}',
    "reason": None,
    "refresh_token": f"6928d1a0u3nXc0Jq2kS4wYb7Tz9LmQ.0.{'R' * 43}",
    "request_id": "5f0c2d9a7b3e4f1c8a6d0e9b2c4f7a10",
    "revocation_endpoint": "https://login.example.com/oauth/revoke",
    "revocation_endpoint_auth_methods_supported": ["client_secret_basic"],
    "roles": ["shop:12", "staff"],
    "scene": "i=K7XQ2MNP",
    "scope": "local",
    "session_id": "6928d1a0u3nXc0Jq2kS4wYb7Tz9LmQ",
    "sex": 0,
    "sid": "6928d1a0u3nXc0Jq2kS4wYb7Tz9LmQ",
    "signature": "75e81ceda165f4ffa64f4068af58c64b8f54b88c",
    "since": _THEN,
    "sub": "17",
    "subs": ["17", "18"],
    "subject_types_supported": ["public"],
    "success": True,
    "ticket": "Zk3l9mQpT0yXc1Vb2Nn4wg",
    "timestamp": "2026-11-28T00:00:00Z",
    "token": _JWT,
    "token_type_hint": "access_token",
    "unionId": "ocMvos6NjeKLIBqg5Mr9QjxrP1FA",
    "url": f"https://login.example.com/qrcodes/{_NAME}",
    "user_id": "17",
    "uses": 3,
    "version": "2026-11",
    "width": 430,
    "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
    "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
}
# Where an answer's success is the number in ``code``.
_SUCCESS = 0


def add_examples(document: dict[str, Any]) -> None:
    """Add an example to each JSON or form body and answer of ``document``, and to each query parameter."""
    schemas = document["components"]["schemas"]
    for operations in document["paths"].values():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if "$ref" in content["schema"]:
                    content["example"] = _least(content["schema"], schemas)
            _add_to_answers(operation["responses"], schemas)
            _add_to_query(operation["parameters"], schemas)


def _add_to_answers(answers: Schema, schemas: Schema) -> None:
    for answer in answers.values():
        for media, content in answer.get("content", {}).items():
            if "json" in media and "example" not in content:
                content["example"] = example(content["schema"], schemas)


def _add_to_query(parameters: list[Any], schemas: Schema) -> None:
    for parameter in parameters:
        if parameter["in"] == "query" and "example" not in parameter:
            parameter["example"] = _member("", parameter["name"], parameter["schema"], schemas)


def example(schema: Schema, schemas: Schema, name: str = "") -> Any:
    """Return an example of ``schema``, whose references point into ``schemas``."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return example(schemas[name], schemas, name)
    for alternatives in ("anyOf", "oneOf", "allOf"):
        if alternatives in schema and "properties" not in schema:
            return example(schema[alternatives][0], schemas, name)
    kind = _kind(schema)
    if kind == "object":
        members = schema.get("properties", {})
        return {member: _member(name, member, described, schemas) for member, described in members.items()}
    if kind == "array":
        return [example(schema["items"], schemas, name)] if "items" in schema else []
    return {"boolean": False, "integer": schema.get("minimum", 0), "string": "text"}.get(kind or "")


def _least(schema: Schema, schemas: Schema) -> Any:
    """Return an example of a body with the members that it must have, or with all if it need have none."""
    body = schemas[schema["$ref"].rpartition("/")[2]]
    needed = {*body.get("required", ()), *body.get("anyOf", body.get("oneOf", [{}]))[0].get("required", ())}
    whole = example(schema, schemas)
    return {name: value for name, value in whole.items() if name in needed} or whole


def _member(owner: str, name: str, schema: Schema, schemas: Schema) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    value = _VALUES.get(f"{owner}.{name}", _VALUES.get(name, example))
    kind = _kind(schema)
    if value is not example and (kind in _kinds(value) or (value is None and "null" in schema.get("type", ()))):
        return value
    if name == "code" and kind == "integer":
        return _SUCCESS
    return example(schema, schemas, owner)


def _kind(schema: Schema) -> str | None:
    kind = schema.get("type")
    return kind if kind is None or isinstance(kind, str) else str(kind[0])


def _kinds(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return ("array",)
    if isinstance(value, bool):
        return ("boolean",)
    return ("integer", "number") if isinstance(value, int) else ("string",)
