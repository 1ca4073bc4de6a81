"""Changes of people: written with the change, handed out in the order of their commits, and none is missed."""

import random
import threading
import time
from collections.abc import Callable

import pytest

from authsvc.db.database import Database
from authsvc.db.queries import person_changes
from authsvc.errors import CursorExpired
from authsvc.services.accounts.merging import merge
from authsvc.services.changes.journal import ChangeJournal, Changes
from authsvc.values.people import PhoneNumber, Profile
from tests.harness.house import CLUB, House
from tests.harness.inprocess import AUDIT, empty

DAY = 86_400
NOW = 1_800_000_000


@pytest.fixture
def changes(house: House) -> Changes:
    return Changes(house.database, ChangeJournal(DAY))


def kinds(changes: Changes, after: int = 0) -> list[tuple[str, int]]:
    return [(change.kind, change.user_id) for change in changes.after(after, 500)]


def test_a_person_comes_changes_and_is_told_of_in_order(house: House, changes: Changes) -> None:
    first = house.log_in("one", unionid="u", profile=Profile(nickname="小明"))
    house.log_in("one", unionid="u", profile=Profile(nickname="小明"))  # nothing new: nothing told
    house.log_in("one", unionid="u", profile=Profile(nickname="小红"))
    house.log_in("other", app=CLUB, unionid="u")
    house.log_in("one", PhoneNumber("86", "13800000000"), unionid="u")
    told = [kind for kind, _ in kinds(changes)]
    assert told == ["person.registered", "profile.changed", "identity.linked", "phone.changed"]
    assert {user for _, user in kinds(changes)} == {first.user.id}


def test_a_merge_names_both(house: House, changes: Changes) -> None:
    loser, winner = house.log_in("loser").user, house.log_in("winner").user
    house.database.run(lambda connection: merge(connection, AUDIT, loser, winner, house.now))
    last = changes.after(0, 500)[-1]
    assert (last.kind, last.user_id, last.into_id, last.at) == ("person.merged", loser.id, winner.id, house.now)


def test_what_is_undone_is_not_told(house: House, changes: Changes) -> None:
    def fail() -> None:
        raise RuntimeError("undone")

    with pytest.raises(RuntimeError):
        house.log_in("nobody", then=fail)
    assert kinds(changes) == []


def test_without_a_time_to_keep_nothing_is_written(house: House) -> None:
    journal = ChangeJournal(0)
    house.database.run(lambda connection: journal.note(connection, "person.closed", 1, NOW))
    assert house.rows("SELECT COUNT(*) FROM person_changes") == [(0,)]
    assert not Changes(house.database, journal).are_kept


def test_a_cursor_older_than_what_is_kept_is_refused(house: House, changes: Changes) -> None:
    for at in (NOW, NOW, NOW + DAY):
        house.database.run(lambda connection, at=at: person_changes.insert(connection, "person.closed", 7, None, at))
    first, second, third = (change.position for change in changes.after(0, 10))
    assert house.database.run(person_changes.delete_old, NOW + 1) == 2
    assert house.database.run(person_changes.delete_old, NOW + 1) == 0
    with pytest.raises(CursorExpired):
        changes.after(first, 10)
    # Who has seen the last deleted one has missed nothing; who begins anew gets what there is.
    assert [change.position for change in changes.after(second, 10)] == [third]
    assert [change.position for change in changes.after(0, 10)] == [third]


def test_changes_that_nobody_reads_are_deleted_too(house: House) -> None:
    house.database.run(lambda connection: person_changes.insert(connection, "person.closed", 7, None, NOW))
    assert house.database.run(person_changes.delete_old, NOW + 1) == 1


# --- many at once ---------------------------------------------------------------------------------------------


def by_id(database: Database) -> Callable[[int], list[tuple[int, int]]]:
    """The broken twin: a reader that takes the ids for the order."""
    return lambda cursor: database.read(
        lambda connection: [
            (row[0], row[0])
            for row in connection.exec_driver_sql(f"SELECT id FROM person_changes WHERE id > {cursor} ORDER BY id")
        ]
    )


def by_position(database: Database) -> Callable[[int], list[tuple[int, int]]]:
    changes = Changes(database, ChangeJournal(DAY))
    return lambda cursor: [(change.position, change.user_id) for change in changes.after(cursor, 50)]


def missed(database: Database, read: Callable[[int], list[tuple[int, int]]], writers: int = 3, each: int = 40) -> int:
    """How many changes a reader misses that follows its cursor while many are written at once."""
    begin = threading.Barrier(writers)

    def write(number: int) -> None:
        begin.wait()
        for user_id in range(number * each, (number + 1) * each):

            def work(connection: object, user_id: int = user_id) -> None:
                person_changes.insert(connection, "profile.changed", user_id, None, NOW)  # type: ignore[arg-type]
                time.sleep(random.uniform(0, 0.01))  # what else the change has to do

            database.run(work)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    cursor, seen = 0, 0
    while True:
        is_last = not any(thread.is_alive() for thread in threads)
        found = read(cursor)
        seen += len(found)
        cursor = found[-1][0] if found else cursor
        if is_last and not found:
            return writers * each - seen


def test_a_reader_misses_no_change_and_sees_none_twice(each_database: Database) -> None:
    assert missed(each_database, by_position(each_database)) == 0


def test_the_check_finds_a_reader_that_trusts_the_ids(_mysql: Database) -> None:
    """Not on SQLite, which has one writer at a time."""
    empty(_mysql)
    assert missed(_mysql, by_id(_mysql)) > 0


def test_several_readers_give_each_change_one_position(each_database: Database) -> None:
    readers = [by_position(each_database) for _ in range(2)]
    stop = threading.Event()

    def keep_reading(read: Callable[[int], list[tuple[int, int]]]) -> None:
        while not stop.is_set():
            read(0)
            time.sleep(0.002)

    threads = [threading.Thread(target=keep_reading, args=(read,)) for read in readers[1:]]
    for thread in threads:
        thread.start()
    try:
        assert missed(each_database, readers[0], writers=2, each=30) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
