"""``flask authsvc errors``: the table of every error, made from the code. Its output is ``docs/errors.md``."""

from collections.abc import Iterator

import click

from authsvc.errors import AuthSvcError
from authsvc.web.contracts import CONTRACTS
from authsvc.web.contracts.native import NATIVE
from authsvc.web.errors import status_of
from authsvc.wechat.errcodes import BY_ENDPOINT, ERRORS

_HEAD = """\
# Errors

Every answer that is not a success names one of these. The native API sends the name as `error` and the action as
`action`; each contract says the same in its own shape, with the status below unless its own is listed. The sentence
follows `Accept-Language`: Chinese unless English is preferred.

| action | what the client does |
|---|---|
| `relogin` | call `wx.login` again and send the new code |
| `retry` | wait for `Retry-After` seconds and send the same again |
| `tap_again` | let the person tap the phone button again |
| `fix_request` | nothing at run time: the request itself is wrong |
| `contact` | tell the person; only the operator can help |

Made by `flask authsvc errors > docs/errors.md`; a test keeps it true.

| error | HTTP | other in | action | Retry-After | zh | en | cause | WeChat's errcode |
|---|---|---|---|---|---|---|---|---|
"""


@click.command()
def errors() -> None:
    """Print the table of errors as Markdown."""
    click.echo(page(), nl=False)


def page() -> str:
    """Return docs/errors.md."""
    return _HEAD + "".join(f"| {' | '.join(_row(kind))} |\n" for kind in named_errors())


def named_errors(base: type[AuthSvcError] = AuthSvcError) -> Iterator[type[AuthSvcError]]:
    """Yield every error with a name of its own, in the order of the code."""
    for kind in base.__subclasses__():
        if "error" in vars(kind):
            yield kind
        yield from named_errors(kind)


def _row(kind: type[AuthSvcError]) -> tuple[str, ...]:
    # Kinds that share a name differ only in their cause.
    same = [kind, *(other for other in kind.__subclasses__() if "error" not in vars(other))]
    status = status_of(kind(), NATIVE)
    others = [(contract.name, status_of(kind(), contract)) for contract in CONTRACTS]
    return (
        f"`{kind.error}`",
        str(status),
        ", ".join(f"`{name}` {other}" for name, other in others if other != status),
        f"`{kind.action}`",
        "" if kind.retry_after is None else f"{kind.retry_after} s",
        kind.zh,
        kind.en,
        " ".join(map(_cause, same)),
        ", ".join(_errcodes(same)),
    )


def _errcodes(kinds: list[type[AuthSvcError]]) -> Iterator[str]:
    """WeChat's numbers that mean one of these, everywhere or at one endpoint alone."""
    yield from (str(errcode) for errcode, mapped in ERRORS.items() if mapped in kinds)
    for endpoint, meanings in BY_ENDPOINT.items():
        name = endpoint.rpartition("/")[2]
        yield from (f"{errcode} at {name}" for errcode, mapped in meanings.items() if mapped in kinds)


def _cause(kind: type[AuthSvcError]) -> str:
    """The first sentence of its docstring."""
    text = " ".join((kind.__doc__ or "").split()).replace("``", "`")
    return text.split(". ")[0].removesuffix(".") + "."
