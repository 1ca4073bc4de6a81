"""Other services are told of changes: each at least once, each person's in order, whatever is killed on the way."""

import json
import multiprocessing
import os
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from authsvc.db.queries import person_changes
from authsvc.sealing import Sealer
from authsvc.services.changes.journal import ChangeJournal, Changes
from authsvc.services.siblings.deliveries import SCHEDULE, Deliveries, Round
from authsvc.services.siblings.webhooks import BadWebhook, Webhooks
from authsvc.values.changes import ChangeKind, WebhookScope
from authsvc.values.people import PhoneNumber
from authsvc.webhooks.sender import Sender
from tests.harness.house import House
from tests.harness.inprocess import AUDIT, SECRET, Clock
from tests.harness.processes import free_port
from tests.harness.receiver import Receiver
from tests.harness.service import Service
from tests.harness.signedin import native
from tests.harness.simulator import Simulator
from tests.services.siblings import delivering

DAY = 86_400


class Desk:
    """Webhooks and their deliveries, over a database of the house."""

    def __init__(self, house: House, clock: Clock, *hosts: str) -> None:
        journal, sealer, sender = ChangeJournal(30 * DAY), Sealer((SECRET,), "webhook secrets"), Sender(hosts)
        changes = Changes(house.database, journal)
        self.house, self.clock = house, clock
        self.webhooks = Webhooks(
            database=house.database, changes=changes, sender=sender, sealer=sealer, audit=AUDIT, clock=clock
        )
        self.deliveries = Deliveries(
            database=house.database, changes=changes, sender=sender, sealer=sealer, clock=clock
        )

    def add(
        self, receiver: Receiver, *kinds: ChangeKind, scopes: tuple[WebhookScope, ...] = (), name: str = "orders"
    ) -> str:
        return self.webhooks.add(name, receiver.url, kinds, scopes)

    def round(self) -> Round:
        self.deliveries._away.clear()  # a test waits by moving its clock
        return self.deliveries.round()

    def change(self, user_id: int, kind: ChangeKind = "profile.changed") -> None:
        self.house.database.run(
            lambda connection: person_changes.insert(connection, kind, user_id, None, self.house.now)
        )

    def backlog(self) -> tuple[int, int]:
        ((_, backlog),) = self.webhooks.list_all()
        return backlog.waiting, backlog.dead


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        yield found


@pytest.fixture
def desk(house: House, clock: Clock, receiver: Receiver) -> Desk:
    clock.moment = time.time()  # the specification's library compares with the time
    return Desk(house, clock, receiver.host)


def test_a_change_arrives_signed_with_ids_only(desk: Desk, receiver: Receiver) -> None:
    secret = desk.add(receiver)
    person = desk.house.log_in("somebody", PhoneNumber("86", "13800000000"), unionid="u")
    assert [desk.round().delivered for _ in range(3)] == [1, 1, 0]  # a person's go one after the other
    found = [message.verified(secret) for message in receiver.messages]
    assert [message["type"] for message in found] == ["person.registered", "phone.changed"]
    assert [message["data"] for message in found] == [{"sub": str(person.user.id)}] * 2
    assert len({message.id for message in receiver.messages}) == 2
    for message in receiver.messages:
        assert b"13800000000" not in message.body and b"somebody" not in message.body


def test_scopes_add_what_they_name(desk: Desk, receiver: Receiver) -> None:
    secret = desk.add(receiver, "phone.changed", scopes=("openid", "phone"))
    desk.house.log_in("somebody", PhoneNumber("86", "13800000000"), unionid="u")
    desk.round()
    (message,) = receiver.messages  # and not the kind that it did not ask for
    data = message.verified(secret)["data"]
    assert data["phone"] == "+8613800000000"
    assert [(one["openid"], one["unionid"]) for one in data["identities"]] == [("somebody", "u")]


def test_what_was_before_is_not_told(desk: Desk, receiver: Receiver) -> None:
    desk.change(1)
    Changes(desk.house.database, ChangeJournal(DAY)).after(0, 10)
    desk.add(receiver)
    desk.change(2)
    desk.round()
    assert [message.sub for message in receiver.messages] == ["2"]


def test_the_next_one_of_a_person_waits_and_others_do_not(desk: Desk, receiver: Receiver) -> None:
    desk.add(receiver)
    for user_id in (1, 2, 1):
        desk.change(user_id)
    receiver.status = 400
    assert desk.round().failed == 2  # the first of each
    receiver.messages.clear()
    receiver.status = 200
    assert desk.round().delivered == 0  # it is not time yet
    desk.clock.moment += SCHEDULE[0] + 1
    assert (desk.round().delivered, desk.round().delivered, desk.round().delivered) == (2, 1, 0)
    positions = defaultdict(list)
    for message in receiver.messages:
        positions[message.sub].append(int(message.id.removeprefix("change-")))
    assert {sub: sorted(found) == found for sub, found in positions.items()} == {"1": True, "2": True}
    assert (len(positions["1"]), desk.backlog()) == (2, (0, 0))


def test_after_days_it_is_given_up_listed_and_sent_again_on_request(desk: Desk, receiver: Receiver) -> None:
    desk.add(receiver)
    desk.change(1)
    receiver.status = 500
    for pause in (*SCHEDULE, 0):
        assert desk.round().failed == 1
        desk.clock.moment += pause + 1
    assert desk.backlog() == (0, 1)
    (dead,) = desk.webhooks.dead("orders")
    assert (dead.last_error, dead.change.user_id, dead.attempts) == ("HTTP status 500", 1, len(SCHEDULE) + 1)
    desk.change(1)  # the next one goes on
    receiver.status = 200
    assert desk.round().delivered == 1
    assert desk.webhooks.replay("orders", dead.id) == 1
    assert desk.house.events("webhook_replay") == [(None, "orders")]
    assert (desk.round().delivered, desk.backlog()) == (1, (0, 0))


def test_a_pause_keeps_everything(desk: Desk, receiver: Receiver) -> None:
    desk.add(receiver)
    desk.webhooks.pause("orders")
    desk.change(1)
    assert (desk.round().delivered, receiver.messages) == (0, [])
    desk.webhooks.resume("orders")
    assert desk.round().delivered == 1


def test_secrets_overlap_for_a_day(desk: Desk, receiver: Receiver) -> None:
    former = desk.add(receiver)
    new = desk.webhooks.rotate("orders")
    desk.change(1)
    desk.round()
    (message,) = receiver.messages
    assert message.verified(former) == message.verified(new)
    desk.clock.moment += DAY
    desk.change(1)
    desk.round()
    assert len(receiver.messages[1].headers["webhook-signature"].split()) == 1
    assert not [row for row in desk.house.rows("SELECT secret, previous_secret FROM webhooks") if new in str(row)]


def test_where_nobody_answers_one_message_asks_for_all(desk: Desk, receiver: Receiver) -> None:
    desk.add(receiver)
    for user_id in range(30):
        desk.change(user_id)
    receiver.status = 503
    first = desk.deliveries.round().failed
    assert first == 30
    assert desk.deliveries.round().failed == 0  # it is left alone for a while
    asked = len(receiver.messages)
    desk.clock.moment += SCHEDULE[0] + 1
    desk.deliveries._away = {"orders": (3, 0.0)}
    assert desk.deliveries.round().failed == 1
    assert len(receiver.messages) == asked + 1


def test_bad_ones_are_refused(desk: Desk, receiver: Receiver) -> None:
    desk.add(receiver)
    for name, url in (
        ("orders", receiver.url),  # taken
        ("Orders", receiver.url),
        ("other", "http://example.com/"),
        ("other", "https://example.com/" + "x" * 500),
    ):
        with pytest.raises(BadWebhook):
            desk.webhooks.add(name, url, (), ())
    for refuse in (desk.webhooks.remove, desk.webhooks.rotate, desk.webhooks.pause, desk.webhooks.dead):
        with pytest.raises(BadWebhook, match="there is no webhook nobody"):
            refuse("nobody")
    desk.webhooks.remove("orders")
    assert desk.webhooks.list_all() == []


@pytest.mark.slow
def test_the_commands_over_the_real_service(
    start_briefly: Callable[..., Service], simulator: Simulator, receiver: Receiver
) -> None:
    settings = {"CHANGES_RETENTION_DAYS": "30", "WEBHOOK_HOSTS": receiver.host}
    service = start_briefly("webhooks", workers=1, settings=settings)
    command = ("authsvc", "webhooks", "add", "orders", receiver.url, "--event", "person.registered")
    secret = service.flask(*command, shows_secret=True).strip().splitlines()[-1]
    person = native(service, simulator, "told of")
    assert "delivered: 1" in service.flask("authsvc", "deliver", "--once")
    (message,) = receiver.messages
    assert message.verified(secret)["data"] == {"sub": str(person.user_id)}
    listed = json.loads(service.flask("authsvc", "webhooks", "list", "--json"))
    assert [(one["name"], one["waiting"], one["dead"]) for one in listed] == [("orders", 0, 0)]
    assert secret not in service.flask("authsvc", "webhooks", "list")


# --- everything is killed ---------------------------------------------------------------------------------------------

# 200 kills over 5,000 changes take three minutes: AUTHSVC_TEST_KILLS=200.
KILLS = int(os.environ.get("AUTHSVC_TEST_KILLS", "40"))
CHANGERS, PEOPLE, TIMES = 2, 20, KILLS * 5 // 4
# New processes are forks of one that has imported everything: a kill costs milliseconds, not seconds.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([delivering.__name__])


class Play:
    """The programs of ``delivering.py`` over one database, killed and started again."""

    def __init__(self, url: str, file: Path, host: str, ids: list[int], *, is_late: bool) -> None:
        self.file = file
        shares = [ids[number::CHANGERS] for number in range(CHANGERS)]
        self.programs: dict[str, tuple[Any, ...]] = {
            f"change-{number}": (delivering.change, url, share, TIMES, is_late) for number, share in enumerate(shares)
        }
        self.changers = list(self.programs)
        self.programs |= {f"deliver-{number}": (delivering.deliver, url, host) for number in range(2)}
        self.programs["receive"] = (delivering.receive, int(host.partition(":")[2]), str(file))
        self.processes = {name: self._start(name) for name in self.programs}

    def _start(self, name: str) -> Any:
        program, *arguments = self.programs[name]
        process = FORKS.Process(target=program, args=arguments, daemon=True)
        process.start()
        return process

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].join()
        self.processes[name] = self._start(name)

    def is_changing(self) -> bool:
        return any(self.processes[name].exitcode != 0 for name in self.changers)

    def messages(self) -> list[tuple[int, str]]:
        """(position, sub) of everything received, in its order."""
        found = []
        for line in self.file.read_text().splitlines() if self.file.exists() else []:
            head, _, body = line.partition(" ")
            found.append((int(head.removeprefix("change-")), json.loads(body)["data"]["sub"]))
        return found

    def stop(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.join()


def played(house: House, file: Path, *, is_late: bool) -> tuple[dict[str, int], list[tuple[int, str]], int]:
    """Let people change while everything is killed; return how often each changed, what arrived, and the kills."""
    url = house.database._engine.url.render_as_string(hide_password=False)
    host = f"127.0.0.1:{free_port()}"
    ids = [house.user().id for _ in range(PEOPLE)]
    desk = Desk(house, Clock(time.time()), host)
    desk.webhooks.add("orders", f"http://{host}/", (), ())
    play, kills = Play(url, file, host, ids, is_late=is_late), 0
    try:
        while play.is_changing():
            time.sleep(random.uniform(0, 0.15))
            running = [name for name in play.programs if play.processes[name].exitcode is None]
            if kills < KILLS:
                play.kill(random.choice(running))
                kills += 1
        give_up = time.monotonic() + 200
        while not is_all_sent(desk) and time.monotonic() < give_up:
            time.sleep(0.2)
    finally:
        play.stop()
    changed = {str(row[0]): int(row[1] or 0) for row in house.rows("SELECT id, nickname FROM users")}
    return changed, play.messages(), kills


def is_all_sent(desk: Desk) -> bool:
    ((webhook, backlog),) = desk.webhooks.list_all()
    new = desk.house.rows("SELECT COUNT(*) FROM person_changes WHERE position IS NULL")[0][0]
    return not new and not backlog.waiting and webhook.position == _last(desk.house)


def _last(house: House) -> int:
    last: int = house.rows("SELECT last_given FROM change_sequence")[0][0]
    return last


def lost_of(changed: dict[str, int], arrived: list[tuple[int, str]]) -> int:
    distinct = defaultdict(set)
    for position, sub in arrived:
        distinct[sub].add(position)
    return sum(times - len(distinct[sub]) for sub, times in changed.items())


@pytest.mark.slow
def test_nothing_is_lost_and_each_persons_order_is_kept_whatever_is_killed(
    house: House, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    changed, arrived, kills = played(house, tmp_path / "received", is_late=False)
    firsts: dict[str, list[int]] = defaultdict(list)
    seen: set[int] = set()
    for position, sub in arrived:
        if position not in seen:
            seen.add(position)
            firsts[sub].append(position)
    figures(
        f"{house.dialect}: {sum(changed.values()):,} changes, {kills} kills of changer, deliverer and receiver: "
        f"{lost_of(changed, arrived)} lost, {len(arrived) - len(seen)} twice"
    )
    assert set(changed.values()) == {TIMES}
    assert lost_of(changed, arrived) == 0
    assert all(positions == sorted(positions) for positions in firsts.values())


@pytest.mark.slow
def test_the_check_finds_a_change_that_is_written_down_afterwards(
    house: House, tmp_path: Path, figures: Callable[[str], None]
) -> None:
    changed, arrived, _ = played(house, tmp_path / "received", is_late=True)
    lost = lost_of(changed, arrived)
    figures(f"{house.dialect}, written down after the change: {lost} lost")
    assert lost > 0
