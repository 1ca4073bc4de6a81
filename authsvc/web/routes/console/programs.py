"""The page about mini programs, credentials of services, webhooks and signing keys, with their ages."""

import time

from flask import Response

from authsvc.values.operator import SignedInOperator
from authsvc.web.access import services
from authsvc.web.routes.console import frame
from authsvc.web.routes.console.operations import add_page

programs = frame.blueprint("programs")


def _programs(operator: SignedInOperator) -> Response:
    inventory, now = services().inventory, int(time.time())
    return frame.page(
        "programs.html",
        operator=operator,
        programs=inventory.programs(),
        credentials=inventory.services(),
        webhooks=services().webhooks.list_all(),
        keys=[(key, now - key.since if key.since else None) for key in inventory.signing_keys()],
    )


add_page(programs, "/programs", _programs, "Mini programs, credentials and keys")
