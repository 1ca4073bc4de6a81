"""What becomes of whatever a command may raise: an exit code, and one sentence."""

import errno

import click
import pytest
from click.testing import CliRunner, Result

from authsvc import errors as e
from authsvc.cli.refusals import Group, resumable
from authsvc.config import BadSettings
from authsvc.db.sqlitefile import UnfitDatabase
from authsvc.services.invites.campaigns import BadCampaign
from authsvc.services.operator.credentials import BadCredential
from authsvc.services.operator.signingkeys import KeyRefusal
from authsvc.services.qrcodes.batches import Stopped
from authsvc.signing.keyset import BadKeys
from authsvc.values.operator import Incomplete, Refused


def ended(raised: BaseException, kind: type[click.Group] = Group, *, goes_on: bool = False) -> Result:
    """Run a command that raises, in a group in a group."""

    @click.group(cls=kind)
    def outer() -> None:
        """Hold the inner one."""

    @outer.group(cls=kind)
    def inner() -> None:
        """Hold the command."""

    @inner.command()
    def work() -> None:
        if goes_on:
            with resumable():
                raise raised
        raise raised

    return CliRunner().invoke(outer, ["inner", "work"])


@pytest.mark.parametrize(
    "raised, code, said",
    [
        (Refused("there is no user 1"), 1, "Error: there is no user 1"),
        (BadCampaign("there is no batch x"), 1, "Error: there is no batch x"),
        (BadCredential("the name is taken"), 1, "Error: the name is taken"),
        (BadKeys("no keys"), 1, "Error: no keys"),
        (BadSettings("X is wrong"), 1, "Error: X is wrong"),
        (UnfitDatabase("no file"), 1, "Error: no file"),
        (KeyRefusal("no"), 1, "Error: no"),
        (KeyRefusal("too early", 1), 75, "Error: too early"),
        (Incomplete("done, but"), 3, "Error: done, but"),
        (Stopped(e.WeChatQuotaExhausted("45009")), 75, "45009)"),
        (e.ServiceBusy("locked"), 75, "Error: The service is busy; please try again (service_busy: locked)"),
        (e.PicturesBusy("64 wait"), 75, "64 wait)"),
        (e.WeChatUnreachable("refused"), 75, "refused)"),
        # What waiting does not cure.
        (e.DatabaseUnusable("the disk is full"), 1, "Error: the disk is full\n"),
        (e.DatabaseBusy("it is locked"), 75, "Error: it is locked\n"),
        (e.PicturesFull("all taken"), 1, "all taken)"),
        (e.WeChatMisconfigured("40125"), 1, "40125)"),
        (e.UnknownApp("wx1"), 1, "wx1)"),
        (OSError(errno.ENOSPC, "No space left", "/out.csv"), 1, "Error: /out.csv: No space left"),
        (OSError("something"), 1, "Error: something"),
        (UnicodeEncodeError("utf-8", "\udcc0", 0, 1, "surrogates"), 1, "Error: an argument is not text"),
        (click.UsageError("which?"), 2, "Error: which?"),
        (click.Abort(), 1, "Aborted!"),
        (KeyboardInterrupt(), 130, "interrupted: what was done before stays done"),
    ],
)
def test_one_code_and_one_sentence(raised: BaseException, code: int, said: str) -> None:
    result = ended(raised)
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr and result.stderr.count(said.split(": ")[0]) == 1


def test_an_interrupted_command_that_goes_on_says_so() -> None:
    result = ended(KeyboardInterrupt(), goes_on=True)
    assert result.exit_code == 130
    assert result.stderr == "\ninterrupted: repeat the same command to continue where this one stopped\n"


@pytest.mark.parametrize("given, code", [(0, 0), (3, 3), (75, 75), (4, 1), ("a sentence", 1)])
def test_no_other_number_leaves_a_command(given: object, code: int) -> None:
    assert ended(SystemExit(given)).exit_code == code


def test_a_fault_of_the_code_stays_one() -> None:
    assert isinstance(ended(ZeroDivisionError()).exception, ZeroDivisionError)


def test_a_plain_group_tells_nothing() -> None:
    """The twin on which the tests above are seen to fail."""
    assert isinstance(ended(e.ServiceBusy("locked"), click.Group).exception, e.ServiceBusy)
