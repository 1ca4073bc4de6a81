"""What mkdocs does differently here: pages from the whole checkout, in one of two languages.

English is ``x.md`` and Chinese ``x.zh-CN.md``. A page has the same address in both sites. Where a page has no Chinese
form, the Chinese site leads to the English site, which is in its folder ``en``. Links to other files of the checkout
lead to copies of them. The reference is written from the code before a build (``reference.py``).
"""

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

import jieba
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from sequences import drawing

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = ROOT / "build" / "pages"  # by reference.py
FOLDERS = (".", "docs", "docs/guides", "docs/reference", "deploy", "instance", "miniprogram", "verifier", "bench")
TWIN = ".zh-CN.md"
_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")
_SEQUENCE = re.compile(r"^```mermaid\nsequenceDiagram\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# A line that ends within a Chinese sentence: browsers would show a blank there.
_BROKEN_LINE = re.compile(r"(?<=[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef])\n(?=[\u4e00-\u9fff\u300c\uff08])")
_OTHER_LANGUAGE = re.compile(r"\A\[(?:English|中文)\]\([^)]*\)\n+")


def english(path: str) -> str:
    """Return the name of a page's English file."""
    return path.removesuffix(TWIN) + ".md" if path.endswith(TWIN) else path


def address(path: str) -> str:
    """Return where a page is in the site: ``docs/api.zh-CN.md`` is ``api.html``.

    All pages of a language lie in one folder, in which the theme looks for its list of pages.
    """
    bare = english(path).removesuffix(".md").removeprefix("docs/").removesuffix("/README")
    return "index.html" if bare == "README" else f"{bare.lower().replace('/', '-')}.html"


def _everywhere() -> set[str]:
    return {
        page.relative_to(root).as_posix()
        for root in (ROOT, WRITTEN)
        for folder in FOLDERS
        for page in (root / folder).glob("*.md")
    }


def _root(path: str) -> Path:
    return WRITTEN if (WRITTEN / path).is_file() else ROOT


def _text(page: str) -> str:
    return (_root(page) / page).read_text(encoding="utf-8")


def _written_in(language: str) -> set[str]:
    """Return the pages of one site."""
    return {page for page in _everywhere() if page.endswith(TWIN) == (language == "zh")}


def _target(page: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def _attachments(pages: set[str]) -> set[str]:
    """Return the files, other than pages, to which pages lead."""
    found = {_target(page, link) for page in pages for link, _ in _LINK.findall(_text(page))}
    return {path for path in found if not path.endswith(".md") and (ROOT / path).is_file()}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Choose the words and pages of the navigation."""
    jieba.setLogLevel(logging.WARNING)
    language = config.theme["language"]
    pages = _written_in(language)
    config.nav = _navigation(config.nav or [], pages, config.extra["sections"] if language == "zh" else {})
    return config


def _navigation(entries: list[Any], pages: set[str], words: dict[str, str]) -> list[Any]:
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, dict):
            found += [{words.get(name, name): _navigation(below, pages, words)} for name, below in entry.items()]
        elif entry in pages:
            found.append(entry)
        elif (twin := entry.removesuffix(".md") + TWIN) in pages:
            found.append(twin)
        else:  # only in English
            found.append({_title(entry): f"en/{address(entry)}"})
    return found


def _title(page: str) -> str:
    heading = re.search(r"^# (.*)$", _text(page), re.MULTILINE)
    return heading[1] if heading else page


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace what is in docs/ by the pages of this language and the files to which they lead."""
    pages = _written_in(config.theme["language"])
    kept = [file for file in files if file.src_uri == "site/site.css" or file.generated_by or _is_of_theme(file)]
    own = {page: address(page) for page in pages}
    copies = {path: f"files/{path.replace('/.', '/').lstrip('.')}.txt" for path in _attachments(pages)}
    made = [
        File(path, str(_root(path)), config.site_dir, use_directory_urls=False, dest_uri=place)
        for path, place in sorted({**own, **copies}.items())
    ]
    return Files([*kept, *made])


def _is_of_theme(file: File) -> bool:
    return file.abs_src_path is not None and not Path(file.abs_src_path).is_relative_to(ROOT / "docs")


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links that have no page in this site elsewhere, and draw the sequences."""
    here = page.file.src_uri

    def moved(match: re.Match[str]) -> str:
        link, anchor = match[1], match[2] or ""
        path = _target(here, link)
        if not path.endswith(".md") or files.get_file_from_path(path) is not None:
            return match[0]
        if files.get_file_from_path(twin := path.removesuffix(".md") + TWIN) is not None:
            return posixpath.relpath(twin, posixpath.dirname(here) or ".") + anchor
        if path.endswith(TWIN):  # the Chinese page, from an English one
            return f"../{address(path)}{anchor}"
        return f"en/{address(path)}{anchor}"

    if here.startswith("docs/reference/"):  # what explains a thing is found before what lists it
        page.meta["search"] = {"boost": 0.3}
    markdown = _OTHER_LANGUAGE.sub("", markdown)
    markdown = _BROKEN_LINE.sub("", markdown)
    markdown = _SEQUENCE.sub(lambda match: drawing(match[1]), markdown)
    return _LINK.sub(moved, markdown)


def on_page_context(context: dict[str, Any], page: Page, config: MkDocsConfig, nav: Any) -> dict[str, Any]:
    """Let the choice of languages lead to the same page."""
    place = address(page.file.src_uri)
    chinese, foreign = ("", "en/") if config.theme["language"] == "zh" else ("../", "")
    config.extra["alternate"] = [{"name": "English", "lang": "en", "link": f"{foreign}{place}"}]
    twin = english(page.file.src_uri).removesuffix(".md") + TWIN
    if twin in _everywhere():
        config.extra["alternate"].insert(0, {"name": "中文", "lang": "zh", "link": f"{chinese}{place}"})
    return context
