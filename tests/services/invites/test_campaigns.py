"""Batches of invite codes: filled exactly, imported once, handed over all or none."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from authsvc.db.database import Database
from authsvc.db.queries import users
from authsvc.services.invites import spelling
from authsvc.services.invites.campaigns import BadCampaign, Campaigns
from authsvc.values.invites import ImportedInvite, InviteBatch, InviteBatchStats
from authsvc.values.people import Profile
from tests.harness.inprocess import Clock, rows
from tests.twins.seed_count_then_insert import CountingCampaigns

RACE = InviteBatch("race", 5500, "", 10, max_uses=2, expires_at=None, owner_id=None)
SPRING = InviteBatch("spring", 5, "SP-", 8, max_uses=1, expires_at=1_900_000_000, owner_id=None)


@pytest.fixture
def campaigns(each_database: Database, clock: Clock) -> Campaigns:
    return Campaigns(each_database, clock)


@pytest.fixture
def person(each_database: Database) -> int:
    return each_database.run(lambda connection: users.insert(connection, Profile(), 1).id)


def fill(campaigns: Campaigns, wanted: InviteBatch) -> list[int]:
    return list(campaigns.seed(wanted))


def numbers(database: Database, batch: str) -> list[int]:
    return [n for (n,) in rows(database, f"SELECT batch_number FROM invite_codes WHERE batch = '{batch}' ORDER BY 1")]


def test_codes_are_as_wanted(campaigns: Campaigns, person: int) -> None:
    assert fill(campaigns, replace(SPRING, owner_id=person)) == [0, 5]
    made = list(campaigns.codes(batch="spring"))
    assert {(m.owner_id, m.max_uses, m.expires_at, m.batch, m.uses) for m in made} == {
        (person, 1, 1_900_000_000, "spring", 0)
    }
    assert [m.batch_number for m in made] == [1, 2, 3, 4, 5]
    assert all(m.code.startswith("SP-") and set(m.code[3:]) <= set(spelling.ALPHABET) for m in made)
    assert {len(m.code) for m in made} == {11}


def test_filling_again_adds_what_is_missing_and_nothing_else(campaigns: Campaigns) -> None:
    first = fill(campaigns, SPRING) and list(campaigns.codes())
    assert fill(campaigns, SPRING) == [5]
    assert fill(campaigns, replace(SPRING, count=3)) == [5]
    assert fill(campaigns, replace(SPRING, count=8)) == [5, 8]
    assert list(campaigns.codes())[:5] == first and len(list(campaigns.codes())) == 8


@pytest.mark.parametrize(
    "otherwise", [{"max_uses": 2}, {"max_uses": None}, {"prefix": "SQ-"}, {"length": 9}, {"expires_at": None}]
)
def test_a_batch_is_not_continued_with_other_codes(campaigns: Campaigns, otherwise: dict[str, object]) -> None:
    fill(campaigns, SPRING)
    with pytest.raises(BadCampaign, match="spring was created with another"):
        fill(campaigns, replace(SPRING, count=8, **otherwise))
    assert campaigns.count() == 5


@pytest.mark.parametrize(
    "bad, why",
    [
        ({"name": "../spring"}, "name"),
        ({"name": ""}, "name"),
        ({"prefix": "春"}, "prefix"),
        ({"prefix": "P" * 13}, "20 characters"),
        ({"length": 3, "count": 1}, "need 5 random characters"),
        ({"owner_id": 99}, "no active user 99"),
    ],
)
def test_a_batch_that_cannot_be_is_refused(campaigns: Campaigns, bad: dict[str, object], why: str) -> None:
    with pytest.raises(BadCampaign, match=why):
        fill(campaigns, replace(SPRING, **bad))
    assert campaigns.count() == 0


def fill_at_once(database: Database, kind: type[Campaigns], times: int) -> None:
    with ThreadPoolExecutor(times) as pool:
        for done in [pool.submit(fill, kind(database, Clock()), RACE) for _ in range(times)]:
            done.result()


def test_four_who_fill_one_batch_at_once_make_no_code_too_many(each_database: Database) -> None:
    fill_at_once(each_database, Campaigns, 4)
    assert numbers(each_database, "race") == list(range(1, RACE.count + 1))


@pytest.fixture
def without_the_key(each_database: Database) -> Iterator[Database]:
    on = " ON invite_codes" if "mysql" in str(each_database._engine.dialect.name) else ""
    change: Callable[[str], object] = lambda sql: each_database.run(lambda c: c.exec_driver_sql(sql))  # noqa: E731
    change(f"DROP INDEX uq_invite_codes_batch{on}")
    yield each_database
    change("DELETE FROM invite_codes")
    change("CREATE UNIQUE INDEX uq_invite_codes_batch ON invite_codes (batch, batch_number)")


def test_the_twin_that_counts_first_makes_too_many(without_the_key: Database) -> None:
    fill_at_once(without_the_key, CountingCampaigns, 4)
    assert len(numbers(without_the_key, "race")) > RACE.count


def bring(campaigns: Campaigns, brought: list[ImportedInvite]) -> tuple[int, int]:
    steps = list(campaigns.import_codes(brought))
    return sum(looked_at for looked_at, _ in steps), sum(new for _, new in steps)


def test_importing_twice_does_no_more_than_once(campaigns: Campaigns, person: int) -> None:
    brought = [ImportedInvite(f"c{n}", "old", person, 3, 1_900_000_000, n % 2 == 0) for n in range(1500)]
    brought.append(ImportedInvite("Plain"))
    assert bring(campaigns, brought) == (1501, 1501)
    first = list(campaigns.codes())
    assert bring(campaigns, brought) == (1501, 0)
    assert list(campaigns.codes()) == first
    assert [f.batch_number for f in first] == [*range(1, 1501), None]
    assert (first[0].owner_id, first[0].max_uses, first[0].expires_at) == (person, 3, 1_900_000_000)
    assert [f.disabled_at is not None for f in first[:3]] == [True, False, True]


def test_what_is_there_stays_as_it_is_and_case_counts(campaigns: Campaigns) -> None:
    bring(campaigns, [ImportedInvite("Ab", max_uses=1)])
    assert bring(campaigns, [ImportedInvite("Ab", max_uses=9), ImportedInvite("aB", max_uses=2)]) == (2, 1)
    assert [(c.code, c.max_uses) for c in campaigns.codes()] == [("Ab", 1), ("aB", 2)]


def test_an_unknown_owner_stops_the_import_before_it_begins(campaigns: Campaigns) -> None:
    with pytest.raises(BadCampaign, match="no active user 7"):
        bring(campaigns, [ImportedInvite("a"), ImportedInvite("b", owner_id=7)])
    assert campaigns.count() == 0


def test_codes_are_assigned_all_or_none(campaigns: Campaigns, person: int) -> None:
    fill(campaigns, SPRING)
    a, b, c, d, e = [found.code for found in campaigns.codes()]
    campaigns.assign(person, [b])
    with pytest.raises(BadCampaign, match=f"{b} belongs to user {person}"):
        campaigns.assign(person, [a, b])
    campaigns.disable([c])
    with pytest.raises(BadCampaign, match=f"{c} is used, expired or disabled"):
        campaigns.assign(person, [a, c])
    with pytest.raises(BadCampaign, match="no code nope"):
        campaigns.assign(person, [a, "nope"])
    with pytest.raises(BadCampaign, match="no active user 99"):
        campaigns.assign(99, [a])
    with pytest.raises(BadCampaign, match="only 3 free codes"):
        campaigns.assign_first(person, "spring", 4)
    assert [found.code for found in campaigns.codes(owner_id=person)] == [b]
    campaigns.assign_first(person, "spring", 2)
    assert [found.code for found in campaigns.codes(owner_id=person)] == [a, b, d]
    assert campaigns.named([e])[0].owner_id is None


def test_codes_are_disabled_by_name_or_by_batch(campaigns: Campaigns) -> None:
    fill(campaigns, SPRING)
    bring(campaigns, [ImportedInvite("other")])
    first = next(iter(campaigns.codes())).code
    with pytest.raises(BadCampaign, match="no code nope"):
        campaigns.disable([first, "nope"])
    assert campaigns.disable([first]) == 1
    assert campaigns.disable([first]) == 0
    assert campaigns.disable_batch("spring") == 4
    with pytest.raises(BadCampaign, match="no batch autumn"):
        campaigns.disable_batch("autumn")
    assert {c.code for c in campaigns.codes() if campaigns.fault(c) is None} == {"other"}


def test_codes_are_counted_by_batch(campaigns: Campaigns, person: int, each_database: Database, clock: Clock) -> None:
    now = int(time.time())
    bring(campaigns, [ImportedInvite("own", owner_id=person), ImportedInvite("old", "a", expires_at=now - 10**8)])
    fill(campaigns, SPRING)
    campaigns.disable([next(iter(campaigns.codes(batch="spring"))).code])
    last = [found.code for found in campaigns.codes(batch="spring")][-1]
    each_database.run(lambda c: c.exec_driver_sql(f"UPDATE invite_codes SET uses = 1 WHERE code = '{last}'"))
    assert campaigns.stats() == [
        InviteBatchStats(None, codes=1, owned=1, uses=0, used_up=0, expired=0, disabled=0),
        InviteBatchStats("a", codes=1, owned=0, uses=0, used_up=0, expired=1, disabled=0),
        InviteBatchStats("spring", codes=5, owned=0, uses=1, used_up=1, expired=0, disabled=1),
    ]
    for at_once in (1, 2, 3, 7, 8):
        in_pieces = Campaigns(each_database, clock, counted_at_once=at_once)
        assert in_pieces.stats() == campaigns.stats()
