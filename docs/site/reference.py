"""Writes the reference of the site from the code: settings, routes, commands, metrics.

usage: .venv/bin/python docs/site/reference.py FOLDER     writes FOLDER/docs/reference/*.md, in English and Chinese
       .venv/bin/python docs/site/reference.py --missing  says what has no Chinese yet

What a thing means is said in the code, in English; ``words.zh.toml`` has the Chinese. What it lacks stays in English.
"""

import contextlib
import inspect
import re
import secrets
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from prometheus_client import Counter, Gauge, Histogram

from authsvc import metrics
from authsvc.app import create_app
from authsvc.cli import authsvc
from authsvc.cli.errors import named_errors, row
from authsvc.cli.routes import COLUMNS, routes_declared
from authsvc.config import Settings
from authsvc.signing.keyfile import create_key_file

ROOT = Path(__file__).resolve().parents[2]
_SECTION = re.compile(r"# -+ (.*?) -+")
_SETTING = re.compile(r"(?:# )?([A-Z][A-Z0-9_]+)=(.*)")


class Words:
    """The sentences of one language, by the English ones of the code; ``missing`` are those without Chinese."""

    def __init__(self, language: str) -> None:
        self.is_chinese = language == "zh"
        text = (Path(__file__).parent / "words.zh.toml").read_text(encoding="utf-8")
        self._chinese: dict[str, str] = tomllib.loads(text)["words"] if self.is_chinese else {}
        self.missing: list[str] = []

    def of(self, english: str) -> str:
        """Return a sentence in this language; a sentence that has changed in the code is English again."""
        english = " ".join(english.split())
        if self.is_chinese and english and english not in self._chinese:
            self.missing.append(english)
        return self._chinese.get(english, english)

    def either(self, english: str, chinese: str) -> str:
        """Return one of two."""
        return chinese if self.is_chinese else english


def as_text(text: str) -> str:
    """Return a sentence in which Markdown sees no marks."""
    parts = text.replace("``", "`").split("`")
    return "`".join(re.sub(r"([|<>*_\[\]])", r"\\\1", part) if not i % 2 else part for i, part in enumerate(parts))


@dataclass
class Setting:
    """A setting as .env.example describes it."""

    name: str
    default: str
    meaning: str
    section: str


def settings_described(text: str) -> Iterator[Setting]:
    """Yield every setting of .env.example, in its order, and what is said of a section (without a name)."""
    section = ""
    comment: list[str] = []
    for line in text.splitlines():
        if match := _SECTION.fullmatch(line):
            section, comment = match[1], []
        elif match := _SETTING.fullmatch(line):
            yield Setting(match[1], match[2], " ".join(comment), section)
            comment = []
        else:
            if not line and comment and section:
                yield Setting("", "", " ".join(comment), section)
            comment = [*comment, line.removeprefix("# ")] if line.startswith("# ") else []


def settings(words: Words) -> Iterator[str]:
    """Yield the lines of the page about settings."""
    yield words.either("# Settings", "# 设置")
    yield words.either(
        "Every setting, from `.env.example`. [Configuration](../configuration.md) says where a setting comes from, and "
        "explains what needs more than a line.",
        "全部设置，取自 `.env.example`。设置从哪里读取、需要详细说明的设置，见[配置](../configuration.md)。",
    )
    section = ""
    for one in settings_described((ROOT / ".env.example").read_text(encoding="utf-8")):
        if one.section != section:
            section = one.section
            yield f"## {words.of(section[0].upper() + section[1:])}"
        if one.name:
            yield f"### `{one.name}`"
        if one.default:
            yield f"{words.either('Default', '默认值')}: `{one.default}`"
        yield as_text(words.of(one.meaning))


@contextlib.contextmanager
def _everything_on() -> Iterator[None]:
    """Have the service built, not served, with every optional route."""
    with tempfile.TemporaryDirectory() as folder:
        create_key_file(Path(folder) / "keys" / "signing.json")
        environment = {
            **{"WX_APPID": "wx0123456789abcdef", "WX_SECRET": "0123456789abcdef" * 2, "INSTANCE_PATH": folder},
            **{"PUBLIC_BASE_URL": "https://login.example.com", "SECRET_KEYS": secrets.token_urlsafe(32)},
            **{"SCAN_SIGN_IN_PAGE": "pages/scan/scan", "WX_PUSH_TOKEN": "token", "API_PAGE": "1", "CONSOLE": "1"},
            "LOG_LEVEL": "ERROR",
        }
        with create_app(Settings.from_env(environment)).app_context():
            yield


def routes(words: Words) -> Iterator[str]:
    """Yield the lines of the page about routes."""
    yield words.either("# Routes", "# 接口一览")
    yield words.either(
        "Every route, with what is enforced before its code runs: the output of `authsvc routes`. "
        "[HTTP API](../api.md) explains them, and who may call what.",
        "全部接口，以及在执行之前强制检查的内容，即 `authsvc routes` 的输出。说明见[接口文档](../api.md)。",
    )
    head = ("方法", "路径", "谁可以调用", "二次验证", "限流", "格式", "说明") if words.is_chinese else COLUMNS
    rows = []
    with _everything_on():
        found = sorted(routes_declared(), key=lambda row: (row[1], row[0]))
    for method, path, who, step_up, limit, contract, summary in found:
        said = as_text(words.of(summary))
        rows.append((f"`{method}`", f"`{path}`", f"`{who}`", step_up, limit, contract, said))
    yield _table(head, rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def commands(words: Words) -> Iterator[str]:
    """Yield the lines of the page about commands."""
    yield words.either("# Commands", "# 命令")
    yield words.either(
        "Every command of the program `authsvc`; in a checkout also `flask authsvc …`. Exit codes of all of them: "
        "0 done, 1 refused, not found, not confirmed or failed, 2 wrong options, 3 partly done, 75 not now, "
        "130 interrupted.",
        "程序 `authsvc` 的全部命令；在代码目录中也可以写成 `flask authsvc …`。所有命令的退出码：0 完成；"
        "1 被拒绝、未找到、未确认或失败；2 选项有误；3 部分完成；75 暂时不行，稍后可成功；130 被中断。",
    )
    yield from _commands(words, click.Context(authsvc, info_name="authsvc"), authsvc, 2)


def _commands(words: Words, context: click.Context, group: click.Group, level: int) -> Iterator[str]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is None or command.hidden:
            continue
        inner = click.Context(command, parent=context, info_name=name)
        yield f"{'#' * level} `{inner.command_path}`"
        yield from _command(words, inner)
        if isinstance(command, click.Group):
            yield from _commands(words, inner, command, level + 1)


def _command(words: Words, context: click.Context) -> Iterator[str]:
    for paragraph in inspect.cleandoc(context.command.help or "").split("\n\n"):
        is_shaped = paragraph.startswith("\b")
        yield f"```text\n{paragraph[1:].strip()}\n```" if is_shaped else as_text(words.of(paragraph))
    if isinstance(context.command, click.Group):
        return
    yield f"```text\n{' '.join(context.command.get_usage(context).removeprefix('Usage: ').split())}\n```"
    rows = [
        (f"`{option}`", as_text(_translated(words, meaning)))
        for one in context.command.get_params(context)
        for option, meaning in [one.get_help_record(context) or ("--help", "")]
        if option != "--help"
    ]
    if rows:
        yield _table((words.either("option", "选项"), words.either("meaning", "含义")), rows)


def _translated(words: Words, meaning: str) -> str:
    """Return the meaning of an option in this language; what click has added of its default stays as it is."""
    said, mark, default = meaning.partition("  [")
    return words.of(said) + mark + default


def series(words: Words) -> Iterator[str]:
    """Yield the lines of the page about metrics."""
    yield words.either("# Metrics by name", "# 指标一览")
    yield words.either(
        "Every metric as `/metrics` describes it. [Metrics](../metrics.md) explains the values of the labels, and the "
        "alerts.",
        "全部指标，说明与 `/metrics` 输出一致。标签的取值和告警规则见[指标](../metrics.md)。",
    )
    head = ("指标", "类型", "标签", "含义") if words.is_chinese else ("metric", "type", "labels", "meaning")
    rows = []
    for one in vars(metrics).values():
        if isinstance(one, Counter | Gauge | Histogram):
            name = one._name + ("_total" if isinstance(one, Counter) else "")
            labels = ", ".join(f"`{label}`" for label in one._labelnames)
            said = as_text(words.of(one._documentation))
            rows.append((f"`{name}`", type(one).__name__.lower(), labels, said))
    yield _table(head, sorted(rows))


_ERRORS = """\
凡是没有成功的响应，都含有以下错误之一。原生 API 以 `error` 给出错误名，以 `action` 给出下一步。每种格式用自己的结构；\
状态码见第二列，除非第三列另有说明。提示默认为中文，`Accept-Language` 偏好英文时为英文。

| action | 客户端该做什么 |
|---|---|
| `relogin` | 重新调用 `wx.login`，发送新的 code |
| `retry` | 等 `Retry-After` 秒，重发同一个请求 |
| `tap_again` | 请用户再点一次手机号按钮 |
| `fix_request` | 运行时无法补救，请求本身有误 |
| `contact` | 告诉用户；只有运维人员能处理 |

本页由代码生成；`authsvc errors` 输出英文版。"""


def errors_in_chinese(words: Words) -> Iterator[str]:
    """Yield the lines of the Chinese page of docs/errors.md, which is a command's output."""
    yield "# 错误"
    yield _ERRORS
    head = ("错误", "HTTP", "其他状态码", "action", "Retry-After", "中文", "英文", "原因", "微信错误码")
    rows = []
    for *cells, cause, errcodes in map(row, named_errors()):
        rows.append((*cells, " ".join(map(words.of, re.split(r"(?<=\.) ", cause))), errcodes))
    yield _table(head, rows)


PAGES = {"settings": settings, "routes": routes, "commands": commands, "metrics": series}


def missing() -> list[str]:
    """Return what has no Chinese yet."""
    words = Words("zh")
    for page in (*PAGES.values(), errors_in_chinese):
        list(page(words))
    return list(dict.fromkeys(words.missing))


def main(folder: Path) -> None:
    """Write every page in both languages."""
    place = folder / "docs" / "reference"
    place.mkdir(parents=True, exist_ok=True)
    for language, ending in (("en", "md"), ("zh", "zh-CN.md")):
        words = Words(language)
        for name, page in PAGES.items():
            (place / f"{name}.{ending}").write_text("\n\n".join(page(words)) + "\n", encoding="utf-8")
    text = "\n\n".join(errors_in_chinese(Words("zh")))
    (folder / "docs" / "errors.zh-CN.md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1] == "--missing":
        sys.stdout.writelines(f"{line}\n" for line in missing())
    else:
        main(Path(sys.argv[1]))
