"""The pages of the console: an error is a page, and whoever is not signed in is led to where they can."""

from flask import Response, request

from authsvc.errors import Unauthenticated
from authsvc.web.contracts.native import NATIVE
from authsvc.web.contracts.shape import Contract, Problem
from authsvc.web.routes.console import frame


def _page(problem: Problem) -> Response:
    if isinstance(problem.error, Unauthenticated) and request.method in ("GET", "HEAD"):
        return frame.redirect(frame.SIGN_IN)
    return frame.page("refused.html", problem.status, problem=problem, sentence=frame.sentence(problem.error))


CONSOLE = Contract(
    name="console",
    prefixes=(f"{frame.PREFIX}/",),
    render_error=NATIVE.render_error,
    error_answer=NATIVE.error_answer,
    page=_page,
    for_browsers=True,
)
