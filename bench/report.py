"""From single measurements to medians, ratios and tables."""

import statistics
from dataclasses import asdict, fields
from typing import Any

from bench.measure import Result

_KEY = ("server", "database", "latency_ms", "in_flight", "users")
_DIGITS = {"cpu_ms": 2, "per_second": 0, "p50": 0, "p99": 0}
_COLUMNS = "server, database, users, WeChat ms, in flight, CPU ms/login, logins/s, p50 ms, p99 ms, errors, rounds"


def medians(results: list[Result]) -> list[dict[str, Any]]:
    """Return one row per server and case: the median of its rounds, and every error."""
    groups: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(tuple(getattr(result, name) for name in _KEY), []).append(result)
    return [_median(group) for group in groups.values()]


def _median(group: list[Result]) -> dict[str, Any]:
    row: dict[str, Any] = {name: getattr(group[0], name) for name in _KEY}
    for field in fields(Result):
        if field.type is float:
            row[field.name] = statistics.median(getattr(result, field.name) for result in group)
    row["errors"] = sum(result.errors for result in group)
    row["logins"] = sum(result.logins for result in group)
    row["rounds"] = len(group)
    row["notes"] = sorted({result.note for result in group if result.note})
    return row


def ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the CPU of authsvc as it is shipped over that of each baseline, where both ran the same case."""
    ours = [row for row in rows if row["server"] == "authsvc gevent"]
    found = []
    for row in ours:
        for plain in rows:
            same = all(row[name] == plain[name] for name in _KEY[1:])
            if same and plain["server"].startswith("plain") and plain["logins"]:
                ratio = round(row["cpu_ms"] / plain["cpu_ms"], 3)
                found.append({**{name: row[name] for name in _KEY[1:]}, "baseline": plain["server"], "ratio": ratio})
    return found


def markdown(report: dict[str, Any]) -> str:
    """Return everything as one page."""
    machine = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    parts = [f"# bench/login\n\n{machine}\n", _quietness(report["rows"]), "## CPU against the plain Flask way\n"]
    parts += [_ratios(report["ratios"]), "## Every case\n", table(report["rows"])]
    parts += ["## Everything else, while logins are in flight\n", _others(report["beside_others"])]
    return "\n".join(parts)


def table(rows: list[dict[str, Any]]) -> str:
    """Return rows as a Markdown table."""
    return _head(_COLUMNS) + "".join(_line(row) for row in rows)


def _head(columns: str) -> str:
    names = columns.split(", ")
    return f"| {' | '.join(names)} |\n{'|---' * len(names)}|\n"


def _ratios(found: list[dict[str, Any]]) -> str:
    names = ("users", "database", "latency_ms", "in_flight", "baseline", "ratio")
    lines = [f"| {' | '.join(str(row[name]) for name in names)} |\n" for row in found]
    return _head("users, database, WeChat ms, in flight, baseline, ratio") + "".join(lines)


def _line(row: dict[str, Any]) -> str:
    numbers = " | ".join(f"{row[name]:.{digits}f}" for name, digits in _DIGITS.items())
    case = f"{row['users']} | {row['latency_ms']} | {row['in_flight']}"
    return f"| {row['server']} | {row['database']} | {case} | {numbers} | {row['errors']} | {row['rounds']} |\n"


def _quietness(rows: list[dict[str, Any]]) -> str:
    """How far to trust the figures: what the load took, and what had nothing to do with this run."""
    others = statistics.median(row["others_cpu"] for row in rows)
    load, upstream = (max(row[name] for row in rows) for name in ("load_cpu", "upstream_cpu"))
    return (
        f"In cores: the load took at most {load:.2f}, the upstream {upstream:.2f}. Everything else on this machine, a "
        f"MariaDB included, took {others:.2f} in the median case: above 0.5, logins/s and latencies say more about "
        "what else it did than about the servers.\n"
    )


def _others(runs: list[dict[str, Any]]) -> str:
    lines = [
        f"| {run['server']} | {run['database']} | {run['latency_ms']} | {run['in_flight']} | {run['per_second']:.0f} "
        f"| {path} | {seen['p50']} | {seen['p99']} | {seen['asked']} | {run['errors_of_others']} |\n"
        for run in runs
        for path, seen in run["others"].items()
    ]
    return _head("server, database, WeChat ms, in flight, logins/s, path, p50 ms, p99 ms, asked, errors") + "".join(
        lines
    )


def as_json(results: list[Result]) -> list[dict[str, Any]]:
    """Return the single measurements."""
    return [asdict(result) for result in results]
