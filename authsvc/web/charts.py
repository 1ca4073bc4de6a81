"""Charts as SVG inside of HTML: from labelled numbers to markup, without scripts, styles or anything from elsewhere.

Colours are those of the page: the classes ``chart``, ``bar``, ``line`` and ``label`` get theirs from its style sheet.
The same numbers belong in a table beside the chart.
"""

from collections.abc import Sequence

from markupsafe import Markup

# Shown 340 to 530 pixels wide, so its text of 13 has 11 to 17.
_WIDTH, _HEIGHT = 400, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 4, 12, 26
# So many labels below the bars do not touch each other.
_MOST_LABELS = 5
_BAR_SHARE = 0.72
_STEPS = (1, 2, 5)


def bars(counts: Sequence[tuple[str, int]], *, name: str, title: str, description: str) -> Markup:
    """Return a bar chart of these labelled counts (0 or more), in their order.

    ``name`` is unique on the page; ``title`` and ``description`` are what a screen reader says. Everything is escaped.
    """
    most = _ceiling(max((count for _, count in counts), default=0))
    drawn = Markup("").join([*_scale(most), *_bars(counts, most), *_labels([label for label, _ in counts])])
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-labelledby="{name}-title {name}-desc">'
        '<title id="{name}-title">{}</title><desc id="{name}-desc">{}</desc>'
        "{}</svg>"
    ).format(_WIDTH, _HEIGHT, title, description, drawn, name=name)


def _ceiling(most: int) -> int:
    """Return the end of the scale: the next of 2, 4, 10, 20, 40, 100, … whose half is whole."""
    power = 1
    while True:
        for step in _STEPS:
            if step * power * 2 >= most:
                return step * power * 2
        power *= 10


def _scale(most: int) -> list[Markup]:
    line = Markup(
        '<line class="line" x1="{}" x2="{}" y1="{y}" y2="{y}"/>'
        '<text class="label" x="{}" y="{}" font-size="13" text-anchor="end">{}</text>'
    )
    return [
        line.format(_LEFT, _WIDTH - _RIGHT, _LEFT - 6, round(_y(value, most) + 4, 1), value, y=_y(value, most))
        for value in (0, most // 2, most)
    ]


def _bars(counts: Sequence[tuple[str, int]], most: int) -> list[Markup]:
    room = _room(len(counts))
    bar = Markup('<rect class="bar" x="{}" y="{}" width="{}" height="{}" rx="1"><title>{}: {}</title></rect>')
    return [
        bar.format(
            round(_LEFT + room * (place + (1 - _BAR_SHARE) / 2), 1),
            _y(count, most),
            round(room * _BAR_SHARE, 1),
            round(_y(0, most) - _y(count, most), 1),
            label,
            count,
        )
        for place, (label, count) in enumerate(counts)
        if count > 0
    ]


def _labels(labels: Sequence[str]) -> list[Markup]:
    """Return some of the labels, evenly, the last one always: it is today."""
    room, every = _room(len(labels)), max(1, -(-len(labels) // _MOST_LABELS))
    text = Markup('<text class="label" x="{}" y="{}" font-size="13" text-anchor="{}">{}</text>')
    found = []
    for place, label in enumerate(labels):
        if (len(labels) - 1 - place) % every == 0:
            is_last = place == len(labels) - 1
            at = _WIDTH - _RIGHT if is_last else round(_LEFT + room * (place + 0.5), 1)
            found.append(text.format(at, _HEIGHT - 7, "end" if is_last else "middle", label))
    return found


def _room(bars: int) -> float:
    """Return the width of a bar with its gap."""
    return (_WIDTH - _LEFT - _RIGHT) / max(1, bars)


def _y(value: int, most: int) -> float:
    """Return where a value is on the scale."""
    height = _HEIGHT - _TOP - _BOTTOM
    return round(_TOP + height * (1 - value / most), 1)
