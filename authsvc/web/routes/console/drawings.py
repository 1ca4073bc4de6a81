"""The charts of the console's pages."""

from collections.abc import Sequence

from markupsafe import Markup

from authsvc.values.operator import ByDay
from authsvc.web import charts
from authsvc.web.routes.console import writing


def by_day(counts: ByDay, *, name: str, title: str, description: str) -> Markup:
    """Return the chart of counts by day; ``description`` has a place for their ``total``."""
    labelled = [(writing.day(day), count) for day, count in counts.days]
    return charts.bars(labelled, name=name, title=title, description=description.format(total=counts.total))


def by_hour(counts: Sequence[tuple[int, int]], *, name: str, title: str, description: str) -> Markup:
    """Return the chart of counts by hour (its beginning in seconds UTC); the rest is as above."""
    labelled = [(writing.hour(begins), count) for begins, count in counts]
    total = sum(count for _, count in counts)
    return charts.bars(labelled, name=name, title=title, description=description.format(total=total))
