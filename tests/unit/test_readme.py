"""The two READMEs: the same outline, the same code, and no link to nowhere."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGLISH, CHINESE = (ROOT / name for name in ("README.md", "README.zh-CN.md"))
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#]+?)(?:#[^)]*)?\)")


def blocks(path: Path) -> list[tuple[str, str]]:
    """Return language and text of every fenced block."""
    return _FENCE.findall(path.read_text(encoding="utf-8"))


def outline(path: Path) -> list[str]:
    """Return what kind of thing follows what: headings by level, tables by size, blocks by language."""
    text = _FENCE.sub(r"\n:\1\n", path.read_text(encoding="utf-8"))
    found = []
    for line in text.splitlines():
        if match := re.match(r"(#+) ", line):
            found.append(match[1])
        elif line.startswith(("|", "- ", ":")):
            found.append(line if line.startswith(":") else line[0])
    return found


def without_comments(text: str) -> list[str]:
    return [re.sub(r"\s+#.*", "", line) for line in text.splitlines()]


def test_both_have_the_same_outline() -> None:
    assert outline(ENGLISH) == outline(CHINESE)


def test_both_show_the_same_code() -> None:
    pairs = zip(blocks(ENGLISH), blocks(CHINESE), strict=True)
    for (language, english), (_, chinese) in pairs:
        if language == "sh":
            assert without_comments(english) == without_comments(chinese)
        elif language != "mermaid":  # its labels are translated
            assert english == chinese


def test_the_first_line_leads_to_the_other_language() -> None:
    assert ENGLISH.read_text(encoding="utf-8").splitlines()[0] == "[中文](README.zh-CN.md)"
    assert CHINESE.read_text(encoding="utf-8").splitlines()[0] == "[English](README.md)"


@pytest.mark.parametrize(
    "page", [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md")], ids=lambda page: page.name
)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text(encoding="utf-8")) if not link.startswith("http")]
    assert [link for link in links if not (page.parent / link).exists()] == []
