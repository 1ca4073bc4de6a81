"""The pages about invites: by day, campaigns and their codes, and the pictures that carry a code."""

from typing import Any

from flask import Response

from authsvc.errors import NotFound
from authsvc.services.invites import spelling
from authsvc.values.invites import InviteCode
from authsvc.values.operator import ByDay, Refused, SignedInOperator
from authsvc.web.access import services
from authsvc.web.routes.console import drawings, frame
from authsvc.web.routes.console.operations import add_act, add_page
from authsvc.web.schemas import APPID, Body, Text

invites = frame.blueprint("invites")

MOST_CODES = 50


class _Batch(Body):
    name = Text(64, required=True)


class _Code(Body):
    code = Text(20, required=True)


class _Shown(_Code):
    done = Text(20)


class _Picture(_Code):
    appid = Text(18, APPID, required=True)


def _overview(operator: SignedInOperator) -> Response:
    uses = services().readings.uses()
    return frame.page(
        "invites.html", operator=operator, uses=uses, uses_chart=_chart(uses), campaigns=services().campaigns.stats()
    )


def _batch(operator: SignedInOperator, body: dict[str, Any]) -> Response:
    name, campaigns = body["name"], services().campaigns
    figures = next((found for found in campaigns.stats() if found.batch == name), None)
    if figures is None:
        raise NotFound("no such batch")
    uses = services().readings.uses(name)
    return frame.page(
        "batch.html",
        operator=operator,
        name=name,
        figures=figures,
        uses=uses,
        uses_chart=_chart(uses),
        codes=[(code, campaigns.fault(code)) for code in campaigns.first(MOST_CODES, batch=name)],
        most=MOST_CODES,
    )


def _code(operator: SignedInOperator, body: dict[str, Any]) -> Response:
    found = _existing(body["code"].strip())
    apps, qrcodes = services().apps, services().qrcodes
    return frame.page(
        "code.html",
        operator=operator,
        done="drawn" if body.get("done") == "drawn" else None,
        invite=found,
        fault=services().campaigns.fault(found),
        pictures=[(apps.get(appid), qrcodes.stored_of_invite(appid, found.code)) for appid in apps.ids()],
    )


def _draw(operator: SignedInOperator, body: dict[str, Any]) -> Response:
    """Have WeChat draw the picture of a code; it is stored, and the page shows it."""
    found = _existing(body["code"])
    services().qrcodes.of_invite(body["appid"], found.code)
    return frame.redirect(f"/invites/code?code={found.code}&done=drawn")


def _existing(code: str) -> InviteCode:
    """Return an invite code; raises NotFound."""
    if not spelling.PATTERN.match(code):
        raise NotFound("not an invite code")
    try:
        return services().campaigns.named([code])[0]
    except Refused:
        raise NotFound("no such invite code") from None


def _chart(uses: ByDay) -> Any:
    words = frame.words()
    return drawings.by_day(uses, name="uses", title=words["uses"], description=words["uses_what"])


add_page(invites, "/invites", _overview, "Invites by day, and campaigns")
add_page(invites, "/invites/batch", _batch, "One campaign", fields=_Batch())
add_page(invites, "/invites/code", _code, "One invite code", fields=_Shown())
add_act(invites, "/invites/picture", _draw, "Have WeChat draw a code", "support", _Picture())
