"""One run of bench/compare: starts servers, has them checked, lets them take turns, and ends them."""

import io
import shutil
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from authsvc_verifier import Verifier
from bench import answers, plan
from bench.databases import MariaDB, Place, Schema, SQLiteFile
from bench.filling import fill
from bench.measure import Bench, Result, cpu
from bench.plan import Form, Planned
from bench.servers import ISSUER, PROGRAMS, Program, Server, Upstream
from bench.upstream import APPID

_VERIFICATIONS = 500
# Twice what somebody takes on the disk with all that belongs to them.
_BYTES_PER_PERSON = 2_000


@dataclass
class Done:
    """What came of a run."""

    results: list[Result] = field(default_factory=list)
    beside: list[dict[str, Any]] = field(default_factory=list)
    verifier_us: list[float] = field(default_factory=list)
    sizes: list[dict[str, Any]] = field(default_factory=list)
    upstream: dict[str, float] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Run:
    """Carries out the groups of a form, each within its minutes."""

    def __init__(
        self, folder: Path, stack: ExitStack, form: Form, programs: Sequence[str], databases: Sequence[str]
    ) -> None:
        self._folder, self._form = folder, form
        self._programs = [PROGRAMS[name] for name in programs]
        self._databases = tuple(databases)
        picture = folder / "code.jpg"
        picture.write_bytes(_code_picture())
        self._upstream = Upstream(folder, picture)
        stack.callback(self._upstream.process.stop)
        self._mariadb = None
        if "mariadb" in databases:
            self._mariadb = MariaDB(folder / "mariadb")
            stack.callback(self._mariadb.process.stop)
        self._bench = Bench(folder, self._upstream)
        self._started = 0
        self._give_up = 0.0
        self.done = Done(upstream=self._bench.capacity(2))

    def carry_out(self, groups: Sequence[str]) -> None:
        """Measure these groups."""
        ways: dict[str, Callable[[], None]] = {
            "login": self._logins,
            "endpoints": self._endpoints,
            "beside": self._beside,
            "users": self._over_users,
        }
        for group in groups:
            if group not in self._form.minutes:
                continue
            self._give_up = time.monotonic() + 60 * self._form.minutes[group]
            try:
                ways[group]()
            except Exception as problem:  # whatever it is, an hour's measurements are not to be lost by it
                traceback.print_exc()
                self.done.failures.append(f"{group}: {problem}")

    def _logins(self) -> None:
        with ExitStack() as stack:
            servers = [
                self._start(program, database, stack) for database in self._databases for program in self._programs
            ]
            self._take_turns(servers, plan.logins(self._form), plan.PEOPLE)

    def _endpoints(self) -> None:
        for database in self._databases:
            with ExitStack() as stack:
                server = self._start(PROGRAMS["authsvc"], database, stack)
                scopes = ("--scope", "introspect", "--scope", "qrcode")
                credential = server.run(sys.executable, "-m", "flask", "--app", "wsgi", *_ADD, *scopes)
                planned = plan.endpoints(self._form, database)
                self._take_turns([server], planned, plan.PEOPLE, credential)
                self.done.verifier_us += self._verifications(server)

    def _verifications(self, server: Server) -> list[float]:
        """CPU microseconds of a token in another service's process."""
        tokens = [line.split()[0] for line in self._bench.sign_in(server, 20)]
        verifier = Verifier(ISSUER, APPID, base_url=server.url)
        figures = []
        for _ in range(5):
            began = time.process_time()
            for number in range(_VERIFICATIONS):
                verifier.verify(tokens[number % len(tokens)])
            figures.append((time.process_time() - began) / _VERIFICATIONS * 1e6)
        verifier.close()
        return [statistics.median(figures)]

    def _beside(self) -> None:
        kinds = [("authsvc", database) for database in self._databases]
        kinds += [(name, self._databases[0]) for name in ("authsvc-threads", "plain-threads")]
        for name, database in kinds:
            if self._is_late(f"beside: {name} on {database}"):
                continue
            with ExitStack() as stack:
                server = self._start(PROGRAMS[name], database, stack)
                seconds = 5 * self._form.seconds
                self.done.beside.append(self._bench.run_beside_others(server, plan.CROWD, seconds, plan.PEOPLE))

    def _over_users(self) -> None:
        """The sizes of one database take turns; each has rows of its own, which are gone before the next database."""
        last = self._give_up
        for number, database in enumerate(self._databases, 1):
            left = last - time.monotonic()
            self._give_up = time.monotonic() + left / (len(self._databases) - number + 1)
            with ExitStack() as stack:
                known = {}
                for size in self._form.sizes:
                    server = self._grown(database, size, stack)
                    if server is not None:
                        known[server] = size
                self._settle()
                for planned, turn, server in _turns(list(known), plan.over_users(self._form, database)):
                    self._one(server, planned, known[server], turn)

    def _grown(self, database: str, size: int, stack: ExitStack) -> Server | None:
        """Start authsvc with so many people; None where there is no time or no room for them."""
        what = f"users: {size:,} on {database}"
        if shutil.disk_usage(self._folder).free < size * _BYTES_PER_PERSON + 2**30:
            self.done.left_out.append(f"{what}: no room on the disk")
            return None
        # Measuring takes its time as well.
        until = self._give_up - 6 * self._form.rounds * 2 * (self._form.seconds + 2)
        began = time.monotonic()
        server = self._start(PROGRAMS["authsvc"], database, stack, size, lambda: time.monotonic() > until)
        if server is None:
            self.done.left_out.append(f"{what}: no time to fill")
            return None
        took, grown = time.monotonic() - began, server.place.bytes()
        self.done.sizes.append({"database": database, "people": size, "bytes": grown, "filled_in_seconds": round(took)})
        print(f"{what}: {grown / 1e9:.2f} GB in {took:.0f} s", file=sys.stderr, flush=True)
        return server

    def _settle(self) -> None:
        """Wait until a database server has written what it was filled with, two minutes at most."""
        if self._mariadb is None:
            return
        pids, give_up = [self._mariadb.process.pid], time.monotonic() + 120
        while time.monotonic() < give_up:
            before = cpu(pids)
            time.sleep(2)
            if cpu(pids) - before < 0.1:
                return

    def _start(
        self,
        program: Program,
        database: str,
        stack: ExitStack,
        people: int = plan.PEOPLE,
        give_up: Callable[[], bool] = lambda: False,
    ) -> Any:
        """Start a server, check its answers, make people known, and warm it up; None when that was given up."""
        self._started += 1
        server = Server(program, self._folder / str(self._started), self._upstream, self._place(database))
        stack.callback(server.stop)
        self._upstream.answer_after(0)
        answers.check(server)
        if not fill(server, people, give_up):
            return None
        self._bench.warm_up(server, people)
        return server

    def _place(self, database: str) -> Place:
        if database == "sqlite":
            return SQLiteFile(self._folder / f"sqlite-{self._started}")
        assert self._mariadb is not None
        return Schema(self._mariadb, f"bench_{self._started}")

    def _take_turns(self, servers: list[Server], planned: list[Planned], people: int, credential: str = "") -> None:
        for one, turn, server in _turns(servers, planned):
            self._one(server, one, people, turn, credential)

    def _one(self, server: Server, planned: Planned, people: int, turn: int, credential: str = "") -> None:
        case = planned.case
        what = f"{server.name} {server.database}: {case.kind}, {case.users}, {case.latency_ms} ms, {case.in_flight}"
        if self._is_late(f"{what}, round {turn + 1}"):
            return
        result = self._bench.run(server, case, planned.seconds, people, credential)
        self.done.results.append(result)
        figures = f"{result.cpu_ms:.2f} ms CPU, {result.per_second:.0f}/s, p99 {result.p99:.0f} ms"
        bad = f" {result.errors} errors {result.note}" if result.errors or result.note else ""
        print(f"{what}: {figures}{bad}", file=sys.stderr, flush=True)

    def _is_late(self, what: str) -> bool:
        if time.monotonic() < self._give_up:
            return False
        self.done.left_out.append(what)
        return True


_ADD = ("authsvc", "services", "add", "bench")


def _turns(servers: list[Server], planned: list[Planned]) -> list[tuple[Planned, int, Server]]:
    """Round by round, so that a run that is cut short has fewer rounds of everything; every other one backwards."""
    return [
        (one, turn, server)
        for turn in range(max((one.rounds for one in planned), default=0))
        for one in planned
        if turn < one.rounds
        for server in servers[:: -1 if turn % 2 else 1]
        if server.database == one.database
    ]


def _code_picture() -> bytes:
    """A JPEG of the size of WeChat's codes: 430 pixels of black and white squares."""
    squares = Image.frombytes("L", (43, 43), bytes(255 * (number * 7919 % 11 > 4) for number in range(43 * 43)))
    picture = io.BytesIO()
    squares.resize((430, 430), Image.Resampling.NEAREST).convert("RGB").save(picture, "JPEG", quality=85)
    return picture.getvalue()
