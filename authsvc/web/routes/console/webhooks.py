"""The page about one webhook: the messages to another service that were given up."""

from typing import Any

from flask import Response

from authsvc.errors import NotFound
from authsvc.values.operator import Refused, SignedInOperator
from authsvc.web.access import services
from authsvc.web.routes.console import frame
from authsvc.web.routes.console.operations import add_page
from authsvc.web.schemas import Body, Text

webhooks = frame.blueprint("webhooks")

MOST_DEAD = 100


class _Webhook(Body):
    name = Text(40, required=True)


def _webhook(operator: SignedInOperator, body: dict[str, Any]) -> Response:
    try:
        dead = services().webhooks.dead(body["name"])
    except Refused:
        raise NotFound("no such webhook") from None
    return frame.page(
        "webhook.html", operator=operator, name=body["name"], dead=dead[:MOST_DEAD], total=len(dead), most=MOST_DEAD
    )


add_page(webhooks, "/webhook", _webhook, "Messages to a webhook that were given up", fields=_Webhook())
