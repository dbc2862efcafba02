"""Keeps the bench's table in README.md equal to bench/latest.json; `--check` only compares, and ends with 1 if they differ.

It measures nothing and touches nothing outside its two marks.
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


def replaced(text: str, new: str) -> str:
    """The text with the block between the marks renewed. Raises ValueError where the marks are missing."""
    begin, end = text.find(BEGIN), text.find(END)
    if begin < 0 or end < begin:
        raise ValueError(f"README.md has no {BEGIN} … {END}; put both marks where the table belongs.")
    return text[:begin] + new + text[end + len(END) :]


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    options = parser.parse_args()
    path = ROOT / "README.md"
    try:
        text = path.read_text()
        renewed = replaced(text, block(json.loads((ROOT / "bench" / "latest.json").read_text())))
    except (OSError, ValueError) as error:
        print(f"readme: {error}", file=sys.stderr)
        return 1
    if options.check:
        if renewed != text:
            print(
                "README.md is not what bench/latest.json says; run python -m bench.readme.", file=sys.stderr
            )
        return int(renewed != text)
    path.write_text(renewed)
    return 0


if __name__ == "__main__":
    sys.exit(main())
