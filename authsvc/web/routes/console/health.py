"""The pages about health: WeChat's errors of the last day, and the doctor's lines."""

from collections import Counter

from flask import Response

from authsvc.values.operator import SignedInOperator
from authsvc.web.access import services
from authsvc.web.routes.console import drawings, frame
from authsvc.web.routes.console.operations import add_page

health = frame.blueprint("health")
# What somebody has to do something about.
_FIRST = ("wrong", "warning")


def _wechat(operator: SignedInOperator) -> Response:
    errors, words = services().wechat_errors, frame.words()
    hours = errors.by_hour()
    chart = drawings.by_hour(hours, name="wechat", title=words["wechat_by_hour"], description=words["wechat_what"])
    return frame.page("wechat.html", operator=operator, hours=hours, chart=chart, errors=errors.of_the_last_day())


def _health(operator: SignedInOperator) -> Response:
    lines = sorted(services().examination.lines(), key=lambda line: line.status not in _FIRST)
    counts = Counter(line.status for line in lines)
    return frame.page("health.html", operator=operator, lines=lines, wrong=counts["wrong"], warning=counts["warning"])


add_page(health, "/wechat", _wechat, "Errors of WeChat in the last day")
add_page(health, "/health", _health, "What the doctor says")
