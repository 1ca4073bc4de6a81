"""The phone blueprint: binds numbers with one tap, by the code of the button or by its encrypted data."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, request
from marshmallow import ValidationError, fields, validates_schema

from authsvc.services.phones.binding import Binding
from authsvc.values.sessions import Caller
from authsvc.values.wechat import EncryptedData
from authsvc.web.access import client_address, services
from authsvc.web.contracts import CONTRACTS
from authsvc.web.contracts.native import NATIVE, NativeTokens, NativeUser, envelope, enveloped, tokens_view, user_view
from authsvc.web.contracts.shape import Contract, Route
from authsvc.web.routing import Operation, View, add
from authsvc.web.schemas import Base64, Body, CodeField
from authsvc.web.who import PERSON, PUBLIC_OR_PERSON

phone = Blueprint("phone", __name__)


class PhoneFields(Body):
    """The code of the phone button, or its encrypted data."""

    code = CodeField(description="e.detail.code of the phone button; preferred")
    encryptedData = Base64()
    iv = Base64(exactly=16)

    @validates_schema
    def _either(self, data: dict[str, Any], **_: Any) -> None:
        if "code" in data:
            return
        missing = {name: ["required"] for name in ("encryptedData", "iv") if name not in data}
        if len(missing) == 2:
            missing = {"code": ["required"]}
        if missing:
            raise ValidationError(missing)


class NativeBinding(NativeUser):
    """The caller with the number; ``tokens`` if the number showed that the caller is another known user."""

    tokens = fields.Nested(NativeTokens(), allow_none=True, required=True)


def _bind(caller: Caller, body: dict[str, Any]) -> Mapping[str, Any]:
    phones = services().phones
    if "code" in body:
        return _binding_view(phones.bind_by_code(caller, body["code"], client_address()))
    return _binding_view(phones.bind_by_data(caller, EncryptedData(body["encryptedData"], body["iv"])))


def _unbind(caller: Caller) -> Mapping[str, Any]:
    return envelope(user_view(services().phones.unbind(caller)))


def _binding_view(binding: Binding) -> dict[str, Any]:
    tokens = tokens_view(binding.login)["data"] if binding.login else None
    return envelope({**user_view(binding.user), "tokens": tokens})


def _look_up(route: Route) -> View:
    def look_up(caller: Caller | None, body: dict[str, Any]) -> Mapping[str, Any]:
        found = services().phone_look_ups.number(
            body["code"],
            request.headers.get("Referer"),
            client_address(),
            caller=caller,
            ticket_text=body.get("openid") or None,
        )
        return route.render(found)

    return look_up


def _add_contract(contract: Contract, route: Route) -> None:
    operation = Operation(
        contract,
        PUBLIC_OR_PERSON,
        route.summary,
        route.answer,
        fields=route.fields,
        tag="phone",
        limited="phone",
    )
    add(phone, route.method, route.rule, operation, _look_up(route))


for _contract in CONTRACTS:
    for _route in _contract.routes:
        if _route.use == "look_up_phone":
            _add_contract(_contract, _route)

add(
    phone,
    "POST",
    "/api/v1/me/phone",
    Operation(
        NATIVE,
        PERSON,
        "Bind or change the caller's phone number",
        enveloped("NativeBindingAnswer", fields.Nested(NativeBinding(), required=True)),
        fields=PhoneFields(),
        tag="phone",
        limited="phone",
        step_up=True,
    ),
    _bind,
)
add(
    phone,
    "DELETE",
    "/api/v1/me/phone",
    Operation(
        NATIVE,
        PERSON,
        "Remove the caller's phone number",
        enveloped("NativeUnbindAnswer", fields.Nested(NativeUser(), required=True)),
        tag="phone",
        refuses=(404,),
        limited="phone",
        step_up=True,
    ),
    _unbind,
)
