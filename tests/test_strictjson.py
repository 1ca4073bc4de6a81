"""What of JSON is taken from others, and what is not."""

import math

import pytest

from authsvc import strictjson


def test_what_is_json_is_read() -> None:
    text = '{"a": [1, -2.5e3, true, null, "\\u0000"], "b": {"a": {}}}'
    assert strictjson.read(text) == {"a": [1, -2500.0, True, None, "\0"], "b": {"a": {}}}
    assert strictjson.read("7") == 7
    assert strictjson.read("1e400") == math.inf and strictjson.read("1.50", fraction=str) == "1.50"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{'a': 1}",
        '{"a": 1, "a": 1}',
        '{"b": [{"a": 1, "\\u0061": 2}]}',
        "NaN",
        "[Infinity]",
        "-Infinity",
        "[" * 100_000,
    ],
    ids=lambda text: text[:20] or "nothing",
)
def test_what_could_mean_two_things_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        strictjson.read(text)
