"""``authsvc operators``: a credential is printed once, and no other command shows it."""

import json

import pytest

from tests.harness.leaks import Canaries
from tests.harness.service import Service


@pytest.mark.slow
def test_operators_are_made_changed_and_removed_by_command(each_service: Service, canaries: Canaries) -> None:
    def run(*arguments: str, **options: bool) -> str:
        return each_service.flask("authsvc", "operators", *arguments, **options)

    first = canaries.never("operator", run("add", "shell-alice", shows_secret=True).strip())
    assert first.startswith("shell-alice.") and len(first) == len("shell-alice.") + 43
    assert "choose another one" in run("add", "shell-alice", fails=True)
    assert run("role", "shell-alice", "support") == "support  shell-alice\n"
    second = canaries.never("operator", run("rotate", "shell-alice", shows_secret=True).strip())
    assert second != first
    [found] = [row for row in json.loads(run("list", "--json")) if row["name"] == "shell-alice"]
    assert set(found) == {"name", "role", "created_at", "rotated_at", "last_used_at", "removed_at"}
    assert found["role"] == "support" and found["rotated_at"] and not found["removed_at"]
    assert "nobody is there to ask; add --yes" in run("remove", "shell-alice", fails=True)
    assert run("remove", "shell-alice", "--yes") == "removed  shell-alice\n"
    assert "there is no operator shell-alice" in run("rotate", "shell-alice", fails=True)
    [line] = [line for line in run("list").splitlines() if line.startswith("shell-alice")]
    assert line.split()[1] == "support" and line.split()[-1].endswith("Z")
    printed = each_service.flask("authsvc", "audit", "--event", "operator_role")
    assert "shell-alice: support" in printed
    assert each_service.flask("authsvc", "audit", "--operator", "nobody").count("\n") == 1
