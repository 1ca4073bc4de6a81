"""Charts are well-formed SVG that says its numbers, inside its frame, and can carry nothing foreign."""

from xml.etree import ElementTree

import pytest

from authsvc.web import charts


def drawn(counts: list[tuple[str, int]], **texts: str) -> ElementTree.Element:
    words = {"title": "Sign-ups", "description": "30 days", **texts}
    return ElementTree.fromstring(charts.bars(counts, name="signups", **words))


def test_a_bar_for_each_count_and_heights_in_proportion() -> None:
    picture = drawn([("11-01", 10), ("11-02", 0), ("11-03", 5)])
    assert [bar.find("title").text for bar in picture.iter("rect")] == ["11-01: 10", "11-03: 5"]
    tall, half = (float(bar.get("height")) for bar in picture.iter("rect"))
    assert tall == pytest.approx(2 * half, abs=0.2)
    assert picture.get("role") == "img"
    assert picture.get("aria-labelledby") == "signups-title signups-desc"
    assert [picture.find(name).text for name in ("title", "desc")] == ["Sign-ups", "30 days"]


@pytest.mark.parametrize("counts", [[], [0], [1], [3] * 30, [0] * 29 + [123_456_789], list(range(400))])
def test_everything_stays_inside_the_frame(counts: list[int]) -> None:
    picture = drawn([(str(place), count) for place, count in enumerate(counts)])
    _, _, width, height = map(float, picture.get("viewBox").split())
    bars = list(picture.iter("rect"))
    assert len(bars) == sum(count > 0 for count in counts)
    for bar in bars:
        x, y, w, h = (float(bar.get(name)) for name in ("x", "y", "width", "height"))
        assert min(x, y, h) >= 0
        assert (x + w <= width, y + h <= height) == (True, True)
    labels = [text.text for text in picture.iter("text")][3:]
    assert len(labels) <= 5 and labels[-1:] == ([str(len(counts) - 1)] if counts else [])


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", '"><img src=x>', "a & b", "\u202e夏\U0001f36d"])
def test_a_text_stays_a_text(hostile: str) -> None:
    picture = drawn([(hostile, 1)], title=hostile, description=hostile)
    assert picture.find("title").text == hostile
    assert {element.tag for element in picture.iter()} == {
        *("svg", "title", "desc", "line", "text", "rect"),
    }


def test_no_style_and_no_script_is_written_into_it() -> None:
    text = charts.bars([("a", 1)], name="n", title="t", description="d")
    assert "style=" not in text and "<style" not in text and "<script" not in text and "href" not in text
