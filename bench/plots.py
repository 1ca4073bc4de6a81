"""Draws the results in a folder: python plots.py FOLDER, with matplotlib (bench/.venv)."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt

Row = dict[str, Any]
_DATABASES = {"sqlite": "SQLite", "mariadb": "MariaDB"}
_USUAL = (0, 50, 100)


def concurrency(report: Row, database: str) -> Any:
    """Logins/s and p99 over the number in flight, a column per latency of WeChat."""
    figure, panels = plt.subplots(2, len(_USUAL), figsize=(13, 7), sharex=True, sharey="row", layout="constrained")
    for column, latency in enumerate(_USUAL):
        panels[0][column].set_title(f"WeChat {latency} ms")
        panels[1][column].set_xlabel("logins in flight")
        for name, title in report["titles"].items():
            rows = _curve(report, name, database, latency)
            for panel, figure_of in ((panels[0][column], "per_second"), (panels[1][column], "p99")):
                if rows:
                    _draw(panel, rows, figure_of, title)
                panel.set(xscale="log", yscale="log")
                panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("logins/s")
    panels[1][0].set_ylabel("p99, ms (△: longer than that)")
    figure.suptitle(f"A returning user's login, {_DATABASES[database]}, two worker processes")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _draw(panel: Any, rows: list[Row], figure_of: str, title: str) -> None:
    (line,) = panel.plot([row["in_flight"] for row in rows], [row[figure_of] for row in rows], label=title)
    for row in rows:
        is_longer = figure_of == "p99" and row["p99_open"]
        panel.plot(row["in_flight"], row[figure_of], "^" if is_longer else "o", color=line.get_color())


def _curve(report: Row, name: str, database: str, latency: int) -> list[Row]:
    sizes = {size["people"] for size in report["sizes"]}
    rows = [
        row
        for row in report["rows"]
        if (row["server"], row["database"], row["latency_ms"]) == (name, database, latency)
        and (row["kind"], row["users"]) == ("login", "returning")
        and row["known"] not in sizes
    ]
    return sorted(rows, key=lambda row: int(row["in_flight"]))


def over_users(report: Row) -> Any:
    """CPU and p99 of a login over the number of people known."""
    sizes = {size["people"] for size in report["sizes"]}
    rows = [row for row in report["rows"] if row["kind"] == "login" and row["known"] in sizes]
    figure, (cost, p99) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for database, users in sorted({(row["database"], row["users"]) for row in rows}):
        mine = sorted(
            (row for row in rows if (row["database"], row["users"]) == (database, users)),
            key=lambda row: int(row["known"]),
        )
        known, label = [row["known"] for row in mine], f"{_DATABASES[database]}, {users}"
        cost.plot(known, [row["cpu_ms"] + row["database_ms"] for row in mine], "o-", label=label)
        p99.plot(known, [row["p99"] for row in mine], "o-", label=label)
    cost.set_ylabel("CPU ms/login, service and database")
    p99.set_ylabel("p99, ms")
    for panel in (cost, p99):
        panel.set(xscale="log", xlabel="people known", ylim=(0, None))
        panel.grid(alpha=0.3)
    cost.legend()
    figure.suptitle("A login at authsvc, 16 in flight")
    return figure


def main() -> None:
    folder = Path(sys.argv[1])
    report = json.loads((folder / "compare.json").read_text())
    # The same figures give the same file.
    mpl.rcParams.update({"svg.hashsalt": "authsvc", "svg.fonttype": "none"})
    drawn = {
        f"concurrency-{database}": concurrency(report, database)
        for database in _DATABASES
        if any(_curve(report, name, database, latency) for name in report["titles"] for latency in _USUAL)
    }
    if report["sizes"]:
        drawn["users"] = over_users(report)
    for name, figure in drawn.items():
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
