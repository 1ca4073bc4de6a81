"""The old import path: the same things under another name, with a warning, and a sentence where they are not there."""

import importlib
import sys
from types import ModuleType

import pytest

import authsvc_verifier
from authsvc_verifier.flask import token_required

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _never_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("authsvc.verify", "authsvc.verify.flask"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def imported(name: str) -> ModuleType:
    with pytest.warns(DeprecationWarning, match="authsvc.verify is now authsvc_verifier"):
        return importlib.import_module(name)


def test_the_old_path_gives_the_same_things_and_warns() -> None:
    old = imported("authsvc.verify")
    assert sorted(old.__all__) == sorted(authsvc_verifier.__all__)
    assert all(getattr(old, name) is getattr(authsvc_verifier, name) for name in old.__all__)


def test_the_old_path_of_the_decorator_too() -> None:
    assert imported("authsvc.verify.flask").token_required is token_required


def test_without_the_verifier_the_old_path_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "authsvc_verifier", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install \./verifier, and import authsvc_verifier"):
        importlib.import_module("authsvc.verify")


def test_what_the_verifier_itself_lacks_is_not_taken_for_the_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "authsvc_verifier"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "requests", None)
    with pytest.raises(ModuleNotFoundError, match="requests"):
        importlib.import_module("authsvc.verify")
