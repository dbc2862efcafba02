"""Keeps the tables of bench and drill in README.md equal to bench/*.json; `--check` only compares, and ends with 1 if they differ.

It measures nothing and touches nothing outside its marks. A result that is not there yet leaves its block as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- bench -->", "<!-- /bench -->"


def block(report: dict[str, Any]) -> str:
    """The table in Markdown, with what was measured and on what."""
    m = report["machine"]
    lines = [
        BEGIN,
        f"Commit `{report['commit']}`, {report['at'][:10]}, {m['cores']} cores of {m['cpu']} for everything (hub, servers,"
        f" receiver, generator), Python {m['python']}, PostgreSQL {m['postgres']}. A ratio of 1 or more meets the target.",
        *_how(report),
        "",
        "| what | measured | target | without the hub | ratio |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in report["rows"]:
        sign = "≤" if row["bound"] == "at most" else "≥"
        floor = "" if row["floor"] is None else f"{_number(row['floor'])} ({row['floor_name']})"
        value = "failed" if row["value"] is None else f"{_number(row['value'])} {row['unit']}"
        lines.append(
            f"| {row['title']} | {value} | {sign} {_number(row['target'])} | {floor} | {row['ratio']:.2f} |"
        )
    return "\n".join([*lines, END])


def _how(report: dict[str, Any]) -> list[str]:
    """How it was measured, where that is less than a whole run."""
    runs, length = report.get("runs", 1), "for seconds" if report.get("short") else "at full length"
    if runs >= 3 and not report.get("short"):
        return []
    times = "once" if runs == 1 else f"{runs} times, the median"
    return [f"Each row {times}, {length}; a whole run takes the median of three at full length."]


DRILL_BEGIN, DRILL_END = "<!-- drill -->", "<!-- /drill -->"


def drill_block(report: dict[str, Any]) -> str:
    """The drill's table: what was broken how often, and what became of every accepted event."""
    lines = [
        DRILL_BEGIN,
        f"Commit `{report['commit']}`, seed {report['seed']}, {report['rate']:g} events a second meanwhile."
        f" {sum(row['count'] for row in report['rows'])} faults.",
        "",
        "| fault | times | accepted | lost | sent twice | until the part was back, at most | then until work flowed, at most |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for row in report["rows"]:
        lines.append(
            f"| {row['fault']} | {row['count']} | {row['accepted']:,} | {row['lost']} | {row['duplicates']} |"
            f" {row['back_s']:.1f} s | {row['recovery_s']:.2f} s |"
        )
    return "\n".join([*lines, DRILL_END])


def replaced(text: str, new: str, *, begin_mark: str = BEGIN, end_mark: str = END) -> str:
    """The text with the block between the marks renewed. Raises ValueError where the marks are missing."""
    begin, end = text.find(begin_mark), text.find(end_mark)
    if begin < 0 or end < begin:
        raise ValueError(
            f"README.md has no {begin_mark} … {end_mark}; put both marks where the table belongs."
        )
    return text[:begin] + new + text[end + len(end_mark) :]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args()
    path = ROOT / "README.md"
    try:
        text = renewed = path.read_text()
        if (latest := ROOT / "bench" / "latest.json").exists():
            renewed = replaced(renewed, block(json.loads(latest.read_text())))
        if (drill := ROOT / "bench" / "drill.json").exists():
            new = drill_block(json.loads(drill.read_text()))
            renewed = replaced(renewed, new, begin_mark=DRILL_BEGIN, end_mark=DRILL_END)
    except (OSError, ValueError) as error:
        print(f"readme: {error}", file=sys.stderr)
        return 1
    if options.check:
        if renewed != text:
            print("README.md is not what bench/*.json say; run python -m bench.readme.", file=sys.stderr)
        return int(renewed != text)
    path.write_text(renewed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
