"""From single measurements to medians, ratios and tables."""

import statistics
from dataclasses import fields
from typing import Any

from bench import plan
from bench.measure import Result

Row = dict[str, Any]
_KEY = ("server", "database", "known", "kind", "users", "latency_ms", "in_flight")
# Whose single values are kept beside the medians.
_EACH = ("cpu_ms", "per_second", "p99")
BASELINE = "plain"
_DATABASES = {"sqlite": "SQLite", "mariadb": "MariaDB"}


def medians(results: list[Result]) -> list[Row]:
    """Return one row per server and case: the median of its rounds, and every error."""
    groups: dict[tuple[Any, ...], list[Result]] = {}
    for result in results:
        groups.setdefault(tuple(getattr(result, name) for name in _KEY), []).append(result)
    rows = [_median(group) for group in groups.values()]
    for row in rows:
        _compare(row, rows)
    return rows


def _median(group: list[Result]) -> Row:
    row: Row = {name: getattr(group[0], name) for name in _KEY}
    for field in fields(Result):
        if field.type is float:
            row[field.name] = round(statistics.median(getattr(result, field.name) for result in group), 4)
    row["p99_open"] = sum(result.p99_open for result in group) * 2 > len(group)
    row["errors"] = sum(result.errors for result in group)
    row["answers"] = sum(result.answers for result in group)
    row["rounds"] = len(group)
    row["each"] = {name: [round(getattr(result, name), 3) for result in group] for name in _EACH}
    row["notes"] = sorted({result.note for result in group if result.note})
    return row


def _compare(row: Row, rows: list[Row]) -> None:
    """Put the ratios to the baseline into a row, where that has been through the same case."""
    for other in rows:
        if other["server"] == BASELINE and all(row[name] == other[name] for name in _KEY[1:]) and other["answers"]:
            row["cpu_ratio"] = round(row["cpu_ms"] / other["cpu_ms"], 3)
            row["speed_ratio"] = round(row["per_second"] / other["per_second"], 2)


def markdown(report: Row) -> str:
    """Return everything as one page."""
    machine = ", ".join(f"{name} {value}" for name, value in report["machine"].items())
    rows = report["rows"]
    parts = [f"# bench/compare\n\n{machine}\n"]
    if rows:
        parts.append(_quietness(rows, report["upstream"]))
    if report["left_out"]:
        parts.append(f"Left out, as there was no time or no room: {_left_out(report['left_out'])}\n")
    if report["failures"]:
        parts.append(f"Failed: {'; '.join(report['failures'])}\n")
    logins = [row for row in rows if row["kind"] == "login" and not _is_of_sizes(row, report)]
    parts += _summary(logins, report["titles"])
    parts += _logins(logins, report["titles"])
    parts += _others([row for row in rows if row["kind"] != "login"], report["verifier_us"])
    parts += _beside(report["beside"], report["titles"])
    parts += _sizes([row for row in rows if _is_of_sizes(row, report)], report["sizes"])
    return "\n".join(parts)


def _left_out(names: list[str]) -> str:
    shown = "; ".join(names[:8])
    return f"{shown}; and {len(names) - 8} more (`left_out` in the JSON)." if len(names) > 8 else f"{shown}."


def _is_of_sizes(row: Row, report: Row) -> bool:
    return row["kind"] == "login" and row["known"] in {size["people"] for size in report["sizes"]}


def _quietness(rows: list[Row], upstream: dict[str, float]) -> str:
    """How far to trust the figures: what the load took, and what had nothing to do with this run."""
    others = statistics.median(row["others_cpu"] for row in rows)
    load, asked = (max(row[name] for row in rows) for name in ("load_cpu", "upstream_cpu"))
    return (
        f"In cores: the load took at most {load:.2f}, the upstream {asked:.2f}. Everything else on this machine took "
        f"{others:.2f} in the median case: above 0.3, times and answers/s say more about what else it did than about "
        f"the servers. The upstream by itself answers {upstream['per_second']:,.0f} exchanges/s at "
        f"{upstream['cpu_ms']:.3f} ms CPU.\n"
    )


def _summary(rows: list[Row], titles: dict[str, str]) -> list[str]:
    """Return the cases that were chosen beforehand in one table, a column per program."""
    cases = [tuple(row[name] for name in _KEY[1:]) for row in rows]
    chosen = [
        case
        for wanted, database in plan.TABLE
        for case in dict.fromkeys(cases)
        if case[0] == database and case[3:] == (wanted.users, wanted.latency_ms, wanted.in_flight)
    ]
    programs = [name for name in titles if any(row["server"] == name for row in rows)]
    if not chosen:
        return []
    found = {(row["server"], *(row[name] for name in _KEY[1:])): row for row in rows}
    lines = [[_case(case), *(_cell(found.get((name, *case))) for name in programs)] for case in chosen]
    columns = ", ".join(["case", *(titles[name].replace(",", ":") for name in programs)])
    sentence = "CPU per login as a part of plain Flask's / logins/s as a multiple of plain Flask's / p99 in ms\n"
    return ["## In short\n", sentence, _table(columns, lines)]


def _case(case: tuple[Any, ...]) -> str:
    database, _, _, users, latency, in_flight = case
    return f"{users}; {_DATABASES[database]}; WeChat {latency} ms; {in_flight:,} in flight"


def _cell(row: Row | None) -> str:
    if row is None or "cpu_ratio" not in row:
        return "–"
    beyond, longer = ("≤ ", "> ") if row["p99_open"] else ("", "")
    return f"{beyond}{row['cpu_ratio']:.2f} / {row['speed_ratio']:.2f} / {longer}{row['p99']:,.0f}"


def _logins(rows: list[Row], titles: dict[str, str]) -> list[str]:
    """Return a table per case."""
    if not rows:
        return []
    parts = [
        "## Logins\n",
        "Each with a unionid and another session_key than the last time; `returning` and `new` with a sealed profile, "
        "of `people` one in five is new and one in four brings a profile. Ratios are to plain Flask. Where the load "
        "ended before everybody in it had one answer, p99 is longer than what stands there (`>`), and the CPU holds "
        "what went into logins that never ended (`≤`).\n",
    ]
    cases = dict.fromkeys(tuple(row[name] for name in _KEY[1:]) for row in rows)
    for case in cases:
        parts.append(f"### {_case(case)}\n")
        lines = [_login_line(row, titles) for row in rows if tuple(row[name] for name in _KEY[1:]) == case]
        columns = "program, CPU ms/login, × plain, database ms, logins/s, × plain, p50 ms, p99 ms, errors, rounds"
        parts.append(_table(columns, lines))
    return parts


def _login_line(row: Row, titles: dict[str, str]) -> list[str]:
    database = f"{row['database_ms']:.2f}" if row["database"] == "mariadb" else "–"
    beyond = "≤ " if row["p99_open"] else ""
    return [
        titles[row["server"]],
        f"{beyond}{row['cpu_ms']:.2f}",
        f"{beyond}{row['cpu_ratio']:.2f}" if "cpu_ratio" in row else "–",
        database,
        f"{row['per_second']:,.0f}",
        f"{row['speed_ratio']:.2f}" if "speed_ratio" in row else "–",
        f"{row['p50']:,.0f}",
        f"{'> ' if row['p99_open'] else ''}{row['p99']:,.0f}",
        str(row["errors"]),
        str(row["rounds"]),
    ]


def _others(rows: list[Row], verifier_us: list[float]) -> list[str]:
    if not rows:
        return []
    lines = [
        [
            row["kind"],
            _DATABASES[row["database"]],
            str(row["in_flight"]),
            f"{row['cpu_ms']:.2f}",
            f"{row['database_ms']:.2f}" if row["database"] == "mariadb" else "–",
            f"{row['per_second']:,.0f}",
            f"{row['p50']:,.1f}",
            f"{row['p99']:,.0f}",
            str(row["errors"]),
        ]
        for row in rows
    ]
    columns = "request, database, in flight, CPU ms, database ms, answers/s, p50 ms, p99 ms, errors"
    parts = ["## Everything but logins, at authsvc\n", _table(columns, lines)]
    if verifier_us:
        microseconds = statistics.median(verifier_us)
        parts.append(f"A token verified in another service by `authsvc_verifier`: {microseconds:.0f} µs of its CPU.\n")
    return parts


def _beside(runs: list[Row], titles: dict[str, str]) -> list[str]:
    if not runs:
        return []
    lines = [
        [
            titles[run["server"]],
            _DATABASES[run["database"]],
            f"{run['latency_ms']}",
            f"{run['in_flight']:,}",
            f"{run['per_second']:,.0f}",
            path,
            *(str(seen[name]) for name in ("p50", "p99", "asked")),
            str(run["errors_of_others"]),
        ]
        for run in runs
        for path, seen in run["others"].items()
    ]
    columns = "program, database, WeChat ms, logins in flight, logins/s, path, p50 ms, p99 ms, asked, errors"
    return ["## Everything else, while logins are in flight\n", _table(columns, lines)]


def _sizes(rows: list[Row], sizes: list[Row]) -> list[str]:
    """Return what a login costs by the number of people, and the ratio to the smallest number."""
    if not rows:
        return []
    stored = {(size["database"], size["people"]): size["bytes"] for size in sizes}
    lines = []
    for row in sorted(rows, key=lambda row: (row["database"], row["users"], row["known"])):
        same = [other for other in rows if (other["database"], other["users"]) == (row["database"], row["users"])]
        least = min(same, key=lambda other: int(other["known"]))
        cost, least_cost = (one["cpu_ms"] + one["database_ms"] for one in (row, least))
        lines.append(
            [
                _DATABASES[row["database"]],
                row["users"],
                f"{row['known']:,}",
                f"{stored[row['database'], row['known']] / 1e9:.2f}",
                f"{row['cpu_ms']:.2f}",
                f"{row['database_ms']:.2f}",
                f"{cost / least_cost:.2f}",
                f"{row['per_second']:,.0f}",
                f"{row['p99']:,.0f}",
                str(row["errors"]),
            ]
        )
    columns = "database, users, known, GB, CPU ms/login, database ms, × the fewest, logins/s, p99 ms, errors"
    return ["## A login over the number of people, at authsvc, 16 in flight\n", _table(columns, lines)]


def _table(columns: str, lines: list[list[str]]) -> str:
    names = columns.split(", ")
    head = f"| {' | '.join(names)} |\n{'|---' * len(names)}|\n"
    return head + "".join(f"| {' | '.join(line)} |\n" for line in lines)
