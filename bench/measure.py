"""One measurement: keep N logins in flight for some seconds, and say what they cost the server."""

import base64
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
from Crypto.Cipher import AES
from Crypto.Util.Padding import pad

from bench.others import Others
from bench.servers import APPID, Server, Upstream
from bench.upstream import session_key

LUA = Path(__file__).with_name("load.lua")
TICKS = os.sysconf("SC_CLK_TCK")
# Enough that a thousand in flight are a thousand different users.
RETURNING_USERS = 2000
KEYS = 8
# Until the connections of a crowd are all accepted.
RAMP_SECONDS = 4
# A crowd that the load has left behind is worked off in less.
IDLE_SECONDS = 20
_IV = base64.b64encode(bytes(range(16))).decode()


@dataclass(frozen=True)
class Case:
    """What to measure. ``users``: returning, rekeyed (returning, with a new session_key each time) or new."""

    latency_ms: int
    in_flight: int
    users: str = "returning"


@dataclass(frozen=True)
class Result:
    """Times in ms; ``*_cpu`` of load and upstream in cores, so 1.0 is a core kept busy."""

    server: str
    database: str
    latency_ms: int
    in_flight: int
    users: str
    cpu_ms: float
    logins: int
    per_second: float
    p50: float
    p99: float
    errors: int
    load_cpu: float
    upstream_cpu: float
    server_cpu: float
    others_cpu: float
    note: str = ""


class Bench:
    """Measures servers against one upstream."""

    def __init__(self, folder: Path, upstream: Upstream) -> None:
        self._folder = folder
        self._upstream = upstream
        self._payloads: dict[int, Path] = {}
        self._next_user = random.randrange(10**6, 10**9)

    def settle(self, server: Server) -> None:
        """Make the returning users known, which also warms the server up."""
        self._upstream.answer_after(0)
        known, in_flight = 0, 8
        while known < RETURNING_USERS:
            left = RETURNING_USERS - known
            run = self._load(server.url, in_flight=in_flight, seconds=2, users=left, first=known + 1, keys=1)
            if run["good"] == 0:
                raise RuntimeError(f"{server.name}: {run['note']}")
            # When the time is up, the last ones asked have no answer yet: those are asked again.
            known += left if run["good"] >= left + in_flight else max(1, min(run["good"], left) - in_flight)

    def run(self, server: Server, case: Case, seconds: float) -> Result:
        """Measure; the logins still running when the load ends are waited for and counted."""
        self._upstream.answer_after(case.latency_ms / 1000)
        keys = KEYS if case.users == "rekeyed" else 1
        users, first = (RETURNING_USERS, 1) if case.users != "new" else (10**9, self._fresh_users())
        workers = children(server.pid)
        answered, started = self._upstream.answered, time.monotonic()
        before, upstream_before, idle_before = cpu(workers), cpu([self._upstream.process.pid]), idle_seconds()
        load = self._load(server.url, in_flight=case.in_flight, seconds=seconds, users=users, first=first, keys=keys)
        self._wait_until_idle(workers, case.latency_ms / 1000 + 0.2)
        spent, elapsed = cpu(workers) - before, time.monotonic() - started
        upstream_spent = cpu([self._upstream.process.pid]) - upstream_before
        others = elapsed * (os.cpu_count() or 1) - (idle_seconds() - idle_before) - spent - upstream_spent - load["cpu"]
        logins = self._upstream.answered - answered
        if set(children(server.pid)) != set(workers):
            load["note"] += " a worker died"
        return Result(
            server=server.name,
            database=server.database,
            **asdict(case),
            cpu_ms=1000 * spent / max(logins, 1),
            logins=load["good"],
            per_second=load["good"] / load["seconds"],
            p50=load["p50"],
            p99=load["p99"],
            errors=load["bad"] + load["lost"] + load["timeouts"],
            load_cpu=load["cpu"] / load["seconds"],
            upstream_cpu=upstream_spent / load["seconds"],
            server_cpu=spent / load["seconds"],
            others_cpu=max(others, 0) / elapsed,
            note=load["note"].strip()[:200],
        )

    def _wait_until_idle(self, workers: list[int], period: float) -> None:
        """Return when a period has passed in which no login was carried out and the workers did next to nothing."""
        give_up = time.monotonic() + IDLE_SECONDS
        seen = (-1, 0.0)
        while time.monotonic() < give_up:
            time.sleep(period)
            now = (self._upstream.answered, cpu(workers))
            if now[0] == seen[0] and now[1] - seen[1] <= 0.02:
                return
            seen = now

    def run_beside_others(self, server: Server, case: Case, seconds: float) -> dict[str, Any]:
        """Measure, and meanwhile, once every connection is up, how everything else answers."""
        others = Others(server.url, self._token(server), server.others)
        timers = [threading.Timer(RAMP_SECONDS, others.start), threading.Timer(seconds, others.stop)]
        for timer in timers:
            timer.start()
        result = self.run(server, case, seconds)
        for timer in timers:
            timer.join()
        return {**asdict(result), "others": others.percentiles(), "errors_of_others": others.errors}

    def _token(self, server: Server) -> str:
        self._upstream.answer_after(0)
        body = json.loads(f'{{"code":"u1k0n0",{sealed_members(0)}}}')
        answer = requests.post(f"{server.url}/api/v1/auth/login", json=body, timeout=30)
        if answer.status_code != 200:
            raise RuntimeError(f"{server.name}: {answer.text}")
        token: str = answer.json()["data"]["access_token"]
        return token

    def _fresh_users(self) -> int:
        self._next_user += 10**6
        return self._next_user

    def _load(self, url: str, *, in_flight: int, seconds: float, users: int, first: int, keys: int) -> dict[str, Any]:
        """Run wrk and return what load.lua counted, with the CPU seconds that wrk itself took."""
        report = self._folder / "load.json"
        report.unlink(missing_ok=True)
        environment = {
            **os.environ,
            "BENCH_USERS": str(users),
            "BENCH_FIRST": str(first),
            "BENCH_PAYLOADS": str(self._payload_file(keys)),
            "BENCH_RESULT": str(report),
        }
        command = ["wrk", "-t1", f"-c{in_flight}", f"-d{seconds:.0f}s", "--timeout", "30s", "-s", str(LUA), url]
        wrk = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        output = wrk.stdout.read()
        _, status, usage = os.wait4(wrk.pid, 0)
        if status != 0:
            raise RuntimeError(f"wrk ended with status {os.waitstatus_to_exitcode(status)}: {output.decode()}")
        counted, _, note = report.read_text().partition("\n")
        return {**json.loads(counted), "note": note, "cpu": usage.ru_utime + usage.ru_stime}

    def _payload_file(self, keys: int) -> Path:
        """Sealed profiles, one line per session_key, with a watermark of now."""
        path = self._folder / f"payloads-{keys}.txt"
        path.write_text("".join(f"{sealed_members(number)}\n" for number in range(keys)))
        return path


def sealed_members(key_number: int) -> str:
    """Return encryptedData and iv as they stand in a JSON body: a profile as wx.getUserProfile gives it."""
    profile = {
        "nickName": "小明同学",
        "gender": 1,
        "language": "zh_CN",
        "city": "Guangzhou",
        "province": "Guangdong",
        "country": "China",
        "avatarUrl": "https://thirdwx.qlogo.cn/mmopen/vi_32/Q0j4TwGTfTJx8P3kYb9cVw2u5dRzKqLhM7sNaEoIyBgWlUeCtXvHpFiDjOrZmAnQk/132",
        "watermark": {"timestamp": int(time.time()), "appid": APPID},
    }
    text = json.dumps(profile, ensure_ascii=False, separators=(",", ":")).encode()
    key, iv = base64.b64decode(session_key(key_number)), base64.b64decode(_IV)
    sealed = base64.b64encode(AES.new(key, AES.MODE_CBC, iv).encrypt(pad(text, 16))).decode()
    return f'"encryptedData":"{sealed}","iv":"{_IV}"'


def children(pid: int) -> list[int]:
    """Return the worker processes of a gunicorn."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def cpu(pids: list[int]) -> float:
    """Return the CPU seconds, user and system, that these processes have taken with all their threads."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def idle_seconds() -> float:
    """Return the seconds that the machine's cores have idled, all together."""
    fields = Path("/proc/stat").read_text().splitlines()[0].split()
    return (int(fields[4]) + int(fields[5])) / TICKS
