"""One measurement: keep N requests in flight for some seconds, and say what they cost the server."""

import json
import os
import random
import subprocess
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import requests

from bench.others import Others
from bench.sealing import KEYS, payload_lines, sealed_profile
from bench.servers import Server, Upstream

LUA = Path(__file__).with_name("load.lua")
TICKS = os.sysconf("SC_CLK_TCK")
# Until the connections of a crowd are all accepted.
RAMP_SECONDS = 4
# A crowd that the load has left behind is worked off in less, or the server is started anew.
IDLE_SECONDS = 6


@dataclass(frozen=True)
class Case:
    """What to measure.

    ``users`` of a login: returning, new, or people: one in five is new, and one in four brings a profile. Everybody
    comes with a unionid, and with another session_key than the last time. ``kind`` is one of load.lua's.
    """

    latency_ms: int
    in_flight: int
    users: str = "returning"
    kind: str = "login"


@dataclass(frozen=True)
class Result:
    """Times in ms; ``*_cpu`` in cores, so 1.0 is a core kept busy.

    ``cpu_ms`` is the server's, per request; ``database_ms`` that of a database server on top. ``p99_open``: the p99 was
    longer than the load went on.
    """

    server: str
    database: str
    known: int
    kind: str
    users: str
    latency_ms: int
    in_flight: int
    cpu_ms: float
    database_ms: float
    answers: int
    per_second: float
    p50: float
    p99: float
    p99_open: bool
    errors: int
    load_cpu: float
    upstream_cpu: float
    others_cpu: float
    note: str = ""


@dataclass(frozen=True)
class _Spent:
    """CPU seconds so far, and what the whole machine has idled."""

    server: float
    database: float
    upstream: float
    idle: float
    at: float


class Bench:
    """Measures servers against one upstream."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        self._folder = folder
        self._upstream = upstream
        self._fresh = random.randrange(10**8, 6 * 10**8)

    def warm_up(self, server: Server, people: int) -> None:
        """Let a server answer for two seconds. Raises RuntimeError when it does not."""
        self._upstream.answer_after(0)
        done = self._load(server.url, Case(0, 16), seconds=2, people=people)
        if done["good"] == 0 or done["bad"]:
            raise RuntimeError(f"{server.name} on {server.database}: {done['note']}")

    def capacity(self, seconds: float) -> dict[str, float]:
        """Return exchanges a second that the upstream answers by itself, and the CPU ms of one."""
        self._upstream.answer_after(0)
        before = cpu([self._upstream.process.pid])
        done = self._load(self._upstream.url, Case(0, 16, kind="exchange"), seconds=seconds, people=10**6)
        spent = cpu([self._upstream.process.pid]) - before
        return {"per_second": done["good"] / done["seconds"], "cpu_ms": 1000 * spent / max(done["good"], 1)}

    def run(self, server: Server, case: Case, seconds: float, people: int, credential: str = "") -> Result:
        """Measure; what still runs when the load ends is waited for and counted, or ended where that takes too long."""
        result, is_idle = self._measured(server, case, seconds, people, credential)
        if not is_idle:
            server.restart()
        return result

    def _measured(
        self, server: Server, case: Case, seconds: float, people: int, credential: str = ""
    ) -> tuple[Result, bool]:
        """Return what was measured, and whether the server has nothing more to do."""
        self._upstream.answer_after(case.latency_ms / 1000)
        signed_in = [] if case.kind == "login" else self.sign_in(server, 2 * case.in_flight)
        picture = _picture(server, credential) if case.kind == "picture kept" else ""
        was = family(server.pid)
        answered, before = self._upstream.answered, self._spent(server)
        load = self._load(server.url, case, seconds, people, signed_in, credential, picture)
        # Whoever never got an answer waited longer than anybody whom wrk has counted. Nobody waits for the rest.
        is_open = load["good"] < case.in_flight
        is_idle = not is_open and self._wait_until_idle(server, case.latency_ms / 1000 + 0.2)
        after = self._spent(server)
        done = self._upstream.answered - answered if case.kind == "login" and not is_open else load["good"]
        if not set(was) <= set(family(server.pid)):
            load["note"] += " a process died"
        spent, elapsed = after.server - before.server, after.at - before.at
        database, upstream = after.database - before.database, after.upstream - before.upstream
        others = (
            elapsed * (os.cpu_count() or 1) - (after.idle - before.idle) - spent - database - upstream - load["cpu"]
        )
        result = Result(
            server=server.name,
            database=server.database,
            known=people,
            **asdict(case),
            cpu_ms=1000 * spent / max(done, 1),
            database_ms=1000 * database / max(done, 1),
            answers=load["good"],
            per_second=load["good"] / load["seconds"],
            p50=load["p50"],
            p99=1000 * load["seconds"] if is_open else load["p99"],
            p99_open=is_open,
            errors=load["bad"] + load["lost"] + load["timeouts"],
            load_cpu=load["cpu"] / load["seconds"],
            upstream_cpu=upstream / load["seconds"],
            others_cpu=max(others, 0) / elapsed,
            note=load["note"].strip()[:200],
        )
        return result, is_idle

    def _spent(self, server: Server) -> _Spent:
        database = cpu([server.place.pid]) if server.place.pid else 0.0
        upstream = cpu([self._upstream.process.pid])
        return _Spent(cpu(family(server.pid)), database, upstream, idle_seconds(), time.monotonic())

    def _wait_until_idle(self, server: Server, period: float) -> bool:
        """Return when a period has passed in which nothing was exchanged and the server did next to nothing."""
        give_up = time.monotonic() + IDLE_SECONDS
        seen = (-1, 0.0)
        while time.monotonic() < give_up:
            time.sleep(period)
            now = (self._upstream.answered, cpu(family(server.pid)))
            if now[0] == seen[0] and now[1] - seen[1] <= 0.02:
                return True
            seen = now
        return False

    def run_beside_others(self, server: Server, case: Case, seconds: float, people: int) -> dict[str, Any]:
        """Measure, and meanwhile, once every connection is up, how everything else answers."""
        token = self.sign_in(server, 1)[0].split()[0]
        others = Others(server.url, token, server.program.paths)
        ramp = min(RAMP_SECONDS, seconds / 2)
        timers = [threading.Timer(ramp, others.start), threading.Timer(seconds, others.stop)]
        for timer in timers:
            timer.start()
        result, _ = self._measured(server, case, seconds, people)
        for timer in timers:
            timer.join()
        return {**asdict(result), "others": others.percentiles(), "errors_of_others": others.errors}

    def sign_in(self, server: Server, number: int) -> list[str]:
        """Return a line for each of so many people: access token, refresh token or a dash, user number."""
        self._upstream.answer_after(0)
        lines = []
        with requests.Session() as http:
            for user in range(1, number + 1):
                body = {"code": f"u{user}k0n0", **sealed_profile(0)}
                answer = http.post(f"{server.url}/api/v1/auth/login", json=body, timeout=30)
                if answer.status_code != 200:
                    raise RuntimeError(f"{server.name}: {answer.text}")
                data = answer.json()["data"]
                lines.append(f"{data['access_token']} {data.get('refresh_token', '-')} {user}")
        return lines

    def _load(
        self,
        url: str,
        case: Case,
        seconds: float,
        people: int,
        signed_in: list[str] | None = None,
        credential: str = "",
        picture: str = "",
    ) -> dict[str, Any]:
        """Run wrk and return what load.lua counted, with the CPU seconds that wrk itself took."""
        report, payloads, names = (self._folder / name for name in ("load.json", "payloads.txt", "people.txt"))
        report.unlink(missing_ok=True)
        payloads.write_text(payload_lines())
        names.write_text("".join(f"{line}\n" for line in signed_in or []))
        self._fresh += 10**6
        new_every, sealed_every = {"returning": (0, 1), "new": (1, 1), "people": (5, 4)}[case.users]
        settings = {
            "KIND": case.kind,
            "USERS": people,
            "FRESH": self._fresh,
            "NEW_EVERY": new_every,
            "SEALED_EVERY": sealed_every,
            "SEED": random.randrange(10**6) * KEYS + random.randrange(KEYS),
            "CREDENTIAL": credential,
            "PICTURE": picture,
            "PAYLOADS": payloads,
            "PEOPLE": names,
            "RESULT": report,
        }
        environment = {**os.environ, **{f"BENCH_{name}": str(value) for name, value in settings.items()}}
        command = ["wrk", "-t1", f"-c{case.in_flight}", f"-d{seconds:.0f}s", "--timeout", "60s", "-s", str(LUA), url]
        wrk = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = wrk.stdout.read() if wrk.stdout else b""
        _, status, usage = os.wait4(wrk.pid, 0)
        if status != 0 or not report.exists():
            raise RuntimeError(f"wrk ended with status {os.waitstatus_to_exitcode(status)}: {output.decode()}")
        counted, _, note = report.read_text().partition("\n")
        return {**json.loads(counted), "note": note, "cpu": usage.ru_utime + usage.ru_stime}


def _picture(server: Server, credential: str) -> str:
    """Return the address of a picture that the server has."""
    asked = {"json": {"scene": "b=kept"}, "headers": {"Authorization": f"Bearer {credential}"}, "timeout": 30}
    answer = requests.post(f"{server.url}/internal/v1/qrcodes", **asked)
    url: str = answer.json()["data"]["url"]
    return "/qrcodes/" + url.rpartition("/")[2]


def family(pid: int) -> list[int]:
    """Return a process and all that it has started, and they in turn."""
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        try:
            tasks = list(Path(f"/proc/{one}/task").iterdir())
            waiting += [int(child) for task in tasks for child in (task / "children").read_text().split()]
            found.append(one)
        except OSError:  # it has ended meanwhile
            continue
    return found


def cpu(pids: list[int]) -> float:
    """Return the CPU seconds, user and system, of these processes with their threads, and of children that ended."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += sum(map(int, fields[11:15]))
    return ticks / TICKS


def idle_seconds() -> float:
    """Return the seconds that the machine's cores have idled, all together."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return (int(fields[4]) + int(fields[5])) / TICKS
