"""Pages in two languages: the same outline, the same code. No page has a link to nowhere."""

import re
from pathlib import Path

import pytest

from tests.harness.places import ROOT

FOLDERS = (".", "docs", "docs/guides", "docs/reference", "deploy", "miniprogram")
PAGES = [page for folder in FOLDERS for page in (ROOT / folder).glob("*.md")]
PAIRS = [
    (page, twin) for page in PAGES if (twin := page.with_name(page.name.removesuffix(".md") + ".zh-CN.md")).exists()
]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)#]*)(?:#([^)]*))?\)")


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
    return [re.sub(r"(^|\s+)(#|//) .*", "", line) for line in text.splitlines()]


def links(page: Path) -> list[tuple[Path, str]]:
    """Return file and anchor of every link of a page that stays in the repository."""
    found = _LINK.findall(page.read_text(encoding="utf-8"))
    return [(page.parent / path if path else page, anchor) for path, anchor in found if not path.startswith("http")]


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


in_both_languages = pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=lambda page: page.name)
on_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


@in_both_languages
def test_both_have_the_same_outline(english: Path, chinese: Path) -> None:
    assert outline(english) == outline(chinese)


@in_both_languages
def test_both_show_the_same_code(english: Path, chinese: Path) -> None:
    pairs = zip(blocks(english), blocks(chinese), strict=True)
    for (language, one), (_, other) in pairs:
        if language != "mermaid":  # its labels are translated, as comments are
            assert without_comments(one) == without_comments(other)


@in_both_languages
def test_the_first_line_leads_to_the_other_language(english: Path, chinese: Path) -> None:
    assert english.read_text(encoding="utf-8").splitlines()[0] == f"[中文]({chinese.name})"
    assert chinese.read_text(encoding="utf-8").splitlines()[0] == f"[English]({english.name})"


@on_every_page
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    assert [path for path, _ in links(page) if not path.exists()] == []


@on_every_page
def test_every_link_to_a_heading_leads_to_one(page: Path) -> None:
    to_headings = [(path, anchor) for path, anchor in links(page) if anchor and path.suffix == ".md"]
    assert [(path.name, anchor) for path, anchor in to_headings if anchor not in anchors(path)] == []


def test_every_page_of_docs_is_in_both_languages() -> None:
    """The Chinese list of errors is written from the code when the site is built (docs/site/reference.py)."""
    paired = {english for english, _ in PAIRS}
    alone = {page.name for page in PAGES if "docs" in page.parts[len(ROOT.parts) :] and page not in paired}
    assert {name for name in alone if not name.endswith(".zh-CN.md")} == {"errors.md"}


def test_every_page_of_docs_is_in_the_navigation_of_the_site() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"- (docs/(?!reference/)\S+\.md)$", text, re.MULTILINE))
    pages = {page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md")}
    assert named == {page for page in pages if not page.endswith(".zh-CN.md")}
