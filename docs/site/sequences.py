"""Draws a sequence diagram, written for mermaid, as SVG: mermaid itself is megabytes of script from another host."""

import re
from html import escape

_COLUMN = 190
_ROW = 44
_PARTICIPANT = re.compile(r"participant (\w+) as (.*)")
_NOTE = re.compile(r"Note over (\w+): (.*)")
_MESSAGE = re.compile(r"(\w+)(-->>|->>)(\w+): (.*)")


def drawing(source: str) -> str:
    """Return the diagram as one line of SVG."""
    lines = [line.strip() for line in source.splitlines() if line.strip()]
    names = dict(match.groups() for line in lines if (match := _PARTICIPANT.fullmatch(line)))
    rows = [match for line in lines if (match := _MESSAGE.fullmatch(line) or _NOTE.fullmatch(line))]
    if len(names) + len(rows) != len(lines):
        raise ValueError("a line of a sequence diagram is neither a participant nor a message nor a note")
    places = {key: _COLUMN * number + _COLUMN // 2 for number, key in enumerate(names)}
    width, height = _COLUMN * len(names) + 170, _ROW * (len(rows) + 1) + 30
    parts = [_participant(places[key], name, height) for key, name in names.items()]
    for row, match in enumerate(rows):
        draw = _message if match.re is _MESSAGE else _note
        parts.append(draw(_ROW * (row + 2) - 4, places, *match.groups()))
    return (
        f'<div class="sequence"><svg viewBox="0 0 {width} {height}" role="img" xmlns="http://www.w3.org/2000/svg">'
        f"{''.join(parts)}</svg></div>"
    )


def _participant(x: int, name: str, height: int) -> str:
    return (
        f'<line class="life" x1="{x}" y1="32" x2="{x}" y2="{height}"/>'
        f'<rect x="{x - 75}" y="2" width="150" height="30" rx="4"/>'
        f'<text class="who" x="{x}" y="22">{escape(name)}</text>'
    )


def _message(y: int, places: dict[str, int], sender: str, arrow: str, receiver: str, text: str) -> str:
    start, end = places[sender], places[receiver]
    kind = "answer" if arrow == "-->>" else "call"
    if start == end:
        path = f"M{start} {y - 12}h24v12h-20"
        label = f'<text x="{start + 32}" y="{y}">{escape(text)}</text>'
        tip = f'<path class="tip" d="M{start} {y}l9 -4v8z"/>'
        return f'<path class="{kind}" d="{path}"/>{tip}{label}'
    step = 1 if end > start else -1
    label = f'<text class="middle" x="{(start + end) // 2}" y="{y - 7}">{escape(text)}</text>'
    tip = f'<path class="tip" d="M{end} {y}l{-9 * step} -4v8z"/>'
    return f'<path class="{kind}" d="M{start} {y}H{end - 8 * step}"/>{tip}{label}'


def _note(y: int, places: dict[str, int], who: str, text: str) -> str:
    return f'<text class="note" x="{places[who] + 8}" y="{y}">{escape(text)}</text>'
