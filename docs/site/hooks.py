"""What mkdocs does differently here: pages from the whole checkout, in one of two languages.

English is ``x.md`` and Chinese ``x.zh-CN.md``. A page has the same address in both sites. Where a page has no Chinese
form, the Chinese site leads to the English site, which is in its folder ``en``. Links to other files of the checkout
lead to copies of them.
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
FOLDERS = (".", "docs", "docs/guides", "docs/reference", "deploy", "instance", "miniprogram", "verifier", "bench")
TWIN = ".zh-CN.md"
_LINK = re.compile(r"(?<=\]\()(?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?(?=\))")
_SEQUENCE = re.compile(r"^```mermaid\nsequenceDiagram\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_OTHER_LANGUAGE = re.compile(r"\A\[(?:English|中文)\]\([^)]*\)\n+")


def english(path: str) -> str:
    """Return the name of a page's English file."""
    return path.removesuffix(TWIN) + ".md" if path.endswith(TWIN) else path


def address(path: str) -> str:
    """Return where a page is in the site: ``docs/api.zh-CN.md`` is ``api.html``."""
    bare = english(path).removesuffix(".md").removeprefix("docs/")
    folder, name = posixpath.split(bare)
    if name != "README":
        return f"{bare.lower()}.html"
    return f"{folder}.html" if folder else "index.html"


def _in_checkout() -> set[str]:
    pages = {page.relative_to(ROOT).as_posix() for folder in FOLDERS for page in (ROOT / folder).glob("*.md")}
    return {page for page in pages if not page.startswith("docs/site/")}


def _written_in(language: str) -> set[str]:
    """Return the pages of one site."""
    pages = _in_checkout()
    return {page for page in pages if page.endswith(TWIN) == (language == "zh")}


def _target(page: str, link: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), link))


def _attachments(pages: set[str]) -> set[str]:
    """Return the files, other than pages, to which pages lead."""
    found = {
        _target(page, link) for page in pages for link, _ in _LINK.findall((ROOT / page).read_text(encoding="utf-8"))
    }
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
    heading = re.search(r"^# (.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    return heading[1] if heading else page


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace what is in docs/ by the pages of this language and the files to which they lead."""
    pages = _written_in(config.theme["language"])
    kept = [file for file in files if file.src_uri == "site/site.css" or file.generated_by or _is_of_theme(file)]
    own = {page: address(page) for page in pages}
    copies = {path: f"files/{path.replace('/.', '/').lstrip('.')}.txt" for path in _attachments(pages)}
    made = [
        File(path, str(ROOT), config.site_dir, use_directory_urls=False, dest_uri=place)
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
        if path.endswith(TWIN):  # the Chinese page, from an English one
            return _relative(here, f"../{address(path)}") + anchor
        return _relative(here, f"en/{address(path)}") + anchor

    markdown = _OTHER_LANGUAGE.sub("", markdown)
    markdown = _SEQUENCE.sub(lambda match: drawing(match[1]), markdown)
    return _LINK.sub(moved, markdown)


def _relative(here: str, place: str) -> str:
    """Return a link to an address, counted from the top of this site."""
    return posixpath.relpath(place, posixpath.dirname(address(here)) or ".")


def on_page_context(context: dict[str, Any], page: Page, config: MkDocsConfig, nav: Any) -> dict[str, Any]:
    """Let the choice of languages lead to the same page."""
    place = address(page.file.src_uri)
    is_chinese = config.theme["language"] == "zh"
    both = _in_checkout()
    twin = english(page.file.src_uri).removesuffix(".md") + TWIN
    chinese, foreign = ("", "en/") if is_chinese else ("../", "")
    config.extra["alternate"] = [
        {"name": "English", "lang": "en", "link": _relative(page.file.src_uri, f"{foreign}{place}")}
    ]
    if twin in both:
        link = _relative(page.file.src_uri, f"{chinese}{place}")
        config.extra["alternate"].insert(0, {"name": "中文", "lang": "zh", "link": link})
    return context
