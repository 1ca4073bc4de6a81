"""Finds every regular expression of the package, and texts that make a careless one slow."""

import ast
import functools
import importlib
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from re import _constants as ops  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

from tests.harness.places import ROOT

# The simulator meets nobody but us.
_SPARED = "authsvc/wxsim/"
# What of a pattern's own methods begins at one place only. Those that hold a field's pattern ask for nothing else.
_ANCHORED = {"match", "fullmatch"}
_FIELDS = {"Text", "__init__"}

# Lengths of a text, the first ones for what doubles with each character. A careful expression takes the last one in a
# millisecond or two.
_LADDER = (10, 13, 16, 20, 25, 31, 39, 49, 61, 76, 95, 119, 400, 1_000, 10_000)
_AT_ONCE = 0.05
_HOPELESS = 0.3
_WORTH_A_RATIO = 0.003
# Ten times the text: ten times the time where all is well, a hundred times where it is looked at twice.
_MOST_RATIO = 30


@dataclass(frozen=True)
class Found:
    """An expression, where it stands, and whether it looks for its beginning anywhere in a text."""

    place: str
    pattern: "re.Pattern[str] | re.Pattern[bytes]"
    anywhere: bool


def sources() -> list[Path]:
    """Every Python file that runs in the service or in a service that verifies."""
    package = [path for path in (ROOT / "authsvc").rglob("*.py") if _SPARED not in path.as_posix()]
    verifier = (ROOT / "verifier" / "authsvc_verifier").rglob("*.py")
    return [*package, *verifier, ROOT / "gunicorn.conf.py", ROOT / "wsgi.py"]


@functools.cache
def expressions() -> list[Found]:
    """Every call of ``re``, with the pattern as the module that makes it has it."""
    trees = {path: ast.parse(path.read_text()) for path in sources()}
    uses = {path: list(_uses(tree)) for path, tree in trees.items()}
    return [_found(path, trees[path], call, uses) for path in trees for call in _calls(trees[path])]


def slow_text(pattern: "re.Pattern[str] | re.Pattern[bytes]", anywhere: bool) -> str | None:
    """Return the beginning of a text that this expression takes too long for, if one is found."""
    search: Callable[..., object] = pattern.search if anywhere else pattern.match
    is_of_bytes = isinstance(pattern.pattern, bytes)

    def look(text: str) -> object:
        return search(text.encode("latin-1", "replace") if is_of_bytes else text)

    for make in _growing(pattern):
        if is_slow(look, make):
            return make(40)
    return None


def is_slow(look: Callable[[str], object], make: Callable[[int], str]) -> bool:
    """Whether ten times the text takes far more than ten times as long; ``make`` returns a text of a length."""
    last = 0.0
    for length in _LADDER:
        last = seconds(look, make(length))
        if last > _HOPELESS or (last > _AT_ONCE and _least(look, make(length)) > _AT_ONCE):
            return True
    if last < _WORTH_A_RATIO:
        return False
    return _least(look, make(_LADDER[-1])) / max(_least(look, make(_LADDER[-2])), 1e-7) > _MOST_RATIO


def seconds(look: Callable[[str], object], text: str) -> float:
    """CPU seconds of this thread, so that others on the machine do not count."""
    began = time.thread_time()
    look(text)
    return time.thread_time() - began


def _least(look: Callable[[str], object], text: str) -> float:
    return min(seconds(look, text) for _ in range(3))


# --- where expressions are ----------------------------------------------------------------------------------


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            of_re = isinstance(node.func.value, ast.Name) and node.func.value.id == "re"
            if (of_re and node.func.attr != "escape") or node.func.attr == "Regexp":
                yield node
        assert not (isinstance(node, ast.ImportFrom) and node.module == "re"), "import re as a whole: it is looked for"


def _uses(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(name, what is done with it): a method that is called on it, or "field", or "anything"."""
    fields = {
        argument
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _name(node.func) in _FIELDS
        for argument in node.args
    }
    owners: dict[ast.AST, str] = {node.value: node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
            yield _name(node), owners.get(node, "field" if node in fields else "anything")


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


def _found(path: Path, tree: ast.AST, call: ast.Call, uses: dict[Path, list[tuple[str, str]]]) -> Found:
    method = _name(call.func)
    place = f"{path.relative_to(ROOT).as_posix()}:{call.lineno}"
    flags = (
        [_value(path, node) for node in (*call.args[1:], *(k.value for k in call.keywords))]
        if method == "compile"
        else []
    )
    pattern = re.compile(_value(path, call.args[0]), *flags)
    if method != "compile":
        return Found(place, pattern, method not in _ANCHORED)
    name = next(
        (_name(node.targets[0]) for node in ast.walk(tree) if isinstance(node, ast.Assign) and node.value is call), ""
    )
    # A private name is another thing in another module.
    places = [path] if name.startswith("_") else list(uses)
    methods = {use for source in places for known, use in uses[source] if known == name}
    return Found(place, pattern, not methods or not methods <= _ANCHORED | {"field", "pattern"})


def _value(path: Path, node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    module = path.relative_to(ROOT).with_suffix("").as_posix().removeprefix("verifier/").replace("/", ".")
    module = module.removesuffix(".__init__")
    names = vars(importlib.import_module(module))
    return eval(compile(ast.Expression(node), str(path), "eval"), dict(names))


# --- texts that hurt ----------------------------------------------------------------------------------------

# What follows what is repeated, so that the expression fails there and looks back.
_ENDS = ("", "\0", " ", "\\")


def _growing(pattern: "re.Pattern[str]") -> Iterator[Callable[[int], str]]:
    """Makers of texts by length: all that this expression repeats, alone, behind what leads to it, and over again."""
    tree = parser.parse(pattern.pattern, pattern.flags & ~re.UNICODE)
    units: set[tuple[str, str]] = {("", _sample(tree))}
    for before, bodies in _repeats(tree, ""):
        units |= {(before, body) for body in bodies}
        units |= {(before, one + other) for one, other in product(bodies[:3], repeat=2)}
    # What is repeated behind a beginning, and what is repeated beginning and all.
    plans = {plan for before, body in units for plan in ((before, body), ("", before + body), ("", before))}
    for (before, unit), end in product(sorted(plan for plan in plans if plan[1]), _ENDS):
        yield _maker(before, unit, end)
    for end in _ENDS:
        yield lambda length, end=end: _expanded(tree, length // 2)[:length] + end  # type: ignore[misc]


def _maker(before: str, unit: str, end: str) -> Callable[[int], str]:
    return lambda length: before + unit * (length // len(unit)) + end


def _repeats(tree: Any, before: str) -> Iterator[tuple[str, list[str]]]:
    """(what leads there, what may be repeated) for everything that may come often."""
    for op, value in tree:
        if op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
            _, most, body = value
            if most is ops.MAXREPEAT or most >= 10:
                yield before, _choices(body)
            yield from _repeats(body, before)
        else:
            for inner in _inner(op, value):
                yield from _repeats(inner, before)
        before += _sample([(op, value)])


def _inner(op: Any, value: Any) -> list[Any]:
    if op is ops.SUBPATTERN:
        return [value[3]]
    if op is ops.BRANCH:
        return list(value[1])
    if op in (ops.ASSERT, ops.ASSERT_NOT):
        return [value[1]]
    return [value] if op is ops.ATOMIC_GROUP else []


def _choices(tree: Any) -> list[str]:
    """Texts that a part may stand for: one per member of a set, one per branch."""
    tree = list(tree)
    if len(tree) == 1:
        op, value = tree[0]
        if op is ops.IN:
            return _members(value)
        if op is ops.SUBPATTERN:
            return _choices(value[3])
        if op is ops.BRANCH:
            return [text for branch in value[1] for text in _choices(branch)]
        if op is ops.ANY:
            return ["x", " ", ".", ","]
    return [_sample(tree)]


def _members(items: Any) -> list[str]:
    if items and items[0][0] is ops.NEGATE:
        refused = re.compile("[" + "".join(re.escape(text) for text in _members(items[1:])) + "]")
        return [text for text in ("x", " ", ".", "\\", "=") if not refused.match(text)] or ["\u9e7f"]
    found: list[str] = []
    for op, value in items:
        if op is ops.LITERAL:
            found.append(chr(value))
        elif op is ops.RANGE:
            found.append(chr(value[0]))
        elif op is ops.CATEGORY:
            found += {ops.CATEGORY_DIGIT: ["1"], ops.CATEGORY_SPACE: [" ", "\t"]}.get(value, ["x", "1"])
    return found


def _sample(tree: Any) -> str:
    """The shortest text that a part stands for, about."""
    return _expanded(tree, 0)


def _expanded(tree: Any, often: int) -> str:
    """A text that a part stands for, with everything in it that may come often coming so often."""
    text = ""
    for op, value in tree:
        if op is ops.LITERAL:
            text += chr(value)
        elif op is ops.NOT_LITERAL:
            text += "x" if value != ord("x") else "y"
        elif op in (ops.IN, ops.ANY):
            text += (_members(value) if op is ops.IN else ["x"])[0]
        elif op in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
            least, most, body = value
            times = max(least, min(most if most is not ops.MAXREPEAT else often, often))
            text += _expanded(body, 0) * times
        elif op in (ops.SUBPATTERN, ops.ATOMIC_GROUP, ops.BRANCH):
            text += _expanded(_inner(op, value)[0], often)
    return text
